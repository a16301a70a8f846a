//! `pelton explain`: why windows have fired or not, and what became of a record.

use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Place, built};

const MINUTE: i64 = 60_000;

/// Counts by hour with half an hour of grace, and has read five records.
fn counting<'a>(place: &'a Place) -> Server<'a> {
    let server = Server::start(place);
    place.write(
        "hourly.toml",
        "[function]\nname = 'hourly'\n[config]\ngrace-ms = '1800000'\n\
         [[input]]\ntopic = 'in'\nout_of_orderness = '10m'\n\
         [[output]]\nname = 'out'\ntopic = 'counts'\n\
         [[output]]\nname = 'late'\ntopic = 'too-late'\n",
    );
    server.pelton(&["deploy", &built("windowed_count"), "--manifest", "hourly.toml"]).expect(0);
    let record = |key: &str, minute: i64| {
        format!("{{\"key\":{key},\"value\":1,\"timestamp\":{}}}\n", minute * MINUTE)
    };
    // The watermark is 10 minutes behind: 2:05 closes the first hour, and its grace.
    let records = [
        ("\"JFK\"", 5),
        ("\"JFK\"", 50),
        ("\"LGA\"", 70),
        ("null", 71),
        ("\"JFK\"", 135),
        ("\"JFK\"", 6),
    ];
    let lines: String = records.map(|(key, minute)| record(key, minute)).concat();
    server.pelton_with(&["produce", "in"], &lines).expect(0);
    server.values("too-late", 0, 1);
    server
}

fn explain(server: &Server<'_>, arguments: &[&str]) -> Value {
    server.json(&[&["explain", "hourly"], arguments].concat())
}

