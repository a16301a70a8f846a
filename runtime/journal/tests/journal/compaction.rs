//! Compacted topics: what stays, what goes, and when.

use pelton_journal::sim::SimDisk;
use pelton_journal::{
    Cleanup, Compaction, Config, Journal, Partition, Retention, TopicConfig, Visibility,
};

use crate::records::{produce, records, row};
use crate::support::{config, open, open_with, partition, reopen};

pub(crate) const HOUR: u64 = 3_600_000;

fn settings() -> Compaction {
    Compaction { delete_retention_ms: HOUR, dirty_percent_min: 0 }
}

pub(crate) fn compacted(journal: &Journal) -> Partition {
    let config = TopicConfig::new(1).with_cleanup(Cleanup::Compact(settings()));
    journal.create_topic("t/c", config, 0).unwrap().partitions()[0].clone()
}

pub(crate) fn clean(journal: &Journal, now_ms: i64) -> pelton_journal::CleanReport {
    journal.sync_step().unwrap();
    journal.clean(now_ms).unwrap()
}

pub(crate) fn offsets(partition: &Partition) -> Vec<u64> {
    records(partition, Visibility::Appended).into_keys().collect()
}

#[test]
fn the_latest_record_of_each_key_stays_at_its_offset() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    produce(&journal, &to, &[row("a", "1"), row("b", "1"), row("a", "2")], 1).unwrap();
    produce(&journal, &to, &[row("c", "1")], 2).unwrap();
    produce(&journal, &to, &[row("b", "2"), row("c", "2")], 3).unwrap();
    let before = records(&to, Visibility::Appended);
    let report = clean(&journal, 10);
    assert_eq!((report.records_compacted, report.compaction_passes), (3, 1));
    let after = records(&to, Visibility::Appended);
    assert_eq!(after.keys().copied().collect::<Vec<_>>(), [2, 4, 5]);
    assert!(after.iter().all(|(offset, row)| before[offset] == *row));
    assert_eq!(to.offsets(), 0..6);
    assert_eq!(clean(&journal, 10), Default::default(), "there is nothing more to do");
    let journal = reopen(&disk, journal).unwrap();
    let to = partition(&journal, "t/c");
    assert_eq!(records(&to, Visibility::Appended), after);
    assert_eq!(clean(&journal, 10), Default::default(), "it is known to be compacted");
    assert_eq!(produce(&journal, &to, &[row("a", "3")], 4).unwrap(), 6);
    clean(&journal, 10);
    assert_eq!(offsets(&to), [4, 5, 6]);
}

#[test]
fn a_reader_in_the_middle_of_what_is_gone_goes_on_behind_it() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    for i in 0..20 {
        produce(&journal, &to, &[row("a", "x"), row(&i.to_string(), "x")], 1).unwrap();
    }
    clean(&journal, 10);
    let kept = offsets(&to);
    assert_eq!(kept.len(), 21);
    for from in 0..40 {
        let (mut at, mut found) = (from, Vec::new());
        while let Some(batch) = to.read(at, Visibility::Durable).unwrap() {
            found.extend((batch.row_at(at)..batch.rows as usize).map(|row| batch.offset(row)));
            at = batch.next_offset();
        }
        assert_eq!(found, kept.iter().copied().filter(|at| *at >= from).collect::<Vec<_>>());
    }
    assert_eq!(to.read(41, Visibility::Durable).unwrap_err().code(), "E-OFFSET-RANGE");
}

#[test]
fn a_tombstone_is_readable_for_its_retention_and_then_goes() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    let hour = HOUR as i64;
    produce(&journal, &to, &[row("a", "1"), row("b", "1")], 0).unwrap();
    produce(&journal, &to, &[row("a", "")], 1_000).unwrap();
    produce(&journal, &to, &[row("b", ""), row("d", "1")], 2_000).unwrap();
    clean(&journal, 2_000);
    assert_eq!(offsets(&to), [2, 3, 4]);
    // Newer records, later passes and restarts give it no longer life.
    produce(&journal, &to, &[row("c", "1")], 3_000).unwrap();
    clean(&journal, 3_000);
    let journal = reopen(&disk, journal).unwrap();
    let to = partition(&journal, "t/c");
    clean(&journal, 1_000 + hour);
    assert_eq!(offsets(&to), [2, 3, 4, 5], "readable up to the last millisecond");
    assert_eq!(clean(&journal, 1_001 + hour).records_compacted, 1);
    assert_eq!(offsets(&to), [3, 4, 5]);
    clean(&journal, 2_001 + hour);
    assert_eq!(offsets(&to), [4, 5]);
    assert_eq!(to.offsets(), 0..6);
}

