//! From nothing to a function that was deployed, edited live and rolled back.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Place;

const SAMPLE: [&str; 4] = ["produce", "hello.in", "--input", "hello/sample.jsonl"];

fn edit(place: &Place, from: &str, to: &str) {
    let code = place.read("hello/src/lib.rs");
    assert!(code.contains(from), "{code}");
    place.write("hello/src/lib.rs", code.replace(from, to));
    place.pelton(&["build", "--path", "hello"]).expect(0);
}

#[track_caller]
fn counts(values: &[Value]) -> Vec<u64> {
    values.iter().map(|value| value["count"].as_u64().unwrap()).collect()
}

#[test]
fn a_function_is_deployed_edited_live_rolled_back_and_removed() {
    let place = Place::new();
    place.pelton(&["new", "hello"]).expect(0);
    place.pelton(&["build", "--path", "hello"]).expect(0);
    let server = Server::start(&place);

    let ended = server.pelton(&["deploy", "hello", "--dry-run"]).expect(0);
    assert!(ended.out.starts_with("hello version 1 would be started"), "{}", ended.out);
    assert_eq!(server.json(&["ls"]), json!([]));
    let ended = server.pelton(&["deploy", "hello"]).expect(0);
    assert!(ended.out.starts_with("hello version 1 started"), "{}", ended.out);
    let ended = server.pelton(&SAMPLE).expect(0);
    assert_eq!(ended.err, "appended 5 records to hello.in\n");
    let first = server.values("hello.out", 0, 5);
    assert_eq!(counts(&first), [1, 1, 2, 2, 3]);
    assert_eq!(first[4], json!({ "count": 3, "highest": 22.5, "mean": 21.0 }));
    let status = server.json(&["status", "hello"]);
    assert_eq!((&status["state"], &status["version"]), (&json!("running"), &json!(1)));
    assert_eq!((&status["records_in"], &status["lag"]), (&json!(5), &json!(0)));
    let state = server.pelton(&["state", "get", "hello", "stats", "kitchen"]).expect(0);
    assert!(state.out.contains("3") && state.out.contains("22.5"), "{}", state.out);

    // Live: the counts go on from the state of the version before.
    let code = place.read("hello/src/lib.rs");
    place.write(
        "hello/src/lib.rs",
        code.replace("count: stats.count,", "count: stats.count * 100,"),
    );
    let stale = server.pelton(&["deploy", "hello", "--dry-run"]).expect(0);
    assert!(stale.out.starts_with("hello version 1 runs already"), "{}", stale.out);
    assert!(stale.err.contains("src/lib.rs is newer than"), "{}", stale.err);
    let ended = server.pelton(&["deploy", "hello", "--build"]).expect(0);
    assert!(!ended.err.contains("is newer"), "{}", ended.err);
    assert!(ended.out.starts_with("hello version 2 went live in place of 1"), "{}", ended.out);
    let ended = server.pelton(&["deploy", "hello"]).expect(0);
    assert!(ended.out.starts_with("hello version 2 runs already"), "{}", ended.out);
    server.pelton(&SAMPLE).expect(0);
    assert_eq!(counts(&server.values("hello.out", 5, 5)), [400, 300, 500, 400, 600]);

    let ended = server.pelton(&["rollback", "hello"]).expect(0);
    assert!(ended.out.starts_with("hello version 1 went live in place of 2"), "{}", ended.out);
    server.pelton(&SAMPLE).expect(0);
    assert_eq!(counts(&server.values("hello.out", 10, 5)), [7, 5, 8, 6, 9]);

    let before = server.pelton(&["consume", "hello.out"]).expect(0).out;
    server.kill();
    let server = Server::start(&place);
    assert_eq!(server.pelton(&["consume", "hello.out"]).expect(0).out, before);
    let versions = server.json(&["versions", "hello"]);
    assert_eq!(versions["active"], 1);
    assert_eq!(versions["versions"].as_array().unwrap().len(), 2);
    server.pelton(&SAMPLE).expect(0);
    assert_eq!(counts(&server.values("hello.out", 15, 5)), [10, 7, 11, 8, 12]);

    server.pelton(&["rm", "hello", "--yes"]).expect(0);
    assert_eq!(server.json(&["ls"]), json!([]));
    server.pelton(&["status", "hello"]).expect_error(5, "E-FUNCTION-UNKNOWN");
    assert_eq!(server.pelton(&["consume", "hello.out"]).expect(0).records().len(), 20);
}

#[test]
fn a_version_that_fails_its_trial_leaves_the_one_before_running() {
    let place = Place::new();
    place.pelton(&["new", "hello"]).expect(0);
    place.pelton(&["build", "--path", "hello"]).expect(0);
    let server = Server::start(&place);
    server.pelton(&["deploy", "hello"]).expect(0);
    server.pelton(&SAMPLE).expect(0);
    assert_eq!(server.values("hello.out", 0, 5).len(), 5);

    edit(
        &place,
        "let sensor = record.key_text()?;",
        "let sensor = record.key_text()?; assert!(sensor.is_empty());",
    );
    place.pelton(&["check", "hello/hello.wasm"]).expect(0);
    // The trial has no record yet; it fails at the first.
    let ended = server.pelton(&["deploy", "hello", "--wait", "100ms"]).expect(0);
    assert!(ended.err.contains("on trial"), "{}", ended.err);
    server.pelton(&SAMPLE).expect(0);
    assert_eq!(counts(&server.values("hello.out", 5, 5)), [4, 3, 5, 4, 6]);
    let versions = server.json(&["versions", "hello"]);
    assert_eq!((&versions["active"], &versions["before"]), (&json!(1), &Value::Null));
    let events = versions["events"].as_array().unwrap();
    assert!(events.iter().any(|event| event["kind"] == "trial-failed"), "{events:?}");
}
