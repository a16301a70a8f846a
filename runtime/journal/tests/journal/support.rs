//! Short words for the tests.

use std::sync::Arc;

use pelton_journal::sim::SimDisk;
use pelton_journal::{
    Commit, Config, Journal, Partition, Result, SyncDriver, SyncMode, TopicConfig, Visibility,
};

/// Small segments, driven by hand.
pub(crate) fn config() -> Config {
    Config {
        sync_driver: SyncDriver::Manual,
        sync_mode: SyncMode::Group,
        segment_bytes: 16 << 10,
        carry_bytes_max: 0,
        ..Config::default()
    }
}

pub(crate) fn open(disk: &SimDisk) -> Result<Journal> {
    open_with(disk, config())
}

pub(crate) fn open_with(disk: &SimDisk, config: Config) -> Result<Journal> {
    Journal::open_on(Arc::new(disk.clone()), config)
}

/// A journal with the topic `t/in` of one partition, all of it synced.
pub(crate) fn start(disk: &SimDisk) -> (Journal, Partition) {
    start_with(disk, config())
}

pub(crate) fn start_with(disk: &SimDisk, config: Config) -> (Journal, Partition) {
    let journal = open_with(disk, config).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    journal.sync_step().unwrap();
    (journal, topic.partitions()[0].clone())
}

pub(crate) fn partition(journal: &Journal, topic: &str) -> Partition {
    journal.topic(topic).unwrap().partitions()[0].clone()
}

/// One batch of one record in a commit of its own.
pub(crate) fn put(journal: &Journal, to: &Partition, bytes: &[u8]) -> Result<u64> {
    put_at(journal, to, bytes, 0)
}

pub(crate) fn put_at(
    journal: &Journal,
    to: &Partition,
    bytes: &[u8],
    timestamp: i64,
) -> Result<u64> {
    let mut commit = Commit::new(timestamp);
    commit.batch(to, 1, timestamp, [bytes]);
    journal.append(&mut commit)
}

/// The bytes of all batches from the partition's start on.
pub(crate) fn all(partition: &Partition) -> Vec<Vec<u8>> {
    let offsets = partition.offsets();
    let mut found = Vec::new();
    let mut at = offsets.start;
    while let Some(batch) = partition.read(at, Visibility::Appended).unwrap() {
        at = batch.next_offset();
        found.push(batch.bytes.to_vec());
    }
    assert_eq!(at, offsets.end);
    found
}

/// Drops the journal as a killed process would, and opens the disk again.
pub(crate) fn reopen(disk: &SimDisk, journal: Journal) -> Result<Journal> {
    disk.kill();
    drop(journal);
    open(disk)
}
