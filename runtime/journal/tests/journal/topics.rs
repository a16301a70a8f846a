//! Topics as an administrator sees them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use pelton_journal::sim::SimDisk;
use pelton_journal::{
    Cleanup, Commit, Compaction, Config, Error, Journal, PartitionInfo, Retention, TopicConfig,
    Visibility,
};

use crate::records::{produce, row};
use crate::support::{open, put, reopen, start};

#[test]
fn a_listing_tells_sizes_and_offsets_of_each_partition() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(2), 0).unwrap();
    let to = &topic.partitions()[1];
    for rows in [2, 3] {
        let mut commit = Commit::new(0);
        commit.batch(to, rows, 0, [&[1u8; 100][..]]);
        journal.append(&mut commit).unwrap();
        journal.sync_step().unwrap();
    }
    put(&journal, to, &[1; 50]).unwrap();
    let empty = PartitionInfo {
        number: 0,
        start: 0,
        end: 0,
        durable_end: 0,
        records: 0,
        batches: 0,
        bytes: 0,
    };
    let held = PartitionInfo {
        number: 1,
        start: 0,
        end: 6,
        durable_end: 5,
        records: 6,
        batches: 3,
        bytes: 250,
    };
    assert_eq!(topic.info().unwrap(), [empty, held]);
    let retention = Retention { bytes: Some(100), ..Retention::default() };
    journal.set_retention("t/in", retention, 0).unwrap();
    journal.sync_step().unwrap();
    journal.clean(0).unwrap();
    let held =
        PartitionInfo { start: 2, durable_end: 6, records: 4, batches: 2, bytes: 150, ..held };
    assert_eq!(topic.info().unwrap(), [empty, held]);
    let journal = reopen(&disk, journal).unwrap();
    let topics = journal.topics();
    assert_eq!(topics[0].info().unwrap(), [empty, held]);
    assert_eq!(topics[0].config().retention, retention);
}

#[test]
fn a_listing_of_a_compacted_topic_counts_what_is_left() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let compaction = Compaction { dirty_percent_min: 0, ..Compaction::default() };
    let config = TopicConfig::new(1).with_cleanup(Cleanup::Compact(compaction));
    let topic = journal.create_topic("t/c", config, 0).unwrap();
    for _ in 0..10 {
        produce(&journal, &topic.partitions()[0], &[row("a", "1"), row("b", "1")], 0).unwrap();
    }
    journal.sync_step().unwrap();
    let before = topic.info().unwrap()[0];
    journal.clean(0).unwrap();
    let after = topic.info().unwrap()[0];
    assert_eq!((after.start, after.end, after.records), (0, 20, 2));
    assert!(after.bytes < before.bytes / 4 && after.batches == 1);
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(journal.topics()[0].info().unwrap(), [after]);
}

#[test]
fn every_use_of_a_deleted_topic_says_so() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, b"a").unwrap();
    let topic = journal.topic("t/in").unwrap();
    let read_before = to.read(0, Visibility::Appended).unwrap().unwrap();
    journal.delete_topic("t/in", 0).unwrap();
    let read = |offset| to.read(offset, Visibility::Appended).map(drop);
    let retention = Retention::default();
    for result in [
        read(0),
        read(1),
        read(7),
        put(&journal, &to, b"x").map(drop),
        to.offset_for_time(0, Visibility::Durable).map(drop),
        to.info().map(drop),
        topic.info().map(drop),
        journal.topic("t/in").map(drop),
        journal.set_retention("t/in", retention, 0),
        journal.set_cleanup("t/in", Cleanup::Delete, 0),
        journal.delete_topic("t/in", 0),
    ] {
        let error = result.unwrap_err();
        assert_eq!(error.code(), "E-TOPIC-UNKNOWN");
        assert!(error.to_string().contains("'t/in'"), "{error}");
    }
    assert_eq!(&read_before.bytes[..], b"a");
    // A new topic of the same name is another one: old handles do not reach it.
    journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    assert_eq!(put(&journal, &to, b"x").unwrap_err().code(), "E-TOPIC-UNKNOWN");
}

#[test]
fn a_topic_is_deleted_under_its_readers_writers_and_cleaner() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 64 << 10, ..Config::default() };
    let journal = Journal::open(dir.path(), config).unwrap();
    let compaction = Compaction { dirty_percent_min: 0, ..Compaction::default() };
    for round in 0..5 {
        let config = TopicConfig::new(1).with_cleanup(Cleanup::Compact(compaction));
        let topic = journal.create_topic("t/c", config, 0).unwrap();
        let (to, written) = (&topic.partitions()[0], AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for i in 0u64.. {
                        let key = (i % 9).to_string();
                        match produce(&journal, to, &[row(&key, &"x".repeat(500))], 0) {
                            Ok(_) => drop(written.fetch_add(1, Ordering::SeqCst)),
                            Err(Error::UnknownTopic { .. }) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                });
            }
            scope.spawn(|| {
                let mut at = 0;
                loop {
                    match to.read(at, Visibility::Durable) {
                        Ok(Some(batch)) => at = batch.next_offset(),
                        Ok(None) => thread::yield_now(),
                        Err(Error::UnknownTopic { .. }) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
            });
            scope.spawn(|| {
                while !topic.is_deleted() {
                    journal.clean(0).unwrap();
                }
            });
            while written.load(Ordering::SeqCst) < 500 {
                thread::yield_now();
            }
            journal.delete_topic("t/c", 0).unwrap();
        });
        journal.clean(0).unwrap();
        assert!(journal.segment_count().unwrap() <= 2, "round {round}");
    }
    journal.close().unwrap();
    assert!(Journal::open(dir.path(), Config::default()).unwrap().topics().is_empty());
}
