//! Offsets by time, against a plain scan.

use pelton_journal::sim::SimDisk;
use pelton_journal::{Cleanup, Commit, Compaction, Retention, TopicConfig, Visibility};
use proptest::prelude::*;

use crate::records::{Row, produce, records};
use crate::support::{open, partition, put_at, reopen, start};

proptest! {
    #[test]
    fn an_offset_by_time_is_the_one_that_a_scan_finds(
        batches in prop::collection::vec(prop::collection::vec((0..20u8, -50..50i64), 1..6), 0..40),
        cleaned in any::<bool>(),
        reopened in any::<bool>(),
        retention in prop::option::of(0..60u64),
        undurable in 0..5usize,
        asked in prop::collection::vec(-60..60i64, 1..10),
    ) {
        let disk = SimDisk::new();
        let mut journal = open(&disk).unwrap();
        let compaction = Compaction { dirty_percent_min: 0, ..Compaction::default() };
        let retention = Retention { time_ms: retention, ..Retention::default() };
        let config = TopicConfig::new(1)
            .with_cleanup(Cleanup::CompactAndDelete(compaction))
            .with_retention(retention);
        journal.create_topic("t/c", config, 0).unwrap();
        let to = partition(&journal, "t/c");
        let durable = batches.len().saturating_sub(undurable);
        let rows = |batch: &[(u8, i64)]| -> Vec<Row> {
            batch.iter().map(|(key, time)| (vec![*key], Some(vec![0; 90]), *time)).collect()
        };
        for batch in &batches[..durable] {
            produce(&journal, &to, &rows(batch), 0).unwrap();
        }
        journal.sync_step().unwrap();
        if cleaned {
            journal.clean(50).unwrap();
            journal.sync_step().unwrap();
        }
        if reopened {
            journal = reopen(&disk, journal).unwrap();
        }
        let to = partition(&journal, "t/c");
        for batch in &batches[durable..] {
            produce(&journal, &to, &rows(batch), 0).unwrap();
        }
        for visibility in [Visibility::Appended, Visibility::Durable] {
            let all = records(&to, visibility);
            for time in asked.iter().copied().chain([i64::MIN, i64::MAX]) {
                let mut later = all.iter().filter(|(_, row)| row.2 >= time);
                let expected = later.next().map(|(offset, _)| *offset);
                prop_assert_eq!(to.offset_for_time(time, visibility).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_writer_that_claims_too_late_a_timestamp_hides_nothing() {
    let (journal, to) = start(&SimDisk::new());
    for (time, claimed) in [(1, 100), (2, 100), (50, 100)] {
        let mut builder = pelton_batch::RecordsBuilder::new();
        builder.push(Some(b"k"), None, time);
        let bytes = builder.finish();
        let mut commit = Commit::new(0);
        commit.batch(&to, 1, claimed, [&bytes[..]]);
        journal.append(&mut commit).unwrap();
    }
    assert_eq!(to.offset_for_time(3, Visibility::Appended).unwrap(), Some(2));
    assert_eq!(to.offset_for_time(51, Visibility::Appended).unwrap(), None);
}

#[test]
fn bytes_that_are_no_batch_are_named() {
    let (journal, to) = start(&SimDisk::new());
    put_at(&journal, &to, b"not a batch", 10).unwrap();
    assert_eq!(to.offset_for_time(11, Visibility::Appended).unwrap(), None);
    let error = to.offset_for_time(10, Visibility::Appended).unwrap_err();
    assert_eq!(error.code(), "E-BATCH-STORED");
    assert!(error.to_string().contains("offset 0 of 't/in' partition 0"), "{error}");
    journal.delete_topic("t/in", 0).unwrap();
    let error = to.offset_for_time(10, Visibility::Appended).unwrap_err();
    assert_eq!(error.code(), "E-TOPIC-UNKNOWN");
}
