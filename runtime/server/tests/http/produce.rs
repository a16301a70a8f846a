use pelton_batch::RecordsBuilder;
use pelton_core::partition_for_key;
use serde_json::{Value, json};

use crate::support::{Answer, RECORDS, Rig, TOPICS, values};

fn send(rig: &Rig, kind: &str, body: &[u8]) -> Answer {
    rig.connect().send("POST", RECORDS, &[("content-type", kind)], body)
}

#[test]
fn records_of_every_kind_are_read_back_as_they_were_sent() {
    let rig = Rig::start();
    rig.topic(1);
    let records = json!([
        {"key": "k", "value": "text", "timestamp": 5, "headers": [["h", "v"], ["h", null]]},
        {"key": null, "value": null, "timestamp": "1970-01-01T00:00:01Z"},
        {"key": {"base64": "/wA="}, "value": {"a": [1, null]}, "timestamp": -7},
        {"value": 17, "timestamp": 6, "headers": {"x": {"base64": "/w=="}}},
        {"value": "null", "timestamp": 6},
        {"value": "{\"base64\":\"aGk=\"}", "timestamp": 6},
        {"value": "{ \"base64\":\"aGk=\"}", "timestamp": 6},
    ]);
    let sent = rig.post(RECORDS, &json!({"records": records}).to_string()).expect(200);
    assert_eq!(
        sent,
        json!({
            "partitions": [{"partition": 0, "offset": 0, "records": 7}], "duplicate": false
        })
    );
    let read = rig.get(RECORDS).expect(200);
    let mut expected = records.as_array().unwrap().clone();
    expected[1]["timestamp"] = json!(1000);
    expected[3]["headers"] = json!([["x", {"base64": "/w=="}]]);
    for (offset, record) in expected.iter_mut().enumerate() {
        record["partition"] = json!(0);
        record["offset"] = json!(offset);
        record.as_object_mut().unwrap().entry("key").or_insert(Value::Null);
    }
    assert_eq!(read["records"], json!(expected));
    assert!(read["cursor"].as_str().unwrap().starts_with("0:7@"), "{read}");
}

#[test]
fn json_lines_are_records_and_empty_ones_are_left_out() {
    let rig = Rig::start();
    rig.topic(1);
    let lines = b"{\"value\":\"a\"}\n\n  \r\n{\"value\":\"b\"}\r\n{\"value\":\"c\"}";
    send(&rig, "application/x-ndjson", lines).expect(200);
    assert_eq!(values(&rig.get(RECORDS).expect(200)), ["a", "b", "c"]);
    let bad = b"{\"value\":\"a\"}\n{\"value\":}\n";
    let message = send(&rig, "application/jsonl", bad).refused(400, "E-RECORD-JSON");
    assert!(message.starts_with("line 2: column 10"), "{message}");
    assert_eq!(values(&rig.get(RECORDS).expect(200)).len(), 3, "nothing of it was appended");
}

#[test]
fn a_batch_in_the_binary_layout_is_checked_and_loses_offsets_that_mean_nothing() {
    let rig = Rig::start();
    rig.topic(1);
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"k"), Some(b"one"), 11).header("h", Some(b"v")).meta(77, 3);
    builder.push(None, Some(b"two"), 12).meta(78, 3);
    let batch = builder.finish();
    let kind = "application/x-pelton-batch";
    send(&rig, kind, &batch).expect(200);
    let read = rig.get(RECORDS).expect(200);
    assert_eq!(
        read["records"],
        json!([
            {"partition":0,"offset":0,"timestamp":11,"key":"k","value":"one","headers":[["h","v"]]},
            {"partition":0,"offset":1,"timestamp":12,"key":null,"value":"two"},
        ])
    );
    // The last bytes are padding.
    for length in 0..batch.len() - 8 {
        send(&rig, kind, &batch[..length]).refused(400, "E-BATCH-FORMAT");
    }
    // Sixteen bytes that say four billion records.
    let mut bomb = batch[..16].to_vec();
    bomb[8..16].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    send(&rig, kind, &bomb).refused(413, "E-REQUEST-RECORDS");
    let mut keys = RecordsBuilder::new();
    keys.push(Some(b"k"), None, 0);
    let keys = keys.finish_as(pelton_batch::Kind::Keys);
    send(&rig, kind, &keys).refused(400, "E-BATCH-FORMAT");
}

#[test]
fn keys_go_to_their_murmur2_partition_in_order_and_one_request_is_one_commit() {
    let rig = Rig::start();
    rig.topic(4);
    let records: Vec<Value> =
        (0..40).map(|n| json!({"key": format!("key-{}", n % 10), "value": n})).collect();
    let before = rig.node.journal().appended();
    let sent = rig.post(RECORDS, &json!({"records": records}).to_string()).expect(200);
    assert_eq!(rig.node.journal().appended(), before + 1, "all partitions at once");
    assert!(sent["partitions"].as_array().unwrap().len() > 1);
    let read = rig.get(RECORDS).expect(200);
    let mut seen = std::collections::BTreeMap::<String, Vec<u64>>::new();
    for record in read["records"].as_array().unwrap() {
        let key = record["key"].as_str().unwrap();
        assert_eq!(record["partition"], partition_for_key(key.as_bytes(), 4));
        seen.entry(key.to_owned()).or_default().push(record["value"].as_u64().unwrap());
    }
    assert_eq!(seen.len(), 10);
    assert!(seen.values().all(|values| values.is_sorted() && values.len() == 4));
}

