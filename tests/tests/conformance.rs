//! The conformance suite over every place for records and commits, and from one to another.
#![allow(clippy::expect_used, reason = "tests")]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    Clock, Commit, FunctionId, ManualClock, OutputBatch, Sink, Source, TaskId, TaskRecord,
    TopicName,
};
use pelton_engine::memory::MemoryLog;
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::{Config, Journal, TopicConfig, Visibility};
use pelton_kafka::{Admin, Cluster, KafkaSink, KafkaSource, TopicSpec};
use pelton_tests::conformance::{Side, World, run};

/// A name that no test of this process has used, nor one of an earlier process.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let directory = tempfile::Builder::new().prefix("").rand_bytes(8).tempdir().expect("a name");
    let salt = directory.path().file_name().expect("a name").to_string_lossy().into_owned();
    format!("{name}-{salt}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

struct Memory(MemoryLog);

impl World for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn unique(&mut self, name: &str) -> String {
        unique(name)
    }

    fn create(&mut self, _: Side, topic: &TopicName, partitions: u32) {
        self.0.create(topic, partitions);
    }

    fn write(&mut self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder) {
        self.0.append(topic, partition, records).expect("append");
    }

    fn source(&mut self, _: Side) -> Box<dyn Source> {
        self.0.source()
    }

    fn sink(&mut self, _: &FunctionId, _: u32) -> Box<dyn Sink> {
        self.0.sink()
    }
}

struct OnJournal {
    journal: Arc<Journal>,
    visibility: Visibility,
    _directory: tempfile::TempDir,
}

impl OnJournal {
    fn new(visibility: Visibility) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let config = Config { segment_bytes: 4 << 20, ..Config::default() };
        let journal = Arc::new(Journal::open(directory.path(), config).expect("a journal"));
        Self { journal, visibility, _directory: directory }
    }

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::new(1_000))
    }

    fn write(&self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder) {
        let batch = Bytes::from(records.finish());
        let records = Batch::parse(&batch).and_then(Batch::records).expect("a batch");
        let rows = records.len() as u32;
        let max_timestamp = records.iter().map(|record| record.timestamp()).max().unwrap_or(0);
        let topic = self.journal.topic(&topic.to_string()).expect("a topic");
        let to = topic.partition(partition).expect("a partition");
        let mut commit = pelton_journal::Commit::new(1_000);
        commit.batch(to, rows, max_timestamp, [&batch[..]]);
        self.journal.append(&mut commit).expect("append");
    }
}

impl World for OnJournal {
    fn name(&self) -> &str {
        "journal"
    }

    fn unique(&mut self, name: &str) -> String {
        unique(name)
    }

    fn create(&mut self, _: Side, topic: &TopicName, partitions: u32) {
        let config = TopicConfig::new(partitions);
        self.journal.create_topic(&topic.to_string(), config, 1_000).expect("a topic");
    }

    fn write(&mut self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder) {
        OnJournal::write(self, topic, partition, records);
    }

    fn source(&mut self, _: Side) -> Box<dyn Source> {
        Box::new(JournalSource::new(Arc::clone(&self.journal), self.visibility))
    }

    fn sink(&mut self, _: &FunctionId, _: u32) -> Box<dyn Sink> {
        Box::new(JournalSink::new(Arc::clone(&self.journal), Self::clock()))
    }
}

/// The broker that the environment names. Without one the test says so and passes.
fn cluster() -> Option<Cluster> {
    let Some(address) = std::env::var("PELTON_TEST_KAFKA").ok().filter(|a| !a.is_empty()) else {
        let text = "NOT RUN: no Kafka broker; `cargo xtask test kafka` brings one along\n";
        std::io::stderr().write_all(text.as_bytes()).expect("standard error");
        return None;
    };
    Some(Cluster::new(address))
}

/// A cluster, and the sink by which inputs are written.
struct Kafka(Cluster, Option<Box<dyn Sink>>);

