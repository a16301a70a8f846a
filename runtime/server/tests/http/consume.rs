use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pelton_server::{Action, Hooks, Point};
use serde_json::{Value, json};

use crate::support::{GROUPS, RECORDS, Rig, TOPICS, values};

/// Ten records in partition 0, with timestamps 0, 100, ... 900.
fn ten() -> Rig {
    let rig = Rig::start();
    rig.topic(1);
    for n in 0..10 {
        rig.produce(&format!(r#"{{"value":{n},"timestamp":{}}}"#, n * 100));
    }
    rig
}

fn read(rig: &Rig, query: &str) -> Value {
    rig.get(&format!("{RECORDS}?{query}")).expect(200)
}

fn numbers(answer: &Value) -> Vec<u64> {
    values(answer).iter().map(|value| value.as_u64().unwrap()).collect()
}

#[test]
fn reading_begins_where_it_is_told_to() {
    let rig = ten();
    let from = |from: &str| numbers(&read(&rig, &format!("from={from}")));
    assert_eq!(from("earliest"), Vec::from_iter(0..10));
    assert_eq!(from("7"), [7, 8, 9]);
    assert_eq!(from("0:8"), [8, 9]);
    assert_eq!(from("time:750"), [8, 9]);
    assert_eq!(from("time:1970-01-01T00:00:00.900Z"), [9]);
    assert_eq!(from("time:901"), [0u64; 0]);
    assert_eq!(from("latest"), [0u64; 0]);
    assert_eq!(from("10"), [0u64; 0]);
    rig.get(&format!("{RECORDS}?from=11")).refused(416, "E-OFFSET-RANGE");
    rig.get(&format!("{RECORDS}?from=0:11")).refused(416, "E-OFFSET-RANGE");
    rig.get(&format!("{RECORDS}?from=1:0")).refused(404, "E-PARTITION-UNKNOWN");
    rig.get(&format!("{RECORDS}?from=soon")).refused(400, "E-FROM");
    rig.get(&format!("{RECORDS}?from=0:x")).refused(400, "E-CURSOR");
    rig.get(&format!("{RECORDS}?partition=1")).refused(404, "E-PARTITION-UNKNOWN");
    rig.get(&format!("{RECORDS}?partition=4294967295")).refused(404, "E-PARTITION-UNKNOWN");
}

#[test]
fn a_cursor_walks_through_all_partitions_and_loses_nothing() {
    let rig = Rig::start();
    rig.topic(4);
    let records: Vec<Value> = (0..200).map(|n| json!({"key": n.to_string(), "value": n})).collect();
    for some in records.chunks(50) {
        rig.post(RECORDS, &json!({"records": some}).to_string()).expect(200);
    }
    for max in [1, 7, 500] {
        let (mut cursor, mut seen) = ("earliest".to_owned(), Vec::new());
        loop {
            let page = read(&rig, &format!("from={cursor}&max_records={max}"));
            let found = numbers(&page);
            assert!(found.len() <= max);
            cursor = page["cursor"].as_str().unwrap().to_owned();
            if found.is_empty() {
                break;
            }
            seen.extend(found);
        }
        seen.sort_unstable();
        assert_eq!(seen, Vec::from_iter(0..200), "{max} at a time");
    }
    rig.get(&format!("{RECORDS}?from=5")).refused(400, "E-FROM");
}

#[test]
fn answers_are_bounded_by_records_and_bytes() {
    let rig = Rig::start();
    rig.topic(1);
    let record = json!({"value": "x".repeat(1000)}).to_string();
    rig.produce(&vec![record; 600].join(","));
    let count = |query: &str| values(&read(&rig, query)).len();
    assert_eq!(count(""), 500);
    assert_eq!(count("max_records=600"), 600);
    assert_eq!(count("max_bytes=10000"), 10);
    assert_eq!(count("max_bytes=1"), 1, "a record is never in the way of itself");
    for query in [
        "max_records=0",
        "max_records=10001",
        "max_bytes=0",
        "max_bytes=8388609",
        "wait_ms=30001",
        "max_records=x",
        "wait=5",
        "commit=0:1",
    ] {
        rig.get(&format!("{RECORDS}?{query}")).refused(400, "E-HTTP-QUERY");
    }
    assert_eq!(count("max_records=10000&max_bytes=8388608&from=599"), 1);
}

#[test]
fn a_long_poll_is_answered_by_the_first_record_or_empty_when_its_time_is_over() {
    let rig = ten();
    let started = Instant::now();
    let empty = read(&rig, "from=latest&wait_ms=150");
    assert!(started.elapsed() >= Duration::from_millis(150));
    assert_eq!(numbers(&empty).len(), 0);
    assert!(empty["cursor"].as_str().unwrap().starts_with("0:10@"), "{empty}");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| read(&rig, "from=10&wait_ms=20000"));
        rig.produce(r#"{"value":10}"#);
        assert_eq!(numbers(&waiting.join().unwrap()), [10]);
    });
}

#[test]
fn a_long_poll_on_a_topic_that_is_deleted_says_so() {
    let rig = ten();
    let mut poll = rig.connect();
    poll.ask("GET", &format!("{RECORDS}?from=latest&wait_ms=20000"), &[], b"");
    rig.delete(&format!("{TOPICS}/t")).expect(204);
    poll.answer().refused(404, "E-TOPIC-UNKNOWN");
}

