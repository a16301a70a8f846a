use pelton_core::TopicName;
use pelton_server::data::TopicHooks;
use serde_json::json;

use crate::support::{RECORDS, Rig, TOPICS};

#[test]
fn a_topic_is_created_listed_described_changed_and_deleted() {
    let rig = Rig::start();
    let body = r#"{"name":"t","partitions":2,"retention_ms":1000}"#;
    let made = rig.post(TOPICS, body).expect(201);
    assert_eq!(made["name"], "t");
    assert_eq!(made["tenant"], "default");
    assert_eq!(made["retention_ms"], 1000);
    let empty = |partition| json!({"partition": partition, "start": 0, "end": 0, "durable": 0, "records": 0, "bytes": 0});
    assert_eq!(made["partitions"], json!([empty(0), empty(1)]));

    let listed = rig.get(TOPICS).expect(200);
    assert_eq!(listed["topics"], json!([made]));

    let path = format!("{TOPICS}/t");
    let changed = rig.patch(&path, r#"{"retention_bytes":5,"retention_ms":null}"#).expect(200);
    assert_eq!((&changed["retention_ms"], &changed["retention_bytes"]), (&json!(null), &json!(5)));
    let kept = rig.patch(&path, "{}").expect(200);
    assert_eq!(kept["retention_bytes"], 5);

    rig.produce(r#"{"value":"a","partition":1}"#);
    let described = rig.get(&path).expect(200);
    let second = &described["partitions"][1];
    assert_eq!((&second["end"], &second["durable"]), (&json!(1), &json!(1)));
    assert!(second["bytes"].as_u64().unwrap() > 0);
    assert_eq!(described["bytes"], second["bytes"]);

    rig.delete(&path).expect(204);
    rig.get(&path).refused(404, "E-TOPIC-UNKNOWN");
    rig.delete(&path).refused(404, "E-TOPIC-UNKNOWN");
    assert_eq!(rig.get(TOPICS).expect(200)["topics"], json!([]));
}

#[test]
fn topics_are_there_after_a_restart() {
    let rig = Rig::start();
    rig.topic(3);
    rig.produce(r#"{"key":"k","value":"v"}"#);
    let before = rig.get(&format!("{TOPICS}/t")).expect(200);
    let rig = rig.restart();
    assert_eq!(rig.get(&format!("{TOPICS}/t")).expect(200), before);
}

#[test]
fn a_topic_of_one_tenant_is_not_seen_by_another() {
    let rig = Rig::start();
    rig.topic(1);
    rig.post("/api/v1/tenants/other/topics", r#"{"name":"t2"}"#).expect(201);
    assert_eq!(rig.get(TOPICS).expect(200)["topics"].as_array().unwrap().len(), 1);
    rig.get("/api/v1/tenants/other/topics/t").refused(404, "E-TOPIC-UNKNOWN");
    rig.get("/api/v1/tenants/other/topics/t/records").refused(404, "E-TOPIC-UNKNOWN");
}

#[test]
fn what_makes_no_topic_is_refused() {
    let rig = Rig::start();
    rig.topic(1);
    rig.post(TOPICS, r#"{"name":"t"}"#).refused(409, "E-TOPIC-EXISTS");
    for name in ["", "a/b", "..", "__internal", "a b", "ü", &"x".repeat(121)] {
        let body = json!({"name": name}).to_string();
        rig.post(TOPICS, &body).refused(400, "E-NAME");
    }
    rig.post(TOPICS, &json!({"name": "x".repeat(120)}).to_string()).expect(201);
    rig.post(TOPICS, r#"{"name":"u","partitions":0}"#).refused(400, "E-TOPIC-PARTITIONS");
    rig.post(TOPICS, r#"{"name":"u","partitions":257}"#).refused(400, "E-JOURNAL-LIMIT");
    rig.post(TOPICS, r#"{"name":"u","partitions":256}"#).expect(201);
    rig.post(TOPICS, r#"{"name":"v","partition":1}"#).refused(400, "E-JSON");
    rig.post("/api/v1/tenants/__x/topics", r#"{"name":"u"}"#).refused(400, "E-NAME");
}

#[test]
fn a_topic_that_somebody_uses_is_not_deleted() {
    let rig = Rig::start();
    rig.topic(1);
    rig.node.data().ask_first(Used);
    let message = rig.delete(&format!("{TOPICS}/t")).refused(409, "E-TOPIC-IN-USE");
    assert!(message.contains("default/counts"), "{message}");
    rig.get(RECORDS).expect(200);
    let compact = || rig.patch(&format!("{TOPICS}/t"), r#"{"cleanup":"compact"}"#);
    let message = compact().refused(409, "E-TOPIC-CLEANUP-IN-USE");
    assert!(message.contains("default/counts writes to it"), "{message}");
}

#[test]
fn a_topic_of_a_pipeline_alone_takes_no_records_from_elsewhere_and_is_read() {
    let rig = Rig::start();
    rig.post(TOPICS, r#"{"name":"own"}"#).expect(201);
    rig.node.data().ask_first(Used);
    let records = format!("{TOPICS}/own/records");
    let refused = rig.post(&records, r#"{"records":[{"value":1}]}"#);
    let message = refused.refused(409, "E-TOPIC-INTERNAL");
    assert!(message.contains("internal to the pipeline default/p"), "{message}");
    rig.get(&records).expect(200);
}

/// `t` is used, and `own` is a pipeline's.
struct Used;

impl TopicHooks for Used {
    fn users(&self, topic: &TopicName) -> Vec<String> {
        let used = TopicName::parse("default/t").unwrap();
        if *topic == used { vec!["function default/counts".to_owned()] } else { Vec::new() }
    }

    fn owner(&self, topic: &TopicName) -> Option<String> {
        (topic.name() == "own").then(|| "default/p".to_owned())
    }

    fn reliant(&self, topic: &TopicName) -> Vec<String> {
        self.users(topic).into_iter().map(|user| format!("{user} writes to it")).collect()
    }
}

#[test]
fn a_compacted_topic_keeps_the_latest_of_each_key_and_is_read_over_the_gaps() {
    let rig = Rig::start();
    let made = rig.post(TOPICS, r#"{"name":"t","cleanup":"compact"}"#).expect(201);
    assert_eq!(made["cleanup"], "compact");
    let missing = rig.post(RECORDS, r#"{"records":[{"key":"k","value":1},{"value":2}]}"#);
    missing.refused(400, "E-TOPIC-KEY");
    // More than a segment: compaction leaves the one alone that is written to.
    for n in 0..200 {
        let value = format!("{n}{}", "x".repeat(100_000));
        rig.produce(&json!({"key": (n % 3).to_string(), "value": value}).to_string());
    }
    rig.node.journal().clean(rig.node.clock().now_ms()).unwrap();
    let read = |from: &str| {
        let answer = rig.get(&format!("{RECORDS}?max_bytes=8388608&from={from}")).expect(200);
        let records = answer["records"].as_array().unwrap();
        let offsets = records.iter().map(|record| record["offset"].as_u64().unwrap());
        assert!(answer["cursor"].as_str().unwrap().starts_with("0:200@"), "{answer}");
        offsets.collect::<Vec<_>>()
    };
    let offsets = read("0");
    assert!(offsets.is_sorted() && offsets.len() < 100, "{offsets:?}");
    assert!(offsets.ends_with(&[197, 198, 199]), "{offsets:?}");
    assert_eq!(read("50"), Vec::from_iter(offsets.iter().copied().filter(|at| *at >= 50)));
}

#[test]
fn a_topic_becomes_compacted_and_back_and_stays_so_after_a_restart() {
    let rig = Rig::start();
    rig.topic(1);
    let path = format!("{TOPICS}/t");
    let alter = |rig: &Rig, change: &str| rig.patch(&path, change);
    rig.produce(r#"{"key":"k","value":1}"#);
    rig.produce(r#"{"key":"k","value":2}"#);
    let clean = |rig: &Rig| rig.node.journal().clean(rig.node.clock().now_ms()).unwrap();
    clean(&rig);
    let changed = alter(&rig, r#"{"cleanup":"compact"}"#).expect(200);
    assert_eq!((&changed["cleanup"], &changed["cleaned"]), (&json!("compact"), &json!(null)));
    let rig = rig.restart();
    rig.post(RECORDS, r#"{"records":[{"value":3}]}"#).refused(400, "E-TOPIC-KEY");
    clean(&rig);
    let described = rig.get(&path).expect(200);
    assert_eq!(described["cleanup"], "compact");
    assert_eq!(described["cleaned"]["compacted"], 1);
    assert!(described["cleaned"]["time_ms"].as_i64().unwrap() > 0);
    let held = &described["partitions"][0];
    assert_eq!((&held["records"], &held["end"]), (&json!(1), &json!(2)));
    let both = r#"{"cleanup":"compact-and-delete","retention_bytes":0}"#;
    assert_eq!(alter(&rig, both).expect(200)["retention_bytes"], 0);
    clean(&rig);
    assert_eq!(rig.get(&path).expect(200)["cleaned"]["released"], 2);
    alter(&rig, r#"{"cleanup":"delete","retention_bytes":null}"#).expect(200);
    rig.produce(r#"{"value":"no key"}"#);
    let message = alter(&rig, r#"{"cleanup":"compact"}"#).refused(409, "E-TOPIC-KEYLESS");
    assert!(message.contains("offset 2 of partition 0"), "{message}");
    assert_eq!(rig.get(&path).expect(200)["cleanup"], "delete", "as it was");
    alter(&rig, r#"{"cleanup":"squeeze"}"#).refused(400, "E-JSON");
    alter(&rig, r#"{"retention_ms":-1}"#).refused(400, "E-JSON");
}
