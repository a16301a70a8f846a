//! What each command shows of a server.

use serde_json::json;

use crate::load::deploy_faulty;
use crate::server::Server;
use crate::support::{Place, faulty, guest};

#[test]
fn topics_are_created_listed_described_and_removed() {
    let place = Place::new();
    let server = Server::start(&place);
    let create = ["topic", "create", "flights", "--partitions", "2", "--retention", "7d"];
    server.pelton(&create).expect(0);
    server.pelton(&create).expect_error(3, "E-TOPIC-EXISTS");
    let topics = server.json(&["topic", "ls"]);
    assert_eq!(
        (&topics[0]["name"], &topics[0]["retention_ms"]),
        (&json!("flights"), &json!(604_800_000))
    );
    let shown = server.pelton(&["topic", "describe", "flights"]).expect(0).out;
    assert!(shown.starts_with("flights: 0 records, 0 B, kept: 7d\n"), "{shown}");
    assert_eq!(shown.lines().count(), 5, "{shown}");
    server.pelton(&["topic", "rm", "flights", "--yes"]).expect(0);
    let gone = server.pelton(&["topic", "describe", "flights"]).expect_error(5, "E-TOPIC-UNKNOWN");
    assert!(gone.err.contains("pelton topic create"), "{}", gone.err);
    server.pelton(&["topic", "create", "../x"]).expect_error(3, "E-NAME");
    server.pelton(&["topic", "describe", "a/../b"]).expect_error(3, "E-NAME");
}

#[test]
fn records_are_produced_from_every_format_and_read_back_as_they_were() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    let json = "{\"key\":\"k\",\"value\":{\"a\":1},\"timestamp\":5,\"headers\":{\"h\":\"v\"}}\n\
                {\"key\":{\"base64\":\"/w==\"},\"value\":null,\"timestamp\":6}\n";
    server.pelton_with(&["produce", "t"], json).expect(0);
    let lines = ["produce", "t", "--input-format", "lines"];
    server.pelton_with(&lines, "plain\n").expect(0);
    place.write("r.csv", "id,n,at\nx,7,8\n");
    let csv = ["produce", "t", "--input", "r.csv", "--key-column", "id", "--time-column", "at"];
    let report = server.json(&csv);
    assert_eq!(report["partitions"], json!([{ "partition": 0, "offset": 3, "records": 1 }]));
    let out = server.pelton(&["consume", "t"]).expect(0);
    let lines: Vec<&str> = out.out.lines().collect();
    assert_eq!(
        lines[..2],
        [
            r#"{"topic":"t","key":"k","value":{"a":1},"timestamp":5,"headers":[["h","v"]]}"#,
            r#"{"topic":"t","key":{"base64":"/w=="},"value":null,"timestamp":6}"#,
        ]
    );
    let records = out.records();
    assert_eq!((&records[2]["key"], &records[2]["value"]), (&json!(null), &json!("plain")));
    assert_eq!((&records[3]["value"]["n"], &records[3]["timestamp"]), (&json!(7), &json!(8)));
    // One topic's output is another's input.
    server.pelton(&["topic", "create", "copy"]).expect(0);
    server.pelton_with(&["produce", "copy"], &out.out).expect(0);
    let copy = server.pelton(&["consume", "copy"]).expect(0).out;
    assert_eq!(copy.replace("\"topic\":\"copy\"", "\"topic\":\"t\""), out.out);
    let some = ["consume", "t", "--from", "1", "--max", "2", "--offsets"];
    let offsets: Vec<_> =
        server.pelton(&some).expect(0).records().iter().map(|r| r["offset"].clone()).collect();
    assert_eq!(offsets, [1, 2]);
    assert_eq!(server.pelton(&["consume", "t", "--from", "latest"]).expect(0).out, "");
}

#[test]
fn a_bad_line_ends_producing_behind_what_was_sent_or_is_left_out() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "t"]).expect(0);
    let input = "{\"value\":1}\n{\"value\":\n{\"value\":3}\n";
    let ended = server.pelton_with(&["produce", "t"], input).expect_error(3, "E-INPUT-JSON");
    assert!(ended.err.contains("1 record had been appended to t"), "{}", ended.err);
    server.pelton_with(&["produce", "t", "--skip-bad-lines"], input).expect(0);
    assert_eq!(server.pelton(&["consume", "t"]).expect(0).records().len(), 3);
    server.pelton_with(&["produce", "nope"], "{\"value\":1}\n").expect_error(5, "E-TOPIC-UNKNOWN");
}