#[test]
fn what_retention_removed_before_it_was_read_is_told() {
    let rig = ten();
    rig.patch(&format!("{TOPICS}/t"), r#"{"retention_ms":1}"#).expect(200);
    rig.node.journal().clean(501).unwrap();
    let read = read(&rig, "from=2");
    assert_eq!(read["skipped"], json!([{"partition": 0, "from": 2, "to": 5}]));
    assert_eq!(numbers(&read), [5, 6, 7, 8, 9]);
}

/// Holds the sync thread while it is closed.
#[derive(Default)]
struct Gate {
    is_closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.is_closed.lock().unwrap() = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.is_closed.lock().unwrap();
        let _open = self.opened.wait_while(closed, |closed| *closed).unwrap();
    }
}

#[test]
fn nobody_sees_a_record_before_it_is_durable_and_no_produce_is_answered() {
    let gate = Arc::new(Gate::default());
    let hooks = {
        let gate = Arc::clone(&gate);
        Hooks::new(move |point| {
            if point == Point::SyncBefore {
                gate.pass();
            }
            Action::Continue
        })
    };
    let rig = Rig::with_hooks(hooks, |_| {});
    rig.topic(1);
    rig.produce(r#"{"value":"before"}"#);
    gate.set(true);
    let answered = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let appended = rig.node.journal().appended();
        scope.spawn(|| {
            rig.produce(r#"{"value":"held"}"#);
            answered.store(true, Ordering::SeqCst);
        });
        while rig.node.journal().appended() == appended {
            std::thread::yield_now();
        }
        assert_eq!(values(&read(&rig, "wait_ms=100&from=1")), [""; 0]);
        assert_eq!(values(&read(&rig, "")), ["before"]);
        let latest = read(&rig, "from=latest");
        assert!(latest["cursor"].as_str().unwrap().starts_with("0:1@"), "{latest}");
        let described = rig.get(&format!("{TOPICS}/t")).expect(200)["partitions"][0].clone();
        assert_eq!((&described["end"], &described["durable"]), (&json!(2), &json!(1)));
        assert!(!answered.load(Ordering::SeqCst), "answered before it was durable");
        gate.set(false);
        assert_eq!(values(&read(&rig, "wait_ms=20000&from=1")), ["held"]);
    });
    assert!(answered.load(Ordering::SeqCst));
}

#[test]
fn a_disk_that_takes_too_long_is_told_and_the_request_can_be_repeated() {
    let gate = Arc::new(Gate::default());
    let hooks = {
        let gate = Arc::clone(&gate);
        Hooks::new(move |point| {
            if point == Point::SyncBefore {
                gate.pass();
            }
            Action::Continue
        })
    };
    let rig = Rig::with_hooks(hooks, |config| config.durable_timeout = Duration::from_millis(50));
    rig.node
        .data()
        .journal()
        .create_topic("default/t", pelton_server::TopicConfig::new(1), 0)
        .unwrap();
    rig.node.sync().unwrap();
    gate.set(true);
    let send =
        || rig.post(&format!("{RECORDS}?producer=p&sequence=0"), r#"{"records":[{"value":1}]}"#);
    send().refused(503, "E-DURABLE-TIMEOUT");
    gate.set(false);
    rig.node.sync().unwrap();
    assert_eq!(send().expect(200)["duplicate"], true);
    assert_eq!(numbers(&read(&rig, "")), [1]);
}

#[test]
fn a_cursor_of_a_topic_that_was_removed_is_refused_by_the_next_one_of_its_name() {
    let rig = Rig::start();
    rig.topic(1);
    (0..4).for_each(|value| drop(rig.produce(&format!(r#"{{"value":{value}}}"#))));
    let cursor = read(&rig, "from=earliest")["cursor"].as_str().unwrap().to_owned();
    rig.delete(&format!("{TOPICS}/t")).expect(204);
    rig.topic(1);
    (4..9).for_each(|value| drop(rig.produce(&format!(r#"{{"value":{value}}}"#))));
    rig.get(&format!("{RECORDS}?from={cursor}")).refused(409, "E-CURSOR-TOPIC");
    let headers = [("accept", "text/event-stream"), ("last-event-id", cursor.as_str())];
    let answer = rig.connect().send("GET", RECORDS, &headers, b"");
    answer.refused(409, "E-CURSOR-TOPIC");
    let query = format!("{RECORDS}?group=g&commit={cursor}");
    rig.get(&query).refused(409, "E-CURSOR-TOPIC");
    let body = format!(r#"{{"topic":"t","cursor":"{cursor}"}}"#);
    rig.post(&format!("{GROUPS}/g/commit"), &body).refused(409, "E-CURSOR-TOPIC");
    // One that somebody has written goes by the name.
    assert_eq!(numbers(&read(&rig, "from=0:4")), [8]);
    let next = read(&rig, "from=earliest")["cursor"].as_str().unwrap().to_owned();
    assert!(numbers(&read(&rig, &format!("from={next}"))).is_empty());
}

#[test]
fn bytes_are_answered_as_they_are_on_request() {
    let rig = Rig::start();
    rig.topic(1);
    rig.produce(r#"{"key":"k","value":"{\"a\": 1}","headers":{"h":"1 ","n":null},"timestamp":5}"#);
    rig.produce(r#"{"value":null,"timestamp":6}"#);
    let answer = read(&rig, "encoding=base64");
    let records = &answer["records"];
    assert_eq!(records[0]["key"], json!({"base64": "aw=="}));
    assert_eq!(records[0]["value"], json!({"base64": "eyJhIjogMX0="}), "with its white space");
    assert_eq!(records[0]["headers"], json!([["h", {"base64": "MSA="}], ["n", null]]));
    assert_eq!((&records[1]["key"], &records[1]["value"]), (&json!(null), &json!(null)));
    assert_eq!(read(&rig, "encoding=json")["records"][0]["value"], json!({"a": 1}));
    rig.get(&format!("{RECORDS}?encoding=hex")).refused(400, "E-HTTP-QUERY");
}