impl Kafka {
    fn create(&self, topic: &TopicName, partitions: u32) {
        // The tests' records are of 1970: a broker with the usual retention deletes them.
        let settings = [("retention.ms".into(), "-1".into())].into();
        let spec = TopicSpec { partitions, replication: 1, compacted: false, settings };
        Admin::new(&self.0).expect("admin").create_topic(topic, &spec).expect("a topic");
    }

    fn source(&self) -> Box<dyn Source> {
        Box::new(KafkaSource::new(&self.0, "pelton.conformance").expect("a source"))
    }

    fn sink(&self, function: &FunctionId, tasks: u32) -> Box<dyn Sink> {
        Box::new(KafkaSink::new(&self.0, function, tasks).expect("a sink"))
    }
}

impl World for Kafka {
    fn name(&self) -> &str {
        "kafka"
    }

    fn unique(&mut self, name: &str) -> String {
        unique(name)
    }

    fn create(&mut self, _: Side, topic: &TopicName, partitions: u32) {
        Kafka::create(self, topic, partitions);
    }

    /// By a transaction of its own: offsets have gaps, as they have in a real topic.
    fn write(&mut self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder) {
        let function = FunctionId::parse("conformance-writer").expect("a name");
        let task = TaskId { function: function.clone(), partition: 0 };
        let rows = records.len() as u32;
        let batch = Bytes::from(records.finish());
        let topic = topic.clone();
        let outputs =
            [OutputBatch { topic, partition, rows, max_timestamp: 0, watermark: i64::MIN, batch }];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            if self.1.is_none() {
                let mut sink = Kafka::sink(self, &function, 1);
                sink.load(&task).await.expect("load");
                self.1 = Some(sink);
            }
            let record = TaskRecord::default();
            let commit = Commit { task: &task, record: &record, outputs: &outputs };
            let sink = self.1.as_mut().expect("a sink");
            sink.commit(&commit).await.expect("commit");
        });
    }

    fn source(&mut self, _: Side) -> Box<dyn Source> {
        Kafka::source(self)
    }

    fn sink(&mut self, function: &FunctionId, tasks: u32) -> Box<dyn Sink> {
        Kafka::sink(self, function, tasks)
    }
}

/// Reads on the journal, commits to Kafka: the positions are the journal's, kept in Kafka.
struct JournalToKafka(OnJournal, Kafka);

impl World for JournalToKafka {
    fn name(&self) -> &str {
        "journal -> kafka"
    }

    fn unique(&mut self, name: &str) -> String {
        unique(name)
    }

    fn output_cluster(&self) -> Arc<str> {
        Arc::clone(&self.1.0.name)
    }

    fn create(&mut self, side: Side, topic: &TopicName, partitions: u32) {
        match side {
            Side::Input => World::create(&mut self.0, side, topic, partitions),
            Side::Output => self.1.create(topic, partitions),
        }
    }

    fn write(&mut self, topic: &TopicName, partition: u32, records: &mut RecordsBuilder) {
        self.0.write(topic, partition, records);
    }

    fn source(&mut self, side: Side) -> Box<dyn Source> {
        match side {
            Side::Input => World::source(&mut self.0, side),
            Side::Output => self.1.source(),
        }
    }

    fn sink(&mut self, function: &FunctionId, tasks: u32) -> Box<dyn Sink> {
        self.1.sink(function, tasks)
    }
}

#[test]
fn memory_conforms() {
    run(&mut Memory(MemoryLog::new()));
}

#[test]
fn journal_conforms() {
    run(&mut OnJournal::new(Visibility::Appended));
}

#[test]
fn journal_read_when_durable_conforms() {
    run(&mut OnJournal::new(Visibility::Durable));
}

#[test]
fn kafka_conforms() {
    if let Some(cluster) = cluster() {
        run(&mut Kafka(cluster, None));
    }
}

#[test]
fn journal_to_kafka_conforms() {
    if let Some(cluster) = cluster() {
        let journal = OnJournal::new(Visibility::Durable);
        run(&mut JournalToKafka(journal, Kafka(cluster.named("remote"), None)));
    }
}