#[test]
fn dead_letters_are_listed_with_the_reason_and_shown_whole() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_faulty(&place, &server);
    assert_eq!(server.json(&["dlq", "ls", "faulty"]), json!([]));
    let records = "{\"key\":\"a\",\"value\":\"fine\"}\n{\"key\":\"b\",\"value\":\"reject\"}\n\
                   {\"key\":\"c\",\"value\":\"trap\"}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    assert_eq!(server.values("fine", 0, 1), ["fine"]);
    assert_eq!(server.values("faulty.dead", 0, 2), ["reject", "trap"]);
    let letters = server.json(&["dlq", "ls", "faulty"]);
    assert_eq!((&letters[0]["id"], &letters[0]["code"]), (&json!("0:1"), &json!("E-GUEST-TRAP")));
    assert_eq!((&letters[0]["place"], &letters[1]["id"]), (&json!("in:0:2"), &json!("0:0")));
    assert_eq!(server.json(&["dlq", "ls", "faulty", "--limit", "1"]).as_array().unwrap().len(), 1);
    assert_eq!(server.json(&["dlq", "show", "faulty"])["id"], "0:1");
    let shown = server.pelton(&["dlq", "show", "faulty", "0:1"]).expect(0).out;
    assert!(shown.contains("code       E-GUEST-TRAP\n"), "{shown}");
    assert!(shown.contains("value      \"trap\"\n"), "{shown}");
    let none = ["dlq", "show", "faulty", "0:7"];
    server.pelton(&none).expect_error(5, "E-DEAD-LETTER-NOT-FOUND");
    let status = server.pelton(&["status", "faulty"]).expect(0);
    assert!(status.err.contains("next: pelton dlq ls faulty"), "{}", status.err);
    assert_eq!(server.json(&["status", "faulty"])["poison"], 2);
}

#[test]
fn dead_letters_are_put_back_once() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write(
        "faulty.toml",
        "[function]\nname = 'faulty'\n[[input]]\ntopic = 'in'\npartitions = 2\n\
        [[output]]\nname = 'out'\ntopic = 'fine'\n",
    );
    server.pelton(&["deploy", &faulty(), "--manifest", "faulty.toml"]).expect(0);
    let redrive = |more: &[&str]| server.pelton(&[&["dlq", "redrive", "faulty"], more].concat());
    let all = |more: &[&str]| server.json(&[&["dlq", "redrive", "faulty", "--all"], more].concat());
    assert_eq!(all(&[]), json!({ "redriven": 0, "already": 0, "skipped": 0 }), "none yet");
    let records = "{\"key\":\"a\",\"value\":\"reject\",\"headers\":{\"mine\":\"x\"}}\n\
                   {\"key\":\"b\",\"value\":\"reject\"}\n";
    server.pelton_with(&["produce", "in", "--partition", "1"], records).expect(0);
    assert_eq!(server.values("faulty.dead", 0, 2).len(), 2);

    // One of them: it is rejected again, which makes a third dead letter.
    let one = ["--partition", "1", "--offset", "0"];
    let ended = redrive(&one).expect(0);
    assert_eq!(ended.out, "put 1 dead letter back into the input of faulty\n");
    assert_eq!(server.values("faulty.dead", 0, 3).len(), 3);
    let back = server.pelton(&["consume", "in", "--offsets"]).expect(0).records();
    assert_eq!((&back[2]["partition"], &back[2]["key"]), (&json!(1), &json!("a")));
    assert_eq!(back[2]["headers"], json!([["mine", "x"], ["pelton-redriven", "1:0"]]));
    // Of a list all go, or none.
    let refused = redrive(&["--partition", "1", "--offset", "1", "--offset", "0"]);
    let refused = refused.expect_error(3, "E-DEAD-LETTER-REDRIVEN");
    assert!(refused.err.contains("--again"), "{}", refused.err);
    redrive(&["--offset", "7"]).expect_error(5, "E-DEAD-LETTER-NOT-FOUND");
    assert_eq!(server.pelton(&["consume", "in"]).expect(0).records().len(), 3);

    // All but that one, also over a kill.
    assert_eq!(all(&[])["redriven"], 2);
    assert_eq!(server.values("faulty.dead", 0, 5).len(), 5);
    server.kill();
    let server = Server::start(&place);
    let all = |more: &[&str]| server.json(&[&["dlq", "redrive", "faulty", "--all"], more].concat());
    assert_eq!(all(&[]), json!({ "redriven": 2, "already": 3, "skipped": 0 }));
    assert_eq!(server.values("faulty.dead", 0, 7).len(), 7);
    assert_eq!(all(&["--again"])["redriven"], 7);
    let ended = server.pelton(&["dlq", "redrive", "faulty"]);
    assert_eq!(ended.code, 2, "{}", ended.err);
}

