//! Pipelines by the command line: ready-made functions, wired by topics.

use std::fs;

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::Place;

const MANIFEST: &str = r#"
[pipeline]
name = "flights"

[[topic]]
name = "by-carrier"
internal = true

[functions.rekey.build]
file = "std:project"
[functions.rekey.config]
fields = "/carrier,/delay"
key = "/carrier"
[[functions.rekey.input]]
topic = "departures"
partitions = 2
[[functions.rekey.output]]
name = "out"
topic = "by-carrier"

[functions.delays.build]
file = "std:stats"
[functions.delays.config]
field = "/delay"
[functions.delays.window]
size = "1h"
[[functions.delays.input]]
topic = "by-carrier"
[[functions.delays.output]]
name = "out"
topic = "delays"
"#;

const HOUR_MS: u64 = 3_600_000;

/// Departures of two carriers, each with a delay, over four hours.
fn departures() -> String {
    let line = |n: u64| {
        let carrier = ["UA", "DL"][(n % 2) as usize];
        let value = json!({ "carrier": carrier, "delay": n % 7, "seat": "7A" });
        json!({ "key": n.to_string(), "value": value, "timestamp": n * HOUR_MS / 10 }).to_string()
    };
    (0..40).map(|n| line(n) + "\n").collect()
}

fn project(place: &Place, manifest: &str) {
    fs::create_dir_all(place.path().join("flights")).unwrap();
    fs::write(place.path().join("flights/pelton.toml"), manifest).unwrap();
}