#[test]
fn a_partition_may_end_in_offsets_that_are_gone() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    produce(&journal, &to, &[row("a", "1")], 0).unwrap();
    produce(&journal, &to, &[row("a", "")], 0).unwrap();
    clean(&journal, HOUR as i64 + 1);
    assert_eq!((offsets(&to), to.offsets()), (vec![], 0..2));
    let batch = to.read(1, Visibility::Durable).unwrap().unwrap();
    assert_eq!((batch.rows, batch.next_offset()), (0, 2));
    assert!(to.read(2, Visibility::Durable).unwrap().is_none());
    let journal = reopen(&disk, journal).unwrap();
    let to = partition(&journal, "t/c");
    assert_eq!((offsets(&to), to.offsets()), (vec![], 0..2));
    assert_eq!(produce(&journal, &to, &[row("a", "2")], 0).unwrap(), 2);
    assert_eq!(offsets(&to), [2]);
}

#[test]
fn segments_fall_free_and_the_live_records_move_on() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    for round in 0..60u32 {
        for key in 0..20u32 {
            let value = format!("{round}-{}", "x".repeat(200));
            produce(&journal, &to, &[row(&key.to_string(), &value)], 0).unwrap();
        }
        clean(&journal, 0);
        let count = journal.segment_count().unwrap();
        assert!(count <= 3, "{count} segments in round {round}");
    }
    let left = records(&to, Visibility::Durable);
    assert_eq!(left.len(), 20);
    assert!(left.values().all(|row| row.1.as_ref().unwrap().starts_with(b"59-")));
    assert_eq!(to.offsets(), 0..1_200);
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(records(&partition(&journal, "t/c"), Visibility::Durable), left);
}

#[test]
fn live_records_do_not_pin_what_is_dead_behind_them() {
    // Ten times as much as may be carried of a quiet topic lies in the first segments, all of it
    // live; behind it another topic comes and goes.
    let disk = SimDisk::new();
    let journal = open_with(&disk, Config { carry_bytes_max: 1_000, ..config() }).unwrap();
    let to = compacted(&journal);
    for key in 0..50u32 {
        let value = "x".repeat(400);
        produce(&journal, &to, &[row(&key.to_string(), &value)], 0).unwrap();
    }
    let live = records(&to, Visibility::Appended);
    let retention = Retention { bytes: Some(0), ..Retention::default() };
    let busy = TopicConfig::new(1).with_retention(retention);
    let busy = journal.create_topic("t/busy", busy, 0).unwrap();
    for round in 0..40u8 {
        for _ in 0..10 {
            crate::support::put(&journal, &busy.partitions()[0], &[round; 3_000]).unwrap();
        }
        clean(&journal, 0);
        let count = journal.segment_count().unwrap();
        assert!(count <= 8, "{count} segments in round {round}");
    }
    assert_eq!(records(&to, Visibility::Appended), live);
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(records(&partition(&journal, "t/c"), Visibility::Appended), live);
}

#[test]
fn compacted_and_deleted_topics_forget_from_the_front_too() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let retention = Retention { time_ms: Some(100), ..Retention::default() };
    let config = TopicConfig::new(1)
        .with_retention(retention)
        .with_cleanup(Cleanup::CompactAndDelete(settings()));
    let to = journal.create_topic("t/c", config, 0).unwrap().partitions()[0].clone();
    let at = |key: &str, time: i64| (key.into(), Some(b"x".to_vec()), time);
    produce(&journal, &to, &[at("a", 0), at("b", 10)], 0).unwrap();
    clean(&journal, 0);
    produce(&journal, &to, &[at("a", 150)], 0).unwrap();
    clean(&journal, 111);
    assert_eq!((offsets(&to), to.offsets()), (vec![2], 2..3));
    // Compaction alone looks at no retention.
    journal.set_cleanup("t/c", Cleanup::Compact(settings()), 0).unwrap();
    clean(&journal, 1_000);
    assert_eq!(to.offsets(), 2..3);
    let journal = reopen(&disk, journal).unwrap();
    let topic = journal.topic("t/c").unwrap();
    assert_eq!(topic.config().cleanup, Cleanup::Compact(settings()));
    journal.set_cleanup("t/c", Cleanup::Delete, 0).unwrap();
    clean(&journal, 1_000);
    assert_eq!(topic.partitions()[0].offsets(), 3..3);
}
