//! What the tests against a broker share.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    Commit, Committed, FunctionId, OutputBatch, Sink, Source, Start, TaskId, TaskMeta, TaskRecord,
    TopicName, TopicPartition,
};
use pelton_kafka::{Admin, Cluster, KafkaSink, KafkaSource, TopicSpec};

/// The broker that the environment names. Without one the test says so and passes.
pub(crate) fn cluster() -> Option<Cluster> {
    let Some(address) = std::env::var("PELTON_TEST_KAFKA").ok().filter(|a| !a.is_empty()) else {
        // Not by `eprintln!`, which the test harness swallows where a test passes.
        let text = "NOT RUN: no Kafka broker; `cargo xtask test kafka` brings one along\n";
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return None;
    };
    Some(Cluster::new(address))
}

/// A name that no test has used, nor an earlier run against the same broker.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let start = std::fs::metadata("/proc/self").unwrap().modified().unwrap();
    let start = start.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    format!("{name}-{start:x}-{}-{number}", std::process::id())
}

pub(crate) fn topic(cluster: &Cluster, name: &str, partitions: u32) -> TopicName {
    let topic = TopicName::parse(&unique(name)).unwrap();
    // The tests' records are of 1970: a broker with the usual retention deletes them.
    let settings = [("retention.ms".into(), "-1".into())].into();
    let spec = TopicSpec { partitions, replication: 1, compacted: false, settings };
    assert!(Admin::new(cluster).unwrap().create_topic(&topic, &spec).unwrap());
    topic
}

pub(crate) fn function(name: &str) -> FunctionId {
    FunctionId::parse(&unique(name)).unwrap()
}

pub(crate) fn task(function: &FunctionId, partition: u32) -> TaskId {
    TaskId { function: function.clone(), partition }
}

pub(crate) fn output(
    topic: &TopicName,
    partition: u32,
    fill: impl FnOnce(&mut RecordsBuilder),
) -> OutputBatch {
    let mut builder = RecordsBuilder::new();
    fill(&mut builder);
    let rows = builder.len() as u32;
    let batch = Bytes::from(builder.finish());
    OutputBatch {
        topic: topic.clone(),
        partition,
        rows,
        max_timestamp: 0,
        watermark: i64::MIN,
        batch,
    }
}

/// Records with these values, without keys.
pub(crate) fn values(topic: &TopicName, values: &[&str]) -> OutputBatch {
    output(topic, 0, |builder| {
        for (at, value) in values.iter().enumerate() {
            builder.push(None, Some(value.as_bytes()), 1_000 + at as i64);
        }
    })
}

pub(crate) fn record(positions: &[(&TopicPartition, u64)], changes: Vec<u8>) -> TaskRecord {
    let positions = positions
        .iter()
        .map(|(input, next)| pelton_core::Position { input: (*input).clone(), next: *next })
        .collect();
    let meta = TaskMeta { deployment: 1, time_ms: 5, positions, ..TaskMeta::default() };
    TaskRecord { meta, changes: changes.into() }
}

pub(crate) fn commit(
    sink: &mut KafkaSink,
    task: &TaskId,
    record: &TaskRecord,
    outputs: &[OutputBatch],
) -> pelton_core::Result<Committed> {
    block_on(sink.commit(&Commit { task, record, outputs }))
}

pub(crate) fn source(cluster: &Cluster, inputs: &[(TopicPartition, Start)]) -> KafkaSource {
    let mut source = KafkaSource::new(cluster, "pelton.test.reader").unwrap();
    source.assign(inputs).unwrap();
    source
}

/// A record as a test compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) offset: u64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads an input up to its end as of now.
pub(crate) fn read_all(source: &mut KafkaSource, input: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let end = source.end(input).unwrap();
    block_on(std::future::poll_fn(|context| {
        loop {
            match source.fetch(input).unwrap() {
                Some(fetch) => {
                    let batch = Batch::parse(&fetch.batch).unwrap();
                    batch.validate().unwrap();
                    for record in batch.records().unwrap().iter() {
                        let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                        rows.push(Row {
                            offset: fetch.offsets.get(record.row()),
                            key: own(record.key()),
                            value: own(record.value()),
                            timestamp: record.timestamp(),
                            headers: record
                                .headers()
                                .map(|header| (header.name.to_owned(), own(header.value)))
                                .collect(),
                        });
                    }
                }
                None if source.position(input).unwrap() >= end => return Poll::Ready(()),
                None => {
                    if source.poll_ready(context).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }));
    rows
}

pub(crate) fn read_values(cluster: &Cluster, topic: &TopicName, partition: u32) -> Vec<String> {
    let at = TopicPartition::local(topic.clone(), partition);
    let rows = read_all(&mut source(cluster, &[(at, Start::Earliest)]), 0);
    rows.into_iter().map(|row| String::from_utf8(row.value.unwrap_or_default()).unwrap()).collect()
}

/// Waits on this thread, and fails after a minute.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let started = Instant::now();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(Duration::from_secs(60)),
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing happened for a minute");
    }
}
