//! Source and sink against a real broker.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{
    block_on, cluster, commit, function, output, read_all, read_values, record, source, task,
    topic, values,
};
use pelton_batch::{Batch, OpKind, Operation, OperationsBuilder};
use pelton_core::{
    Domain, Layout, Sink, Source, Start, StoreDeclaration, StoreKind, TaskMeta, TaskRecord,
    TimeDomain, TimerDeclaration, TopicName, TopicPartition,
};
use pelton_kafka::{Admin, KafkaSink};

macro_rules! cluster {
    () => {
        match cluster() {
            Some(cluster) => cluster,
            None => return,
        }
    };
}

#[test]
fn keys_values_timestamps_headers_and_tombstones_come_back_as_they_went() {
    let cluster = cluster!();
    let topic = topic(&cluster, "round-trip", 3);
    let function = function("round-trip");
    let mut sink = KafkaSink::new(&cluster, &function, 3).unwrap();
    let task = task(&function, 1);
    block_on(sink.load(&task)).unwrap();
    assert_eq!(sink.partitions(&topic).unwrap(), Some(3));
    let big = vec![7; 200_000];
    let out = output(&topic, 2, |builder| {
        builder.push(Some(b"key"), Some(b"value"), 1_234);
        builder.header("a", Some(b"1")).header("a", None).header("", Some(b""));
        builder.push(Some(b""), Some(b""), 1);
        builder.push(None, Some(b"no key"), 1_700_000_000_000);
        builder.push(Some(b"tombstone"), None, 2);
        builder.push(None, None, 3);
        builder.push(Some(b"big"), Some(&big), 4);
    });
    commit(&mut sink, &task, &record(&[], vec![]), std::slice::from_ref(&out)).unwrap();
    let at = |partition| (TopicPartition::local(topic.clone(), partition), Start::Earliest);
    let mut source = source(&cluster, &[at(0), at(2)]);
    assert_eq!(read_all(&mut source, 0), []);
    let rows = read_all(&mut source, 1);
    let batch = Batch::parse(&out.batch).unwrap();
    for (row, sent) in rows.iter().zip(batch.records().unwrap().iter()) {
        assert_eq!(row.key.as_deref(), sent.key());
        assert_eq!(row.value.as_deref(), sent.value());
        assert_eq!(row.timestamp, sent.timestamp());
        let headers = sent.headers().map(|h| (h.name.to_owned(), h.value.map(<[u8]>::to_vec)));
        assert_eq!(row.headers, headers.collect::<Vec<_>>());
    }
    assert_eq!(rows.iter().map(|row| row.offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    // Behind the records stands the mark of the transaction: the end is reached all the same.
    assert_eq!(source.position(1).unwrap(), source.end(1).unwrap());
}

#[test]
fn a_transaction_that_is_refused_half_way_leaves_nothing_behind() {
    let cluster = cluster!();
    let topic = topic(&cluster, "aborted", 1);
    let function = function("aborted");
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    let task = task(&function, 0);
    block_on(sink.load(&task)).unwrap();
    let good = values(&topic, &["one", "two"]);
    commit(&mut sink, &task, &record(&[], put("k", "kept")), std::slice::from_ref(&good)).unwrap();
    // The second record is larger than the client takes: the first is in flight by then.
    let huge = vec![0; 20 * 1024 * 1024];
    let bad = output(&topic, 0, |builder| {
        builder.push(None, Some(b"three"), 9);
        builder.push(None, Some(&huge), 9);
    });
    let error = commit(&mut sink, &task, &record(&[], put("k", "lost")), &[bad]).unwrap_err();
    assert_eq!((error.code, error.retryable), ("E-KAFKA-REFUSED", false), "{error}");
    assert_eq!(read_values(&cluster, &topic, 0), ["one", "two"]);
    // It goes on with the same producer.
    let good = values(&topic, &["four"]);
    commit(&mut sink, &task, &record(&[], vec![]), &[good]).unwrap();
    assert_eq!(read_values(&cluster, &topic, 0), ["one", "two", "four"]);
    let recovered = block_on(sink.load(&task)).unwrap();
    assert_eq!(puts(&recovered.tail), [("k".into(), "kept".into())]);
}

#[test]
fn an_owner_that_was_taken_over_commits_nothing_more() {
    let cluster = cluster!();
    let topic = topic(&cluster, "fencing", 1);
    let function = function("fencing");
    let task = task(&function, 0);
    let mut first = KafkaSink::new(&cluster, &function, 1).unwrap();
    block_on(first.load(&task)).unwrap();
    commit(&mut first, &task, &record(&[], vec![]), &[values(&topic, &["first"])]).unwrap();
    let mut second = KafkaSink::new(&cluster, &function, 1).unwrap();
    let recovered = block_on(second.load(&task)).unwrap();
    assert_eq!(recovered.sequence, 1);
    let zombie = values(&topic, &["zombie"]);
    let error = commit(&mut first, &task, &record(&[], vec![]), &[zombie]).unwrap_err();
    assert_eq!((error.code, error.retryable), ("E-KAFKA-FENCED", false), "{error}");
    assert_eq!(error.domain, Domain::External);
    commit(&mut second, &task, &record(&[], vec![]), &[values(&topic, &["second"])]).unwrap();
    // Not by trying again, either: it has to load, and that fences in its turn.
    let zombie = values(&topic, &["zombie"]);
    let error = commit(&mut first, &task, &record(&[], vec![]), &[zombie]).unwrap_err();
    assert_eq!(error.code, "E-KAFKA-NOT-LOADED");
    assert_eq!(read_values(&cluster, &topic, 0), ["first", "second"]);
    block_on(first.load(&task)).unwrap();
    commit(&mut first, &task, &record(&[], vec![]), &[values(&topic, &["third"])]).unwrap();
    assert_eq!(read_values(&cluster, &topic, 0), ["first", "second", "third"]);
}

#[test]
fn tasks_of_one_function_share_a_producer_and_do_not_fence_each_other() {
    let cluster = cluster!();
    let topic = topic(&cluster, "shared", 2);
    let function = function("shared");
    let mut one = KafkaSink::new(&cluster, &function, 2).unwrap();
    let mut other = one.clone();
    block_on(one.load(&task(&function, 0))).unwrap();
    block_on(other.load(&task(&function, 1))).unwrap();
    for round in 0..5 {
        let text = format!("{round}");
        let out = values(&topic, &[&text]);
        let changes = put("round", &text);
        commit(&mut one, &task(&function, 0), &record(&[], changes), &[out]).unwrap();
        let changes = put("round", &format!("other {round}"));
        commit(&mut other, &task(&function, 1), &record(&[], changes), &[]).unwrap();
    }
    assert_eq!(one.durable(), 10);
    assert_eq!(read_values(&cluster, &topic, 0), ["0", "1", "2", "3", "4"]);
    let mut later = KafkaSink::new(&cluster, &function, 2).unwrap();
    let tail = block_on(later.load(&task(&function, 1))).unwrap().tail;
    assert_eq!(puts(&tail), [("round".into(), "other 4".into())]);
}

#[test]
fn state_timers_layout_and_saved_come_back_from_the_changelog() {
    let cluster = cluster!();
    let function = function("restore");
    let task = task(&function, 0);
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    assert!(block_on(sink.load(&task)).unwrap().tail.is_empty());
    let store = |name: &str| StoreDeclaration { name: name.into(), kind: StoreKind::Kv, schema: 1 };
    let timers = vec![TimerDeclaration { name: "t".into(), domain: TimeDomain::Event }];
    let layout = Layout { stores: vec![store("a"), store("b")], timers };
    let mut ops = OperationsBuilder::new();
    let put = |ops: &mut OperationsBuilder, kind, target, key: &str, value: Option<&str>| {
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        let timestamp = (kind == OpKind::SetTimer).then_some(77);
        let ttl = if kind == OpKind::Put { 500 } else { 0 };
        ops.push(&Operation {
            row: 0,
            kind,
            cause: 0,
            target,
            key,
            value,
            timestamp,
            partition: None,
            ttl,
            schema: 3,
        });
    };
    put(&mut ops, OpKind::Put, 0, "x", Some("1"));
    put(&mut ops, OpKind::Put, 1, "x", Some("2"));
    put(&mut ops, OpKind::Append, 1, "x", Some("3"));
    put(&mut ops, OpKind::SetTimer, 0, "x", Some("due"));
    let meta = TaskMeta { layout: Some(layout), saved: Some(vec![9]), ..TaskMeta::default() };
    let first = TaskRecord { meta, changes: ops.finish().into() };
    commit(&mut sink, &task, &first, &[]).unwrap();
    put(&mut ops, OpKind::Append, 1, "x", Some("4"));
    put(&mut ops, OpKind::Put, 0, "y", Some("5"));
    put(&mut ops, OpKind::Delete, 0, "x", None);
    commit(&mut sink, &task, &record(&[], ops.finish()), &[]).unwrap();

    let mut later = KafkaSink::new(&cluster, &function, 1).unwrap();
    let recovered = block_on(later.load(&task)).unwrap();
    assert_eq!(recovered.sequence, 2);
    assert!(recovered.snapshot.is_none());
    let last = recovered.tail.last().unwrap();
    assert_eq!(last.meta.saved.as_deref(), Some(&[9][..]));
    assert_eq!(last.meta.layout, first.meta.layout);
    assert_eq!((last.meta.deployment, last.meta.time_ms), (1, 5));
    let batch = Batch::parse(&last.changes).unwrap();
    let found: Vec<_> = batch
        .operations()
        .unwrap()
        .iter()
        .map(|op| {
            (op.kind, op.target, op.value.map(<[u8]>::to_vec), op.timestamp, op.ttl, op.schema)
        })
        .collect();
    let value = |text: &str| Some(text.as_bytes().to_vec());
    let expected = [
        (OpKind::Put, 0, value("5"), None, 500, 3),
        (OpKind::Put, 1, value("2"), None, 500, 3),
        (OpKind::Append, 1, value("3"), None, 0, 3),
        (OpKind::Append, 1, value("4"), None, 0, 3),
        (OpKind::SetTimer, 0, value("due"), Some(77), 0, 3),
    ];
    assert_eq!(found, expected);
}

#[test]
fn positions_of_this_and_of_other_clusters_come_back_with_the_state() {
    let cluster = cluster!();
    let input = topic(&cluster, "positions", 1);
    let function = function("positions");
    let task = task(&function, 0);
    let here = TopicPartition::local(input.clone(), 0);
    let elsewhere = TopicPartition { cluster: "journal".into(), ..here.clone() };
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    block_on(sink.load(&task)).unwrap();
    for next in 1..4 {
        let record = record(&[(&here, next), (&elsewhere, 10 * next)], vec![]);
        commit(&mut sink, &task, &record, &[]).unwrap();
    }
    let mut later = KafkaSink::new(&cluster, &function, 1).unwrap();
    let tail = block_on(later.load(&task)).unwrap().tail;
    let positions = &tail.last().unwrap().meta.positions;
    let found: Vec<_> = positions.iter().map(|at| (&at.input, at.next)).collect();
    assert_eq!(found, [(&here, 3), (&elsewhere, 30)]);
}

#[test]
fn reading_starts_where_it_is_told_and_seeks_both_ways() {
    let cluster = cluster!();
    let topic = topic(&cluster, "start", 1);
    let function = function("start");
    let task = task(&function, 0);
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    block_on(sink.load(&task)).unwrap();
    let all = values(&topic, &["a", "b", "c", "d"]);
    commit(&mut sink, &task, &record(&[], vec![]), &[all]).unwrap();
    let at = TopicPartition::local(topic.clone(), 0);
    let offsets = |start| {
        let rows = read_all(&mut source(&cluster, &[(at.clone(), start)]), 0);
        rows.iter().map(|row| row.offset).collect::<Vec<_>>()
    };
    // The broker ends a transaction on the partitions after it has said that it is committed.
    let mut watching = source(&cluster, &[(at.clone(), Start::Earliest)]);
    let ended = (0..500).any(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
        watching.end(0).unwrap() >= 4
    });
    assert!(ended, "the commit does not become visible");
    assert_eq!(offsets(Start::Earliest), [0, 1, 2, 3]);
    assert!(offsets(Start::Latest).is_empty());
    assert_eq!(offsets(Start::Offset(2)), [2, 3]);
    assert_eq!(offsets(Start::Time(1_001)), [1, 2, 3]);
    assert!(offsets(Start::Time(9_999)).is_empty());
    let mut source = source(&cluster, &[(at.clone(), Start::Earliest)]);
    assert_eq!(read_all(&mut source, 0).len(), 4);
    source.seek(0, 1).unwrap();
    assert_eq!(read_all(&mut source, 0).len(), 3);
    source.seek(0, 3).unwrap();
    assert_eq!(read_all(&mut source, 0).len(), 1);
    assert_eq!(source.seek(0, 99).unwrap_err().code, "E-KAFKA-BEYOND-END");
    source.seek(0, 0).unwrap();
    source.pause(0, true);
    assert!(source.fetch(0).unwrap().is_none());
    source.pause(0, false);
    assert_eq!(read_all(&mut source, 0).len(), 4);
    let nowhere = TopicPartition::local(topic.clone(), 1);
    let error = source.assign(&[(nowhere, Start::Earliest)]).unwrap_err();
    assert_eq!(error.code, "E-KAFKA-UNKNOWN-PARTITION");
    let error = source.assign(&[(at, Start::Offset(6))]).unwrap_err();
    assert_eq!(error.code, "E-KAFKA-BEYOND-END");
}

#[test]
fn an_input_that_nobody_reads_does_not_hold_up_the_others() {
    let cluster = cluster!();
    let full = topic(&cluster, "full", 1);
    let other = topic(&cluster, "other", 1);
    let function = function("hold");
    let task = task(&function, 0);
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    block_on(sink.load(&task)).unwrap();
    let value = vec![1; 100_000];
    for _ in 0..3 {
        let out = output(&full, 0, |builder| {
            for _ in 0..100 {
                builder.push(None, Some(&value), 1);
            }
        });
        commit(&mut sink, &task, &record(&[], vec![]), &[out]).unwrap();
    }
    commit(&mut sink, &task, &record(&[], vec![]), &[values(&other, &["x"])]).unwrap();
    let at = |topic: &TopicName| (TopicPartition::local(topic.clone(), 0), Start::Earliest);
    let mut source = source(&cluster, &[at(&full), at(&other)]);
    assert_eq!(read_all(&mut source, 1).len(), 1);
    let rows = read_all(&mut source, 0);
    assert_eq!(rows.len(), 300);
    assert!(rows.windows(2).all(|pair| pair[0].offset < pair[1].offset));
}

#[test]
fn topics_that_are_not_there_are_told_and_made_once() {
    let cluster = cluster!();
    let admin = Admin::new(&cluster).unwrap();
    let name = TopicName::parse(&common::unique("made")).unwrap();
    assert_eq!(admin.partitions(&name).unwrap(), None);
    let settings = [].into();
    let spec = pelton_kafka::TopicSpec { partitions: 4, replication: 1, compacted: true, settings };
    assert!(admin.create_topic(&name, &spec).unwrap());
    assert!(!admin.create_topic(&name, &spec).unwrap());
    assert_eq!(admin.partitions(&name).unwrap(), Some(4));
    let function = function("nowhere");
    let task = task(&function, 0);
    let mut sink = KafkaSink::new(&cluster, &function, 1).unwrap();
    block_on(sink.load(&task)).unwrap();
    let nowhere = TopicName::parse(&common::unique("nowhere")).unwrap();
    assert_eq!(sink.partitions(&nowhere).unwrap(), None);
    let error = commit(&mut sink, &task, &record(&[], vec![]), &[values(&nowhere, &["x"])]);
    assert_eq!(error.unwrap_err().code, "E-KAFKA-UNKNOWN-PARTITION");
}

/// A put of this key and value into store 0.
fn put(key: &str, value: &str) -> Vec<u8> {
    let mut ops = OperationsBuilder::new();
    ops.push(&Operation {
        row: 0,
        kind: OpKind::Put,
        cause: 0,
        target: 0,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    });
    ops.finish()
}

/// Keys and values of all operations in these records.
fn puts(tail: &[TaskRecord]) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
    let mut found = Vec::new();
    for record in tail.iter().filter(|record| !record.changes.is_empty()) {
        let batch = Batch::parse(&record.changes).unwrap();
        found.extend(batch.operations().unwrap().iter().map(|op| (text(op.key), text(op.value))));
    }
    found
}
