use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_core::{ManualClock, TopicName};
use pelton_server::data::{DataLimits, DataPlane, NewRecord, RecordBatch, Stamp, TopicSettings};
use pelton_server::{Action, Hooks, Point};
use serde_json::{Value, json};

use crate::support::{Answer, RECORDS, Rig, TOPICS, values};

fn send(rig: &Rig, epoch: u64, sequence: u64, value: &str) -> Answer {
    let path = format!("{RECORDS}?producer=p&epoch={epoch}&sequence={sequence}");
    let body = json!({"records": [{"key": "a", "value": value}, {"key": "b", "value": value}]});
    rig.post(&path, &body.to_string())
}

fn partitions(answer: &Answer) -> Value {
    answer.expect(200)["partitions"].clone()
}

#[test]
fn a_request_that_is_sent_again_gets_its_first_answer_and_is_appended_once() {
    let rig = Rig::start();
    rig.topic(3);
    rig.produce(r#"{"value":"other","partition":0},{"value":"other","partition":1}"#);
    let first = send(&rig, 0, 0, "one");
    rig.produce(r#"{"value":"other","partition":0},{"value":"other","partition":2}"#);
    let second = send(&rig, 0, 1, "two");
    assert_eq!(first.expect(200)["duplicate"], false);
    for _ in 0..2 {
        let again = send(&rig, 0, 0, "one");
        assert_eq!(again.expect(200)["duplicate"], true);
        assert_eq!(partitions(&again), partitions(&first));
        assert_eq!(partitions(&send(&rig, 0, 1, "two")), partitions(&second));
    }
    assert_eq!(values(&rig.get(RECORDS).expect(200)).len(), 8);
}

#[test]
fn the_first_answer_is_given_after_a_restart_too() {
    let rig = Rig::start();
    rig.topic(3);
    rig.produce(r#"{"value":"other","partition":0},{"value":"other","partition":1}"#);
    let answers: Vec<Value> =
        (0..6).map(|n| partitions(&send(&rig, 4, n, &n.to_string()))).collect();
    let rig = rig.restart();
    for n in 1..6 {
        let again = send(&rig, 4, n, &n.to_string());
        assert_eq!(again.expect(200)["duplicate"], true);
        assert_eq!(partitions(&again), answers[n as usize]);
    }
    send(&rig, 4, 0, "0").refused(409, "E-SEQUENCE-OLD");
    send(&rig, 4, 6, "6").expect(200);
    assert_eq!(values(&rig.get(RECORDS).expect(200)).len(), 2 + 14);
}

#[test]
fn a_stamp_that_does_not_follow_is_refused_and_appends_nothing() {
    let rig = Rig::start();
    rig.topic(1);
    send(&rig, 1, 3, "x").refused(409, "E-PRODUCER-UNKNOWN");
    send(&rig, 1, 0, "x").expect(200);
    send(&rig, 1, 2, "x").refused(409, "E-SEQUENCE-GAP");
    send(&rig, 1, 0, "y").refused(409, "E-SEQUENCE-REUSED");
    send(&rig, 2, 0, "x").expect(200);
    send(&rig, 1, 1, "x").refused(409, "E-PRODUCER-FENCED");
    let post = |query: &str| rig.post(&format!("{RECORDS}?{query}"), r#"{"records":[{}]}"#);
    for query in ["producer=p", "sequence=0", "epoch=1", "producer=p&epoch=1"] {
        post(query).refused(400, "E-HTTP-QUERY");
    }
    for name in ["", "a%20b", "a/b", &"x".repeat(121)] {
        post(&format!("producer={name}&sequence=0")).refused(400, "E-PRODUCER-NAME");
    }
    assert_eq!(values(&rig.get(RECORDS).expect(200)).len(), 4);
}

#[test]
fn a_topic_of_the_same_name_that_came_later_remembers_nothing() {
    let rig = Rig::start();
    rig.topic(1);
    send(&rig, 9, 0, "x").expect(200);
    rig.delete(&format!("{TOPICS}/t")).expect(204);
    rig.topic(1);
    let anew = send(&rig, 0, 0, "x");
    assert_eq!(anew.expect(200)["duplicate"], false);
}

#[test]
fn the_same_request_sent_by_many_at_once_is_appended_once() {
    let rig = Rig::start();
    rig.topic(3);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let all: Vec<_> =
            (0..8).map(|_| scope.spawn(|| partitions(&send(&rig, 0, 0, "x")))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(values(&rig.get(RECORDS).expect(200)).len(), 2);
}

/// Stops the journal at a point, once it is told to.
fn stop_at(point: Point, action: Action) -> (Hooks, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(false));
    let hooks = {
        let armed = Arc::clone(&armed);
        Hooks::new(move |at| match at == point && armed.load(Ordering::SeqCst) {
            true => action,
            false => Action::Continue,
        })
    };
    (hooks, armed)
}

#[test]
fn a_request_that_a_crash_cut_off_is_appended_once_wherever_the_crash_was() {
    for (point, action, is_kept) in [
        (Point::AppendBefore, Action::Stop, false),
        (Point::AppendBefore, Action::Torn(200), false),
        (Point::AppendAfter, Action::Stop, true),
        (Point::SyncBefore, Action::Stop, true),
        (Point::SyncAfter, Action::Stop, true),
    ] {
        let (hooks, armed) = stop_at(point, action);
        let rig = Rig::with_hooks(hooks, |_| {});
        rig.topic(3);
        rig.produce(r#"{"value":"other","partition":0},{"value":"other","partition":2}"#);
        let first = partitions(&send(&rig, 0, 0, "one"));
        rig.node.sync().unwrap();
        armed.store(true, Ordering::SeqCst);
        send(&rig, 0, 1, "two").refused(503, "E-JOURNAL-POISONED");
        let rig = rig.restart();
        let again = send(&rig, 0, 1, "two");
        assert_eq!(again.expect(200)["duplicate"], is_kept, "{point:?} {action:?}");
        assert_eq!(partitions(&send(&rig, 0, 1, "two")), partitions(&again));
        assert_eq!(partitions(&send(&rig, 0, 0, "one")), first);
        let read = rig.get(RECORDS).expect(200);
        assert_eq!(values(&read).len(), 2 + 4, "{point:?} {action:?}");
        // The offsets that were answered are those where the records stand.
        for range in partitions(&again).as_array().unwrap() {
            let at = |record: &&Value| {
                record["partition"] == range["partition"] && record["offset"] == range["offset"]
            };
            let found = read["records"].as_array().unwrap().iter().find(at).unwrap();
            assert_eq!(found["value"], "two");
        }
    }
}

/// The service itself, with a clock of the test's own.
struct Plane {
    data: DataPlane,
    clock: Arc<ManualClock>,
    topic: TopicName,
}

impl Plane {
    fn new(rig: &Rig, producers_max: usize) -> Self {
        let clock = Arc::new(ManualClock::new(1_000_000_000));
        let limits = DataLimits { producers_max, ..DataLimits::default() };
        let data = DataPlane::new(Arc::clone(rig.node.journal()), clock.clone(), limits);
        let topic = TopicName::parse("default/t").unwrap();
        let settings = TopicSettings {
            partitions: 1,
            retention_ms: None,
            retention_bytes: None,
            cleanup: Default::default(),
        };
        data.create_topic(&topic, settings).unwrap();
        Self { data, clock, topic }
    }

    fn send(&self, producer: usize, sequence: u64) -> Result<bool, &'static str> {
        let mut batch: RecordBatch = self.data.batch(&self.topic, None).unwrap();
        batch.push(&NewRecord::default(), std::iter::empty()).unwrap();
        let stamp = Stamp { producer: format!("p{producer}"), epoch: 0, sequence };
        let sent = self.data.produce(batch, Some(&stamp));
        sent.map(|sent| sent.duplicate).map_err(|error| error.code)
    }
}

#[test]
fn producers_are_remembered_up_to_the_limit_and_those_silent_the_longest_are_forgotten_first() {
    let rig = Rig::start();
    let plane = Plane::new(&rig, 20);
    for producer in 0..20 {
        assert_eq!(plane.send(producer, 0), Ok(false));
        plane.clock.advance(1);
    }
    // All of them were busy a moment ago: none may be forgotten.
    assert_eq!(plane.send(20, 0), Err("E-PRODUCER-LIMIT"));
    assert_eq!(plane.send(0, 1), Ok(false), "those that are known go on");
    plane.clock.advance(600_000);
    assert_eq!(plane.send(20, 0), Ok(false));
    // A tenth makes room: 1 and 2, since 0 was heard of later.
    assert_eq!(plane.send(1, 1), Err("E-PRODUCER-UNKNOWN"));
    assert_eq!(plane.send(2, 1), Err("E-PRODUCER-UNKNOWN"));
    assert_eq!(plane.send(0, 1), Ok(true));
    assert_eq!(plane.send(3, 0), Ok(true));
}

#[test]
fn producers_that_have_expired_make_room_together() {
    let rig = Rig::start();
    let plane = Plane::new(&rig, 20);
    for producer in 0..20 {
        plane.send(producer, 0).unwrap();
    }
    plane.clock.advance(86_400_001);
    assert_eq!(plane.send(7, 1), Ok(false), "not forgotten while there is room");
    for producer in 20..39 {
        assert_eq!(plane.send(producer, 0), Ok(false));
    }
    assert_eq!(plane.send(39, 0), Err("E-PRODUCER-LIMIT"));
    assert_eq!(plane.send(8, 1), Err("E-PRODUCER-UNKNOWN"));
}
