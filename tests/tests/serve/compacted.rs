//! Compacted topics on a real server.

use serde_json::json;

use crate::load::deploy_faulty;
use crate::server::Server;
use crate::support::Place;

#[test]
fn what_a_topic_keeps_is_shown_changed_and_there_after_a_restart() {
    let place = Place::new();
    let server = Server::start(&place);
    let made = server.json(&["topic", "create", "latest", "--compacted"]);
    assert_eq!(made["cleanup"], "compact");
    server.pelton(&["topic", "create", "t", "--retention", "7d"]).expect(0);
    let listed = server.pelton(&["topic", "ls"]).expect(0).out;
    assert!(listed.contains("the latest of each key") && listed.contains("7d"), "{listed}");
    let set = |arguments: &[&str]| {
        let all: Vec<_> = ["topic", "set", "t"].iter().chain(arguments).copied().collect();
        server.pelton(&all)
    };
    let told = set(&["--compacted"]).expect(0).err;
    assert!(told.contains("t keeps the latest of each key"), "{told}");
    assert!(told.contains("add --delete"), "{told}");
    let told = set(&["--compacted", "--delete", "--retention-bytes", "1GiB"]).expect(0).err;
    assert!(told.contains("the latest of each key, 7d, 1.0 GiB a partition"), "{told}");
    set(&["--retention", "none"]).expect(0);
    set(&[]).expect_error(2, "E-USAGE");
    set(&["--retention", "long"]).expect(2);
    drop(server);
    let server = Server::start(&place);
    let topic = server.json(&["topic", "describe", "t"]);
    assert_eq!(
        (&topic["cleanup"], &topic["retention_ms"], &topic["retention_bytes"]),
        (&json!("compact-and-delete"), &json!(null), &json!(1 << 30))
    );
    server.pelton_with(&["produce", "t"], "{\"value\":1}\n").expect_error(3, "E-TOPIC-KEY");
    server.pelton(&["topic", "set", "t", "--delete"]).expect(0);
    server.pelton_with(&["produce", "t"], "{\"value\":1}\n").expect(0);
    let refused = server.pelton(&["topic", "set", "t", "--compacted"]);
    let refused = refused.expect_error(3, "E-TOPIC-KEYLESS");
    assert!(refused.err.contains("offset 0 of partition 0"), "{}", refused.err);
    let none = ["topic", "set", "no-such", "--compacted"];
    server.pelton(&none).expect_error(5, "E-TOPIC-UNKNOWN");
}

#[test]
fn a_topic_that_a_function_writes_to_is_compacted_while_it_is_paused() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_faulty(&place, &server);
    let compact = ["topic", "set", "fine", "--compacted"];
    let refused = server.pelton(&compact).expect_error(3, "E-TOPIC-CLEANUP-IN-USE");
    assert!(refused.err.contains("pause it, change the topic and resume it"), "{}", refused.err);
    let letters = ["topic", "set", "faulty.dead", "--compacted"];
    server.pelton(&letters).expect_error(3, "E-TOPIC-CLEANUP-IN-USE");
    server.pelton(&["pause", "faulty"]).expect(0);
    server.pelton(&compact).expect(0);
    server.pelton(&["resume", "faulty"]).expect(0);
    let records =
        "{\"key\":\"k\",\"value\":\"1\"}\n{\"value\":\"2\"}\n{\"key\":\"k\",\"value\":\"3\"}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    let values = server.values("fine", 0, 2);
    assert_eq!(values, [json!(1), json!(3)]);
    let letters = server.json(&["dlq", "ls", "faulty"]);
    let shown = letters.to_string();
    assert!(shown.contains("E-GUEST-KEY-MISSING"), "{shown}");
    assert_eq!(letters.as_array().map(Vec::len), Some(1), "{shown}");
}
