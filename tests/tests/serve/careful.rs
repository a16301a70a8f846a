//! What cannot be taken back is asked first, and errors name the thing, the place and the next step.

use serde_json::json;

use crate::load::{deploy_faulty, deploy_filter};
use crate::server::Server;
use crate::support::{Place, built};

const STATS: &str = "[function]\nname = \"stats\"\n[[input]]\ntopic = \"in\"\npartitions = 1\n";

fn deploy_stats(place: &Place, server: &Server<'_>, more: &str) {
    place.write("stats.toml", format!("{STATS}{more}"));
    server.pelton(&["deploy", &built("running_stats"), "--manifest", "stats.toml"]).expect(0);
}

#[test]
fn removing_asks_first_and_tells_what_would_go() {
    let place = Place::new();
    let server = Server::start(&place);
    let empty = server.pelton(&["topic", "ls"]).expect(0);
    assert!(empty.err.contains("pelton topic create"), "{}", empty.err);
    deploy_stats(&place, &server, "");
    let records = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    let outputs = server.json(&["status", "stats"])["outputs"].clone();
    let out = outputs.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
    server.values(&out, 0, 2);

    let asked = server.pelton(&["rm", "stats"]).expect_error(7, "E-CONFIRM");
    assert!(asked.err.contains("its state of 2 keys") && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(server.json(&["ls"])[0]["state"], "running", "nothing has happened");
    server.pelton(&["rm", "stats", "--keep-state"]).expect(0);
    let asked = server.pelton(&["topic", "rm", "in"]).expect_error(7, "E-CONFIRM");
    assert!(asked.err.contains("the topic in: 2 records go"), "{}", asked.err);
    assert_eq!(server.json(&["topic", "rm", "in", "--yes"]), json!({ "topic": "in" }));
    server.pelton(&["topic", "rm", "in"]).expect_error(5, "E-TOPIC-UNKNOWN");
    server.pelton(&["rm", "stats"]).expect_error(5, "E-FUNCTION-UNKNOWN");
}

#[test]
fn groups_are_listed_shown_and_forgotten() {
    let place = Place::new();
    let server = Server::start(&place);
    assert!(server.pelton(&["group", "ls"]).expect(0).err.contains("--group NAME"));
    server.pelton(&["topic", "create", "in"]).expect(0);
    server.pelton_with(&["produce", "in"], "{\"value\":1}\n{\"value\":2}\n").expect(0);
    server.pelton(&["consume", "in", "--group", "board", "--max", "1"]).expect(0);
    let all = server.json(&["group", "ls"]);
    assert_eq!(all, json!([{ "name": "board", "topics": ["in"], "lag": 1 }]));
    let shown = server.pelton(&["group", "describe", "board"]).expect(0).out;
    assert!(shown.starts_with("board: 1 record behind\n"), "{shown}");
    server.pelton(&["group", "rm", "board"]).expect_error(7, "E-CONFIRM");
    server.pelton(&["group", "rm", "board", "--yes"]).expect(0);
    server.pelton(&["group", "describe", "board"]).expect_error(5, "E-GROUP-UNKNOWN");
}

#[test]
fn what_cannot_be_done_names_the_place_and_a_step_that_works() {
    let place = Place::new();
    let server = Server::start(&place);
    server.pelton(&["topic", "create", "two", "--partitions", "2"]).expect(0);
    place
        .write("records.jsonl", "\n{\"value\":1}\n{\"value\":1,\"timestamp\":99999999999999999}\n");
    let refused = server.pelton(&["produce", "two", "--input", "records.jsonl"]);
    let refused = refused.expect_error(3, "E-RECORD-TIMESTAMP");
    assert!(refused.err.contains("records.jsonl:3: timestamp 9999"), "{}", refused.err);
    let from = server.pelton(&["consume", "two", "--from", "1"]).expect_error(3, "E-FROM");
    assert!(from.err.contains("--partition"), "{}", from.err);
    let limit = server.pelton(&["topic", "create", "x", "--partitions", "999"]);
    let limit = limit.expect_error(3, "E-JOURNAL-LIMIT");
    assert!(!limit.err.contains("raise") && limit.err.contains("fixed"), "{}", limit.err);
    let deploy = server.pelton(&["deploy"]).expect_error(5, "E-PROJECT-NOT-FOUND");
    assert!(!deploy.err.contains("--path"), "{}", deploy.err);

    deploy_filter(&place, &server);
    server.pelton(&["savepoint", "restore", "long", "nope"]).expect_error(5, "E-SAVEPOINT-UNKNOWN");
    let redrive = server.pelton(&["dlq", "redrive", "long"]).expect_error(2, "E-USAGE");
    assert!(redrive.err.contains("redrive long 0:12") && redrive.err.contains("--all"));
    let replay = server.pelton(&["replay", "long", "--from", "earliest"]);
    let replay = replay.expect_error(2, "E-USAGE");
    assert!(replay.err.contains("--diff") && replay.err.contains("--to"), "{}", replay.err);
    let place_of = ["capsule", "export", "long", "--record", "in:one"];
    assert!(server.pelton(&place_of).expect(2).err.contains("TOPIC:PARTITION:OFFSET"));
}

#[test]
fn a_server_that_is_none_is_told_as_what_it_is() {
    let place = Place::new();
    let server = Server::start(&place);
    let tls = server.address.replace("http://", "https://");
    let told = place.pelton(&["ls", "--server", &tls]).expect_error(1, "E-SERVER-TLS");
    assert!(told.err.contains("http://"), "{}", told.err);
    let nobody = ["ls", "--server", "http://no-such-host.invalid:7070"];
    let told = place.pelton(&nobody).expect_error(1, "E-SERVER-DOWN");
    assert!(told.err.contains("no host"), "{}", told.err);
}

#[test]
fn a_halted_function_says_why_and_its_capsule_is_of_the_call_it_halted_at() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_stats(&place, &server, "");
    let silent = server.pelton(&["logs", "stats"]).expect(0);
    assert!(silent.err.contains("stats has logged nothing"), "{}", silent.err);
    // An old dead letter, then a halt.
    server.pelton_with(&["produce", "in"], "{\"key\":\"a\",\"value\":\"old\"}\n").expect(0);
    server.values("stats.dead", 0, 1);
    deploy_stats(&place, &server, "[delivery]\non_poison = \"halt\"\n");
    let records = "{\"key\":\"a\",\"value\":5}\n{\"key\":\"a\",\"value\":\"new\"}\n";
    server.pelton_with(&["produce", "in"], records).expect(0);
    while server.json(&["ls"])[0]["state"] != "stopped" {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    let logs = server.pelton(&["logs", "stats"]).expect(0);
    assert!(logs.err.contains("stats does not run: ") && logs.err.contains("in:0:2"), "{logs:?}");
    let exported = server.pelton(&["capsule", "export", "stats"]).expect(0);
    assert!(exported.err.contains("stats has halted at in:0:2"), "{}", exported.err);
    let whole = place.pelton(&["capsule", "run", "stats.capsule"]);
    assert!(whole.out.contains("stopped before in:0:2: "), "{whole:?}");
    // State is shown as `state get` shows it.
    let before = ["capsule", "export", "stats", "--record", "in:0:1", "--file", "before.capsule"];
    server.pelton(&before).expect(0);
    let ran = place.pelton(&["capsule", "run", "before.capsule"]).expect(0);
    let state = server.pelton(&["capsule", "run", "before.capsule", "-o", "json"]).expect(0).json();
    assert!(state["changes"][0]["decoded"].is_object(), "{state}");
    assert!(
        ran.out.contains(&format!("state: put stats \"a\" {}", state["changes"][0]["decoded"]))
    );
    let mended = ["capsule", "run", "stats.capsule", "--wasm", &built("deduplicate")];
    let mended = place.pelton(&mended).expect(0);
    let is_partial = mended.err.contains("does not hold");
    assert_eq!(mended.out.contains("passes only without"), is_partial, "{mended:?}");
}

#[test]
fn a_dead_letter_goes_back_by_the_id_that_is_listed() {
    let place = Place::new();
    let server = Server::start(&place);
    deploy_faulty(&place, &server);
    server.pelton_with(&["produce", "in"], "{\"key\":\"b\",\"value\":\"reject\"}\n").expect(0);
    server.values("faulty.dead", 0, 1);
    let id = server.json(&["dlq", "ls", "faulty"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(server.json(&["dlq", "redrive", "faulty", &id])["redriven"], 1);
    let again = ["dlq", "redrive", "faulty", "faulty.dead:0:0", "--again"];
    assert_eq!(server.json(&again)["redriven"], 1);
    let unknown = server.pelton(&["dlq", "redrive", "faulty", "0:99"]);
    assert!(unknown.expect_error(5, "E-DEAD-LETTER-NOT-FOUND").err.contains("faulty.dead:0:99"));
}