#[test]
fn windows_of_a_key_tell_why_they_have_fired_or_not() {
    let place = Place::new();
    let server = counting(&place);
    let told = explain(&server, &["--key", "JFK"]);
    assert_eq!(told["windows"], "size 1h, grace 30m, incremental");
    let [task] = &told["tasks"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(task["watermark_ms"], 125 * MINUTE);
    let held = task["held"].as_str().unwrap();
    assert!(held.starts_with("in:0: its newest record is of 1970-01-01T02:15:00"), "{held}");
    assert!(held.ends_with("and records may be 10m behind that"), "{held}");
    let [window] = &task["windows"].as_array().unwrap()[..] else { panic!("{task}") };
    assert_eq!((&window["start_ms"], &window["records"]), (&json!(120 * MINUTE), &json!(1)));
    let why = window["why"].as_str().unwrap();
    assert!(why.contains("it fires when the watermark reaches 1970-01-01T03:00:00"), "{why}");
    assert!(why.contains("55m of event time to come"), "{why}");

    let at = |minute: i64| {
        let at = (minute * MINUTE).to_string();
        let told = explain(&server, &["--key", "LGA", "--at", &at]);
        let window = &told["tasks"][0]["windows"][0];
        (window["records"].as_i64().unwrap(), window["why"].as_str().unwrap().to_owned())
    };
    let (records, why) = at(70);
    assert!(
        records == 1 && why.starts_with("it has fired once; late records are still taken"),
        "{why}"
    );
    assert!(why.ends_with("it is gone when the watermark reaches 1970-01-01T02:30:00Z"), "{why}");
    let (records, why) = at(5);
    assert!(records == 0 && why.starts_with("over: the watermark has reached"), "{why}");
    let (records, why) = at(130);
    assert_eq!((records, &*why), (0, "open: nothing of the key has come for it"));

    let text = server.pelton(&["explain", "hourly"]).expect(0).out;
    assert!(text.contains("partition 0: watermark 1970-01-01T02:05:00"), "{text}");
    assert!(text.contains("held by in:0: its newest record"), "{text}");
}

#[test]
fn a_record_tells_what_became_of_it() {
    let place = Place::new();
    let server = counting(&place);
    let fate = |offset: u64| {
        let record = explain(&server, &["--record", &format!("in:0:{offset}")])["record"].clone();
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        (text("fate"), text("why"))
    };
    let (is, why) = fate(1);
    assert!(is == "read" && why.ends_with("with the watermark at 1969-12-31T23:55:00Z"), "{why}");
    let (is, why) = fate(3);
    assert!(is == "given-up" && why.ends_with("its dead letter is hourly.dead:0:0"), "{why}");
    let (is, why) = fate(5);
    assert_eq!(is, "late", "{why}");
    assert_eq!(why, "the watermark stood at 1970-01-01T02:05:00Z before it: it went to too-late");
    let told = server.pelton(&["explain", "hourly", "--record", "in:0:4"]).expect(0).out;
    assert!(told.starts_with("in:0:4: key \"JFK\", of 1970-01-01T02:15:00"), "{told}");
    assert!(told.contains("\n  read: it was read at 20") && told.contains("1 record\n"), "{told}");

    server.pelton(&["pause", "hourly"]).expect(0);
    let line = format!("{{\"key\":\"JFK\",\"value\":1,\"timestamp\":{}}}\n", 140 * MINUTE);
    server.pelton_with(&["produce", "in"], &line).expect(0);
    assert_eq!(fate(6).0, "waits");
    // What is kept of a paused function answers too.
    assert_eq!(fate(5).0, "late");
    let told = server.pelton(&["explain", "hourly"]).expect(0).out;
    assert!(told.contains("hourly is paused"), "{told}");
    assert!(told.contains("1 record of in:0 not read yet"), "{told}");

    let wrong = |arguments: &[&str], code: &str, exit: i32| {
        server.pelton(&[&["explain"], arguments].concat()).expect_error(exit, code);
    };
    wrong(&["hourly", "--record", "in:0:7"], "E-EXPLAIN-RECORD", 3);
    wrong(&["hourly", "--record", "in:9:0"], "E-EXPLAIN-RECORD", 3);
    wrong(&["hourly", "--record", "counts:0:0"], "E-EXPLAIN-TOPIC", 3);
    wrong(&["hourly", "--record", "in:0"], "E-HTTP-QUERY", 3);
    wrong(&["hourly", "--key", "a", "--at", "noon"], "E-HTTP-QUERY", 3);
    wrong(&["none"], "E-FUNCTION-UNKNOWN", 5);
}

#[test]
fn a_task_that_is_behind_is_named_by_those_who_wait_for_it() {
    let place = Place::new();
    let server = Server::start(&place);
    place.write(
        "long.toml",
        "[function]\nname = 'long'\n[[input]]\ntopic = 'all'\npartitions = 2\n\
         [[output]]\nname = 'out'\ntopic = 'mid'\npartitions = 1\n",
    );
    place.write(
        "hourly.toml",
        "[function]\nname = 'hourly'\n[[input]]\ntopic = 'mid'\n\
         [[output]]\nname = 'out'\ntopic = 'counts'\n[[output]]\nname = 'late'\ntopic = 'late'\n",
    );
    server.pelton(&["deploy", &built("filter"), "--manifest", "long.toml"]).expect(0);
    server.pelton(&["deploy", &built("windowed_count"), "--manifest", "hourly.toml"]).expect(0);
    let pad = "x".repeat(120);
    let record = |minute: i64| {
        format!("{{\"key\":\"a\",\"value\":\"{pad}\",\"timestamp\":{}}}\n", minute * MINUTE)
    };
    server.pelton_with(&["produce", "all", "--partition", "0"], &record(90)).expect(0);
    server.values("mid", 0, 1);
    let held = || explain(&server, &[])["tasks"][0]["held"].as_str().unwrap().to_owned();
    while !held().contains("which writes there") {
        std::thread::yield_now();
    }
    assert_eq!(held(), "mid:0: default/long#1, which writes there, has not told its time yet");
    server.pelton_with(&["produce", "all", "--partition", "1"], &record(30)).expect(0);
    let behind = "mid:0: default/long#1, which writes there, has come to 1970-01-01T00:30:00Z";
    while held() != behind {
        std::thread::yield_now();
    }
}
