//! F30: the wall clock steps by a day, in either direction, under a server.

use std::sync::Arc;

use pelton_core::{Clock as _, ManualClock};
use serde_json::json;

use crate::support::{Answer, GROUPS, RECORDS, Rig, TOPICS, values};

const DAY_MS: i64 = 86_400_000;
const NOON_MS: i64 = 20_000 * DAY_MS + DAY_MS / 2;

fn start() -> (Rig, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOON_MS));
    (Rig::at(clock.clone()), clock)
}

fn stamped(rig: &Rig, sequence: u64) -> Answer {
    let path = format!("{RECORDS}?producer=p&epoch=0&sequence={sequence}");
    rig.post(&path, &format!(r#"{{"records":[{{"value":{sequence}}}]}}"#))
}

#[test]
fn f30_a_producer_goes_on_and_its_repetitions_are_known_whatever_the_clock_does() {
    let (rig, clock) = start();
    rig.topic(1);
    let mut sequence = 0;
    for step in [0, DAY_MS, -DAY_MS, -DAY_MS, 400 * DAY_MS, -2_000 * DAY_MS] {
        clock.advance(step);
        rig.node.journal().clean(clock.now_ms()).unwrap();
        for _ in 0..3 {
            let first = stamped(&rig, sequence).expect(200);
            let again = stamped(&rig, sequence).expect(200);
            assert_eq!(
                (&again["duplicate"], &again["partitions"]),
                (&json!(true), &first["partitions"])
            );
            sequence += 1;
        }
    }
    let expected: Vec<_> = (0..sequence).map(|n| json!(n)).collect();
    assert_eq!(values(&rig.get(RECORDS).expect(200)), expected, "each once, in order");
}

#[test]
fn f30_tokens_and_groups_do_not_depend_on_the_clock() {
    let (rig, clock) = start();
    rig.topic(1);
    rig.produce(r#"{"value":1},{"value":2},{"value":3}"#);
    let poll = format!("{RECORDS}?group=g&max_records=1&commit=");
    let token = rig.server().tokens().create("ops").unwrap();
    let bearer = format!("Bearer {token}");
    let get = |path: &str| rig.connect().send("GET", path, &[("authorization", &bearer)], b"");
    for (step, value) in [(DAY_MS, 1), (-2 * DAY_MS, 2), (DAY_MS, 3)] {
        clock.advance(step);
        let polled = get(&format!("{poll}0:{}", value - 1)).expect(200);
        assert_eq!(values(&polled), [value]);
    }
    rig.get(TOPICS).refused(401, "E-AUTH-MISSING");
    get(&format!("{GROUPS}/g")).expect(200);
}

#[test]
fn f30_retention_goes_by_the_clock_and_takes_nothing_early_when_it_steps_back() {
    let (rig, clock) = start();
    let body = r#"{"name":"t","partitions":1,"retention_ms":3600000}"#;
    rig.post(TOPICS, body).expect(201);
    let clean = || rig.node.journal().clean(clock.now_ms()).unwrap().records_released;
    rig.produce(r#"{"value":"noon"}"#);
    clock.advance(-DAY_MS);
    rig.produce(r#"{"value":"the day before"}"#);
    assert_eq!(clean(), 0);
    assert_eq!(values(&rig.get(RECORDS).expect(200)), ["noon", "the day before"]);
    // Offsets stay in the order of appending; a time leads to the first record of it or later.
    let from = format!("{RECORDS}?from=time:{}", NOON_MS - DAY_MS);
    assert_eq!(values(&rig.get(&from).expect(200)), ["noon", "the day before"]);
    clock.advance(DAY_MS + 3_600_000);
    clean();
    assert_eq!(values(&rig.get(RECORDS).expect(200)).last(), Some(&json!("the day before")));
    clock.advance(1);
    clean();
    assert!(values(&rig.get(&format!("{RECORDS}?from=earliest")).expect(200)).is_empty());
    rig.produce(r#"{"value":"goes on"}"#);
    assert_eq!(values(&rig.get(RECORDS).expect(200)), ["goes on"]);
}