/// What is sent of windows that end by `until`, in any order of the keys.
fn windows(records: impl IntoIterator<Item = Value>, until: u64) -> Vec<String> {
    let early = |record: &Value| record["timestamp"].as_u64().unwrap() < until;
    let lines = records
        .into_iter()
        .filter(early)
        .map(|record| json!([record["key"], record["value"], record["timestamp"]]).to_string());
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

#[test]
fn a_pipeline_gives_live_what_it_gives_over_a_file() {
    let place = Place::new();
    project(&place, MANIFEST);
    fs::write(place.path().join("in.jsonl"), departures()).unwrap();
    let run = place.pelton(&["run", "flights", "--input", "in.jsonl"]).expect(0);
    let over_file: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(over_file.len(), 8, "{}", run.out);
    assert!(over_file.iter().all(|record| record["topic"] == "delays"));
    assert!(run.err.contains("rekey: 40 records in, 40 out"), "{}", run.err);
    assert!(run.err.contains("flights: 40 records in, 8 out"), "{}", run.err);

    let server = Server::start(&place);
    let dry = server.pelton(&["deploy", "flights", "--dry-run"]).expect(0);
    assert!(dry.out.contains("pipeline flights version 1 would go live"), "{}", dry.out);
    let deployed = server.pelton(&["deploy", "flights"]).expect(0);
    assert!(deployed.out.contains("delays version 1 started"), "{}", deployed.out);
    server.pelton_with(&["produce", "departures"], &departures()).expect(0);
    // Three hours of both carriers are over.
    let live = server.pelton(&["consume", "delays", "--from", "earliest", "--max", "6"]).expect(0);
    let live = live.out.lines().map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(windows(live, 3 * HOUR_MS), windows(over_file, 3 * HOUR_MS));
    let status = server.json(&["pipeline", "status", "flights"]);
    assert_eq!(status["state"], "running");
    assert_eq!(status["topics"][1]["internal"], true);
    assert_eq!(status["topics"][1]["written_by"], json!(["rekey"]));
    assert_eq!(server.json(&["status", "delays"])["pipeline"], "default/flights");
}

#[test]
fn a_pipeline_is_changed_as_a_whole_and_rolled_back() {
    let place = Place::new();
    project(&place, MANIFEST);
    let server = Server::start(&place);
    server.pelton(&["deploy", "flights"]).expect(0);
    let again = server.pelton(&["deploy", "flights"]).expect(0);
    assert!(again.out.contains("pipeline flights version 1 runs already"), "{}", again.out);
    project(&place, &MANIFEST.replace("1h", "10m"));
    let second = server.json(&["deploy", "flights", "--wait", "0s"]);
    assert_eq!((&second["version"], &second["before"]), (&json!(2), &json!(1)));
    let outcomes: Vec<_> =
        second["functions"].as_array().unwrap().iter().map(|f| f["outcome"].clone()).collect();
    assert_eq!(outcomes, ["unchanged", "swapped"]);
    let list = server.pelton(&["pipeline", "ls"]).expect(0);
    assert!(list.out.contains("rekey, delays"), "{}", list.out);
    let back = server.pelton(&["pipeline", "rollback", "flights", "--wait", "0s"]).expect(0);
    assert!(back.out.contains("version 1 is live in place of 2"), "{}", back.out);
    let versions = server.pelton(&["pipeline", "versions", "flights"]).expect(0);
    assert!(versions.out.contains("rolled-back"), "{}", versions.out);
    let refused = server.pelton(&["rm", "delays", "--yes"]).expect(3);
    assert!(refused.err.contains("E-FUNCTION-MEMBER"), "{}", refused.err);
    let refused = server.pelton_with(&["produce", "by-carrier"], "{\"value\":1}\n").expect(3);
    assert!(refused.err.contains("E-TOPIC-INTERNAL"), "{}", refused.err);
    server.pelton(&["pipeline", "pause", "flights"]).expect(0);
    assert_eq!(server.json(&["pipeline", "status", "flights"])["state"], "paused");
    server.pelton(&["pipeline", "resume", "flights"]).expect(0);
    let removed = server.pelton(&["pipeline", "rm", "flights", "--keep-state"]).expect(0);
    assert!(removed.err.contains("removed flights with rekey, delays"), "{}", removed.err);
    server.pelton(&["pipeline", "status", "flights"]).expect(5);
}

#[test]
fn what_is_no_right_pipeline_says_so_and_where() {
    let place = Place::new();
    project(&place, &MANIFEST.replace("internal = true", "intern = true"));
    let wrong = place.pelton(&["build", "--path", "flights"]).expect(3);
    let text = "pelton.toml:7:1: `topic[0].intern`: unknown key (did you mean `internal`?)";
    assert!(wrong.err.contains(text), "{}", wrong.err);
    project(&place, &MANIFEST.replace("std:stats", "delays.wasm"));
    let missing = place.pelton(&["run", "flights", "--input", "in.jsonl"]).expect(5);
    assert!(
        missing.err.contains("is not built: there is no flights/delays.wasm"),
        "{}",
        missing.err
    );
    project(&place, MANIFEST);
    fs::write(place.path().join("in.jsonl"), departures()).unwrap();
    let flags = ["run", "flights", "--input", "in.jsonl", "--window", "1m"];
    let refused = place.pelton(&flags).expect(2);
    assert!(refused.err.contains("--window is a setting of one function"), "{}", refused.err);
    let one = ["run", "flights", "--function", "rekey", "--input", "in.jsonl"];
    let one = place.pelton(&one).expect(0);
    assert_eq!(one.out.lines().count(), 40, "{}", one.out);
    let none = ["run", "flights", "--function", "hours", "--input", "in.jsonl"];
    let none = place.pelton(&none).expect(5);
    assert!(none.err.contains("it has: rekey, delays"), "{}", none.err);
    let circle = "[pipeline]\nname = \"p\"\n\
        [functions.a]\nbuild.file = \"std:sample\"\nconfig.share = 1\n\
        input = [{ topic = \"x\" }]\noutput = [{ name = \"out\", topic = \"y\" }]\n\
        [functions.b]\nbuild.file = \"std:sample\"\nconfig.share = 1\n\
        input = [{ topic = \"y\" }]\noutput = [{ name = \"out\", topic = \"x\" }]\n";
    project(&place, circle);
    let endless = place.pelton(&["run", "flights", "--input", "in.jsonl"]).expect(3);
    assert!(endless.err.contains("E-INPUT-LOOP"), "{}", endless.err);
    let shadow = place.pelton(&["deploy", "flights", "--shadow"]).expect(2);
    assert!(shadow.err.contains("deployed as a whole"), "{}", shadow.err);
}

#[test]
fn functions_of_a_pipeline_have_fixtures() {
    let place = Place::new();
    project(&place, MANIFEST);
    let none = place.pelton(&["test", "--path", "flights"]).expect(5);
    assert!(none.err.contains("tests/NAME of the pipeline's"), "{}", none.err);
    let folder = place.path().join("flights/tests/rekey");
    fs::create_dir_all(&folder).unwrap();
    let input = json!({"key": "1", "value": {"carrier": "UA", "delay": 5, "x": 1}, "timestamp": 0});
    let kept = json!({"carrier": "UA", "delay": 5});
    let expected = json!({"topic": "by-carrier", "key": "UA", "value": kept});
    let script = format!("{}\n{}\n", json!({ "input": input }), json!({ "expect": expected }));
    fs::write(folder.join("one.jsonl"), &script).unwrap();
    let passed = place.pelton(&["test", "--path", "flights"]).expect(0);
    assert!(passed.out.contains("tests/rekey/one.jsonl"), "{}", passed.out);
    fs::write(folder.join("one.jsonl"), script.replace("UA", "DL").replacen("DL", "UA", 1))
        .unwrap();
    place.pelton(&["test", "--path", "flights", "--function", "rekey"]).expect(6);
    let which = ["test", "--path", "flights", "flights/tests/rekey/one.jsonl"];
    let which = place.pelton(&which).expect(2);
    assert!(which.err.contains("say which one: --function NAME"), "{}", which.err);
}