#[test]
fn a_partition_may_be_named_by_record_or_by_request() {
    let rig = Rig::start();
    rig.topic(2);
    rig.produce(r#"{"key":"k","value":"a","partition":1},{"value":"b","partition":0}"#);
    let to = format!("{RECORDS}?partition=0");
    rig.post(&to, r#"{"records":[{"value":"c","partition":1}]}"#).expect(200);
    let of =
        |partition: u32| values(&rig.get(&format!("{RECORDS}?partition={partition}")).expect(200));
    assert_eq!(of(1), ["a"]);
    assert_eq!(of(0), ["b", "c"]);
    let wrong = rig.post(RECORDS, r#"{"records":[{"value":"a"},{"partition":2}]}"#);
    assert!(wrong.refused(404, "E-PARTITION-UNKNOWN").starts_with("record 1:"));
    rig.post(&format!("{RECORDS}?partition=2"), r#"{"records":[{}]}"#)
        .refused(404, "E-PARTITION-UNKNOWN");
}

#[test]
fn records_without_a_key_take_turns_over_the_partitions_by_request() {
    let rig = Rig::start();
    rig.topic(2);
    let first = rig.produce(r#"{"value":1},{"value":2}"#);
    let second = rig.produce(r#"{"value":3}"#);
    let partition = |sent: &Value| sent["partitions"][0]["partition"].clone();
    assert_eq!(first["partitions"].as_array().unwrap().len(), 1);
    assert_ne!(partition(&first), partition(&second));
}

#[test]
fn what_is_no_record_is_refused_and_names_the_place() {
    let rig = Rig::start();
    rig.topic(1);
    for (record, code, place) in [
        (r#"{"value":"a","offset":1}"#, "E-RECORD-JSON", "unknown field"),
        (r#"{"value":{"base64":"?"}}"#, "E-RECORD-JSON", "`value`"),
        (r#"{"timestamp":"soon"}"#, "E-RECORD-JSON", "`timestamp`"),
        (r#"{"timestamp":1.5}"#, "E-RECORD-JSON", "`timestamp`"),
        (r#"{"headers":[["a"]]}"#, "E-RECORD-JSON", "headers"),
        (r#"{"headers":3}"#, "E-RECORD-JSON", "`headers`"),
        (r#"["k","v"]"#, "E-RECORD-JSON", "a list"),
        ("7", "E-RECORD-JSON", "column"),
        (r#"{"timestamp":31556952000001}"#, "E-RECORD-TIMESTAMP", "thousand years"),
        (r#"{"timestamp":-9223372036854775808}"#, "E-RECORD-TIMESTAMP", "thousand years"),
    ] {
        let body = format!(r#"{{"records":[{{"value":"good"}},{record}]}}"#);
        let message = rig.post(RECORDS, &body).refused(400, code);
        assert!(message.starts_with("record 1:") && message.contains(place), "{message}");
    }
    rig.produce(r#"{"timestamp":31556952000000}"#);
    for (body, code) in [
        ("", "E-JSON"),
        ("{", "E-JSON"),
        ("[]", "E-JSON"),
        ("{}", "E-JSON"),
        (r#"{"records":1}"#, "E-JSON"),
        (r#"{"records":[],"x":1}"#, "E-JSON"),
        (r#"{"records":[],"records":[]}"#, "E-JSON"),
        (r#"{"records":[{}]} x"#, "E-JSON"),
        (r#"{"records":[{},]}"#, "E-JSON"),
        (r#"{"records":[]}"#, "E-REQUEST-EMPTY"),
    ] {
        rig.post(RECORDS, body).refused(400, code);
    }
    send(&rig, "application/x-ndjson", b"\n\n").refused(400, "E-REQUEST-EMPTY");
    let end = rig.get(&format!("{TOPICS}/t")).expect(200)["partitions"][0]["end"].clone();
    assert_eq!(end, 1, "only the good one was appended");
}

#[test]
fn sizes_are_allowed_up_to_their_limits_and_no_further() {
    let rig = Rig::start();
    rig.topic(1);
    let lines = |count: usize| "{}\n".repeat(count).into_bytes();
    send(&rig, "application/x-ndjson", &lines(10_000)).expect(200);
    send(&rig, "application/x-ndjson", &lines(10_001)).refused(413, "E-REQUEST-RECORDS");
    let list = |count: usize| format!(r#"{{"records":[{}]}}"#, vec!["{}"; count].join(","));
    rig.post(RECORDS, &list(10_000)).expect(200);
    rig.post(RECORDS, &list(10_001)).refused(413, "E-REQUEST-RECORDS");

    let value = |bytes: usize| json!({"records": [{"value": "x".repeat(bytes)}]}).to_string();
    rig.post(RECORDS, &value(1 << 20)).expect(200);
    let message = rig.post(RECORDS, &value((1 << 20) + 1)).refused(413, "E-LIMIT");
    assert!(message.contains("record 0") && message.contains("record_bytes"), "{message}");

    let headers = |count: usize, bytes: usize| {
        let all: Vec<_> = (0..count).map(|_| json!(["h", "x".repeat(bytes)])).collect();
        json!({"records": [{"headers": all}]}).to_string()
    };
    rig.post(RECORDS, &headers(64, 1)).expect(200);
    rig.post(RECORDS, &headers(65, 1)).refused(413, "E-LIMIT");
    rig.post(RECORDS, &headers(1, (64 << 10) - 1)).expect(200);
    rig.post(RECORDS, &headers(1, 64 << 10)).refused(413, "E-LIMIT");
}
