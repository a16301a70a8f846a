use serde_json::{Value, json};

use crate::support::{GROUPS, RECORDS, Rig, TOPICS, values};

fn five() -> Rig {
    let rig = Rig::start();
    rig.topic(1);
    rig.produce(r#"{"value":0},{"value":1},{"value":2},{"value":3},{"value":4}"#);
    rig
}

fn poll(rig: &Rig, query: &str) -> Value {
    rig.get(&format!("{RECORDS}?group=g&{query}")).expect(200)
}

fn numbers(answer: &Value) -> Vec<u64> {
    values(answer).iter().map(|value| value.as_u64().unwrap()).collect()
}

#[test]
fn a_group_goes_on_where_it_committed_also_after_a_restart() {
    let rig = five();
    let first = poll(&rig, "max_records=2");
    assert_eq!(numbers(&first), [0, 1]);
    assert_eq!(numbers(&poll(&rig, "max_records=2")), [0, 1], "nothing was committed");
    let body = json!({"topic": "t", "cursor": first["cursor"]}).to_string();
    rig.post(&format!("{GROUPS}/g/commit"), &body).expect(204);
    assert_eq!(numbers(&poll(&rig, "max_records=2")), [2, 3]);
    let rig = rig.restart();
    assert_eq!(numbers(&poll(&rig, "")), [2, 3, 4]);
    assert_eq!(numbers(&poll(&rig, "from=latest")), [2, 3, 4], "`from` is for new partitions");
}

#[test]
fn the_next_poll_may_commit_what_the_one_before_gave() {
    let rig = five();
    let (mut seen, mut query) = (Vec::new(), "max_records=2".to_owned());
    loop {
        let page = poll(&rig, &query);
        if numbers(&page).is_empty() {
            break;
        }
        seen.extend(numbers(&page));
        query = format!("max_records=2&commit={}", page["cursor"].as_str().unwrap());
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    let group = rig.get(&format!("{GROUPS}/g")).expect(200);
    assert_eq!(group["lag"], 0);
}

#[test]
fn a_group_is_listed_described_reset_and_deleted() {
    let rig = five();
    rig.get(&format!("{GROUPS}/g")).refused(404, "E-GROUP-UNKNOWN");
    assert_eq!(rig.get(GROUPS).expect(200), json!({"groups": []}));
    let position = r#"{"positions":[{"topic":"t","partition":0,"offset":2}]}"#;
    rig.post(&format!("{GROUPS}/g/commit"), position).expect(204);
    let listed = rig.get(GROUPS).expect(200);
    assert_eq!(listed["groups"], json!([{"name": "g", "topics": ["t"], "lag": 3}]));
    let group = rig.get(&format!("{GROUPS}/g")).expect(200);
    assert_eq!(
        group["topics"][0]["positions"],
        json!([
            {"partition": 0, "offset": 2, "end": 5, "lag": 3}
        ])
    );
    assert!(group["topics"][0]["committed_ms"].as_i64().unwrap() > 0);
    let reset = |from: &str| {
        let body = json!({"topic": "t", "from": from}).to_string();
        rig.post(&format!("{GROUPS}/g/reset"), &body)
    };
    assert_eq!(reset("earliest").expect(200)["lag"], 5);
    assert_eq!(reset("latest").expect(200)["lag"], 0);
    assert_eq!(reset("4").expect(200)["lag"], 1);
    reset("6").refused(416, "E-OFFSET-RANGE");
    reset("soon").refused(400, "E-FROM");
    assert_eq!(numbers(&poll(&rig, "")), [4]);
    rig.delete(&format!("{GROUPS}/g")).expect(204);
    rig.delete(&format!("{GROUPS}/g")).refused(404, "E-GROUP-UNKNOWN");
    reset("earliest").refused(404, "E-GROUP-UNKNOWN");
}

#[test]
fn a_position_that_cannot_be_is_refused_and_nothing_of_its_commit_is_kept() {
    let rig = five();
    let commit = |body: Value| rig.post(&format!("{GROUPS}/g/commit"), &body.to_string());
    let at = |topic: &str, partition: u32, offset: u64| json!({"topic": topic, "partition": partition, "offset": offset});
    commit(json!({"positions": [at("t", 0, 5), at("t", 0, 6)]})).refused(416, "E-OFFSET-RANGE");
    commit(json!({"positions": [at("t", 1, 0)]})).refused(404, "E-PARTITION-UNKNOWN");
    commit(json!({"positions": [at("u", 0, 0)]})).refused(404, "E-TOPIC-UNKNOWN");
    commit(json!({})).refused(400, "E-COMMIT-EMPTY");
    commit(json!({"topic": "t"})).refused(400, "E-JSON");
    commit(json!({"topic": "t", "cursor": "x"})).refused(400, "E-CURSOR");
    let many = vec![at("t", 0, 1); 10_000];
    rig.get(&format!("{GROUPS}/g")).refused(404, "E-GROUP-UNKNOWN");
    commit(json!({"positions": many})).expect(204);
    let many = vec![at("t", 0, 1); 10_001];
    commit(json!({"positions": many})).refused(413, "E-REQUEST-RECORDS");
    rig.post(&format!("{GROUPS}/__g/commit"), &json!({"positions": [at("t", 0, 1)]}).to_string())
        .refused(400, "E-NAME");
}

#[test]
fn a_tenant_has_groups_up_to_the_limit_and_no_more() {
    let rig = five();
    let position = r#"{"positions":[{"topic":"t","partition":0,"offset":2}]}"#;
    let mut client = rig.connect();
    let mut commit =
        |group: usize| client.json("POST", &format!("{GROUPS}/g{group}/commit"), position);
    for group in 0..1_000 {
        let answer = commit(group);
        match answer.status {
            // The rate of one connection.
            429 => panic!("{}", answer.text()),
            _ => answer.expect(204),
        };
    }
    commit(1_000).refused(409, "E-GROUP-LIMIT");
    commit(999).expect(204);
    rig.delete(&format!("{GROUPS}/g0")).expect(204);
    commit(1_000).expect(204);
}

#[test]
fn positions_go_with_their_topic() {
    let rig = five();
    let position = r#"{"topic":"t","cursor":"0:2"}"#;
    rig.post(&format!("{GROUPS}/g/commit"), position).expect(204);
    rig.delete(&format!("{TOPICS}/t")).expect(204);
    rig.get(&format!("{GROUPS}/g")).refused(404, "E-GROUP-UNKNOWN");
    rig.topic(1);
    rig.produce(r#"{"value":9}"#);
    assert_eq!(numbers(&poll(&rig, "")), [9]);
}

#[test]
fn two_readers_of_one_group_get_the_same_records_and_the_last_commit_wins() {
    let rig = five();
    let (mut one, mut other) = (rig.connect(), rig.connect());
    let mut read = |client: usize, query: &str| {
        let client = if client == 0 { &mut one } else { &mut other };
        client.send("GET", &format!("{RECORDS}?group=g&{query}"), &[], b"").expect(200)
    };
    assert_eq!(numbers(&read(0, "max_records=3")), [0, 1, 2]);
    assert_eq!(numbers(&read(1, "max_records=3")), [0, 1, 2], "nobody is a member");
    assert_eq!(numbers(&read(0, "max_records=1&commit=0:3")), [3]);
    // The slower one takes the position back: records come again, none is left out.
    assert_eq!(numbers(&read(1, "max_records=1&commit=0:1")), [1]);
    assert_eq!(numbers(&read(0, "")), [1, 2, 3, 4]);
}

#[test]
fn readers_that_each_name_a_partition_share_a_group() {
    let rig = Rig::start();
    rig.topic(2);
    rig.produce(r#"{"value":0,"partition":0},{"value":1,"partition":0},{"value":2,"partition":1}"#);
    for (partition, expected) in [(0, vec![0, 1]), (1, vec![2])] {
        let of_it = poll(&rig, &format!("partition={partition}"));
        assert_eq!(numbers(&of_it), expected);
        let done = of_it["cursor"].as_str().unwrap();
        assert!(numbers(&poll(&rig, &format!("partition={partition}&commit={done}"))).is_empty());
    }
    let group = rig.get(&format!("{GROUPS}/g")).expect(200);
    assert_eq!(group["lag"], 0);
    assert!(numbers(&poll(&rig, "")).is_empty(), "neither has taken the other's position back");
}