#[test]
fn a_paused_function_waits_and_goes_on() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write(
        "f.toml",
        "[function]\nname = 'f'\n[[input]]\ntopic = 'in'\n\
        [[output]]\nname = 'out'\ntopic = 'f.out'\n",
    );
    server.pelton(&["deploy", &guest("filter"), "--manifest", "f.toml"]).expect(0);
    server.pelton(&["pause", "f"]).expect(0);
    assert_eq!(server.json(&["ls"])[0]["state"], "paused");
    let long = format!("{{\"value\":\"{}\"}}\n", "x".repeat(101));
    server.pelton_with(&["produce", "in"], &long).expect(0);
    assert_eq!(server.pelton(&["consume", "f.out"]).expect(0).out, "");
    assert_eq!(server.json(&["status", "f"])["lag"], 1, "what waits for it is told all the same");
    server.pelton(&["resume", "f"]).expect(0);
    assert_eq!(server.values("f.out", 0, 1).len(), 1);
    let used = server.pelton(&["topic", "rm", "in", "--yes"]).expect_error(3, "E-TOPIC-IN-USE");
    assert!(used.err.contains("pelton rm"), "{}", used.err);
    server.pelton(&["state", "ls", "f", "nope"]).expect_error(5, "E-STORE-UNKNOWN");
    server.pelton(&["rollback", "f"]).expect_error(3, "E-VERSION-NONE");
    server.pelton(&["rollback", "f", "--to", "9"]).expect_error(5, "E-VERSION-UNKNOWN");
    assert_eq!(server.pelton(&["logs", "f"]).expect(0).out, "");
}

#[test]
fn a_server_is_given_what_a_profile_makes_of_the_manifest() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write(
        "f.toml",
        "[function]\nname = 'f'\n[[input]]\ntopic = 'in'\n[[output]]\nname = 'out'\ntopic = 'o'\n\
         [profile.staging.function]\nname = 'f-staging'\n\
         [[profile.staging.input]]\ntopic = 'in-staging'\n",
    );
    let deploy = ["deploy", &guest("filter"), "--manifest", "f.toml"];
    server.pelton(&[&deploy[..], &["--profile", "staging"]].concat()).expect(0);
    server.pelton(&deploy).expect(0);
    let all = server.json(&["ls"]);
    let of = |index: usize| (all[index]["function"].clone(), all[index]["inputs"].clone());
    assert_eq!(of(0), (json!("default/f"), json!(["default/in"])));
    assert_eq!(of(1), (json!("default/f-staging"), json!(["default/in-staging"])));
}

#[test]
fn deploy_says_what_is_missing() {
    let place = Place::new();
    // Nobody is asked before everything is there.
    place.pelton(&["deploy"]).expect_error(5, "E-PROJECT-NOT-FOUND");
    place.write("pelton.toml", "[function]\nname = 'f'\n[[input]]\ntopic = 't'\n");
    let ended = place.pelton(&["deploy"]).expect_error(5, "E-WASM-NOT-FOUND");
    assert!(ended.err.contains("next: pelton build"), "{}", ended.err);
    std::fs::create_dir(place.path().join("bare")).unwrap();
    std::fs::copy(guest("filter"), place.path().join("bare/f.wasm")).unwrap();
    place.pelton(&["deploy", "bare/f.wasm"]).expect_error(5, "E-MANIFEST-NOT-FOUND");
    place.pelton(&["deploy", "nope.wasm"]).expect_error(5, "E-FILE-NOT-FOUND");
    let server = Server::start(&place);
    place.write("g.wasm", "\0asm????");
    let refused = server.pelton(&["deploy", "g.wasm"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains("error[E-MODULE"), "{}", refused.err);
}
