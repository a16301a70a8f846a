//! `pelton invoke --deployed`: one record through what is deployed, with nothing committed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use pelton_batch::RecordsBuilder;
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Place, built};

const MANIFEST: &str = "[function]\nname = \"stats\"\n[[input]]\ntopic = \"in\"\npartitions = 2\n";

/// A server whose `stats` has seen the numbers 2 and 3 of the key `a`, and is at version 2.
fn prepared(place: &Place) -> Server<'_> {
    let server = Server::start(place);
    for more in ["", "[config]\nx = \"y\"\n"] {
        place.write("stats.toml", MANIFEST.to_owned() + more);
        server.pelton(&["deploy", &built("running_stats"), "--manifest", "stats.toml"]).expect(0);
    }
    produce(&server, "2");
    produce(&server, "3");
    assert_eq!(server.values("out", 0, 2)[1]["sum"], 5.0);
    server
}

fn produce(server: &Server<'_>, value: &str) {
    let record = format!("{{\"key\":\"a\",\"value\":{value}}}\n");
    server.pelton_with(&["produce", "in"], &record).expect(0);
}

fn invoke(server: &Server<'_>, more: &[&str]) -> Value {
    let asked = ["invoke", "--deployed", "stats", "-k", "a", "-o", "json"];
    server.pelton(&[&asked, more].concat()).expect(0).json()
}

fn sum_of(invoked: &Value) -> Value {
    assert_eq!(invoked["faults"], json!([]), "{invoked}");
    let sent: Value =
        serde_json::from_str(invoked["outputs"][0]["value"].as_str().unwrap()).unwrap();
    sent["sum"].clone()
}

fn state(server: &Server<'_>) -> Value {
    server.json(&["state", "ls", "stats", "stats"])
}

#[test]
fn a_call_sees_the_state_and_changes_nothing() {
    let place = Place::new();
    let server = prepared(&place);
    let before = state(&server);
    for _ in 0..2 {
        let invoked = invoke(&server, &["-V", "5"]);
        assert_eq!((sum_of(&invoked), &invoked["version"]), (10.0.into(), &2.into()));
        let change = &invoked["changes"][0];
        assert_eq!((&change["kind"], &change["name"]), (&"put".into(), &"stats".into()));
        assert_eq!(change["key"], json!({ "text": "a" }));
    }
    let earlier = invoke(&server, &["-V", "5", "--version", "1"]);
    assert_eq!((sum_of(&earlier), &earlier["version"]), (10.0.into(), &1.into()));
    // The other task knows nothing of the key.
    let other = 1 - earlier["partition"].as_u64().unwrap();
    let elsewhere = invoke(&server, &["-V", "5", "--partition", &other.to_string()]);
    assert_eq!(sum_of(&elsewhere), 5.0);
    let shown = server.pelton(&["invoke", "--deployed", "stats", "-k", "a", "-V", "5"]).expect(0);
    assert!(shown.out.contains("output: out") && shown.out.contains("put"), "{}", shown.out);
    assert!(shown.err.contains("nothing is committed"), "{}", shown.err);
    assert_eq!(state(&server), before);
    produce(&server, "1");
    assert_eq!(server.values("out", 0, 3)[2]["sum"], 6.0, "nothing was sent in between");
}

#[test]
fn a_fault_is_told_and_leaves_no_dead_letter() {
    let place = Place::new();
    let server = prepared(&place);
    let asked = ["invoke", "--deployed", "stats", "-k", "a", "-V", "oops"];
    let shown = server.pelton(&asked).expect(6);
    assert!(shown.out.contains("fault: in:") && shown.out.contains("E-"), "{}", shown.out);
    let told = server.pelton(&[&asked[..], &["-o", "json"]].concat()).expect(6).json();
    let fault = &told["faults"][0];
    assert!(!fault["message"].as_str().unwrap().is_empty(), "{told}");
    assert_eq!((&told["outputs"], &told["changes"]), (&json!([]), &json!([])));
    produce(&server, "\"oops\"");
    let letters = server.pelton(&["consume", "stats.dead", "--follow", "--max", "1"]).expect(0);
    assert_eq!(letters.records().len(), 1, "the one that was produced");
    let exported = server.json(&["capsule", "export", "stats"]);
    assert_eq!(exported["recorded"]["faults"][0]["message"], fault["message"]);
    assert_eq!(server.json(&["status", "stats"])["tasks"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_paused_function_can_be_called_and_what_is_unknown_is_named() {
    let place = Place::new();
    let server = prepared(&place);
    server.pelton(&["pause", "stats"]).expect(0);
    assert_eq!(sum_of(&invoke(&server, &["-V", "5"])), 10.0);
    let call = |more: &[&str]| server.pelton(&[&["invoke", "--deployed"], more].concat());
    call(&["none", "-V", "1"]).expect_error(5, "E-FUNCTION-UNKNOWN");
    call(&["stats", "-V", "1", "--version", "9"]).expect_error(5, "E-VERSION-UNKNOWN");
    call(&["stats", "-V", "1", "--partition", "2"]).expect_error(5, "E-PARTITION-UNKNOWN");
    call(&["stats", "-V", "1", "--topic", "other"]).expect_error(3, "E-INVOKE-TOPIC");
    call(&["stats", "x.wasm"]).expect(2);
    call(&["stats", "--config", "a=b"]).expect(2);
    server.pelton(&["invoke"]).expect(2);
    for more in ["--version", "--topic", "--partition"] {
        server.pelton(&["invoke", "x.wasm", more, "1"]).expect(2);
        server.pelton(&["invoke", more, "1"]).expect(2);
    }
    assert_eq!(server.json(&["status", "stats"])["state"], "paused");
}

/// Posts a body to the route, and reads what it answers.
fn post(server: &Server<'_>, media_type: &str, body: &[u8]) -> Value {
    let mut stream = TcpStream::connect(server.address.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /api/v1/tenants/default/functions/stats/invoke HTTP/1.1\r\nhost: localhost\r\n\
         connection: close\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn one_record_is_taken_as_json_or_as_a_batch_no_more_and_no_fewer() {
    let place = Place::new();
    let server = prepared(&place);
    let record = "{\n  \"key\": \"a\",\n  \"value\": 5\n}";
    assert_eq!(sum_of(&post(&server, "application/json", record.as_bytes())), 10.0);
    let code = |answer: Value| answer["error"]["code"].as_str().unwrap().to_owned();
    for records in 0..3 {
        let mut batch = RecordsBuilder::new();
        for _ in 0..records {
            batch.push(Some(b"a"), Some(b"5"), 1);
        }
        let answer = post(&server, "application/x-pelton-batch", &batch.finish());
        match records {
            1 => assert_eq!(sum_of(&answer), 10.0),
            _ => assert_eq!(code(answer), "E-INVOKE-RECORDS"),
        }
    }
    assert_eq!(code(post(&server, "text/plain", b"5")), "E-HTTP-TYPE");
    assert!(code(post(&server, "application/json", b"[]")).starts_with("E-"));
}
