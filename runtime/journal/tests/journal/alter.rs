//! Changing how a topic forgets.

use std::sync::Arc;

use pelton_batch::{Batch as Layout, RecordsBuilder};
use pelton_journal::sim::SimDisk;
use pelton_journal::{
    Cleaned, Cleanup, Commit, Compaction, Error, Journal, Partition, Result, Retention,
    TopicConfig, Visibility,
};

use crate::compaction::{clean, offsets};
use crate::records::{produce, row};
use crate::support::{open, partition, reopen};

fn compact() -> Cleanup {
    Cleanup::Compact(Compaction { delete_retention_ms: 1_000, dirty_percent_min: 0 })
}

fn topic(journal: &Journal) -> Partition {
    journal.create_topic("t/a", TopicConfig::new(1), 0).unwrap().partitions()[0].clone()
}

/// Appends a record as writers do that look at keys.
fn append(journal: &Journal, to: &Partition, key: Option<&[u8]>) -> Result<u64> {
    let mut records = RecordsBuilder::new();
    records.push(key, Some(b"v"), 0);
    let bytes = records.finish();
    let mut commit = Commit::new(0);
    commit.check_keys(&journal.topic("t/a")?, &bytes)?;
    commit.batch(to, 1, 0, [&bytes[..]]);
    journal.append(&mut commit)
}

#[test]
fn a_topic_is_compacted_from_the_change_on_and_after_a_restart() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = topic(&journal);
    produce(&journal, &to, &[row("a", "1"), row("a", "2"), row("b", "1")], 0).unwrap();
    assert_eq!(clean(&journal, 5).records_compacted, 0);
    assert_eq!(journal.topic("t/a").unwrap().cleaned(), None);
    journal.set_cleanup("t/a", compact(), 6).unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(journal.topic("t/a").unwrap().config().cleanup, compact());
    let to = partition(&journal, "t/a");
    assert_eq!(append(&journal, &to, None).unwrap_err().code(), "E-TOPIC-KEY");
    assert_eq!(clean(&journal, 7).records_compacted, 1);
    assert_eq!(offsets(&to), [1, 2]);
    let cleaned = journal.topic("t/a").unwrap().cleaned().unwrap();
    let expected = Cleaned { at_ms: 7, records_compacted: 1, ..Cleaned::default() };
    assert_eq!(Cleaned { bytes_rewritten: 0, ..cleaned }, expected);
    clean(&journal, 8);
    assert_eq!(journal.topic("t/a").unwrap().cleaned(), Some(cleaned), "nothing was left to do");
}

#[test]
fn a_topic_with_a_record_without_a_key_is_not_compacted_before_that_is_gone() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = topic(&journal);
    append(&journal, &to, Some(b"a")).unwrap();
    append(&journal, &to, None).unwrap();
    append(&journal, &to, Some(b"b")).unwrap();
    let error = journal.set_cleanup("t/a", compact(), 0).unwrap_err();
    assert!(matches!(error, Error::Keyless { partition: 0, offset: 1, .. }), "{error}");
    assert_eq!(error.code(), "E-TOPIC-KEYLESS");
    assert_eq!(journal.topic("t/a").unwrap().config(), TopicConfig::new(1), "as it was");
    let retention = Retention { time_ms: Some(10), ..Retention::default() };
    journal.set_retention("t/a", retention, 0).unwrap();
    assert_eq!(clean(&journal, 100).records_released, 3);
    let cleaned = journal.topic("t/a").unwrap().cleaned().unwrap();
    assert_eq!((cleaned.at_ms, cleaned.records_released), (100, 3));
    journal.set_cleanup("t/a", compact(), 0).unwrap();
    // And back: records without a key are let in again.
    append(&journal, &to, None).unwrap_err();
    journal.set_cleanup("t/a", Cleanup::Delete, 0).unwrap();
    append(&journal, &to, None).unwrap();
}

#[test]
fn a_batch_that_was_checked_before_the_change_is_refused_behind_it() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = topic(&journal);
    let mut records = RecordsBuilder::new();
    records.push(None, Some(b"v"), 0);
    let bytes = records.finish();
    let mut commit = Commit::new(0);
    commit.check_keys(&journal.topic("t/a").unwrap(), &bytes).unwrap();
    commit.batch(&to, 1, 0, [&bytes[..]]);
    journal.set_cleanup("t/a", compact(), 0).unwrap();
    let error = journal.append(&mut commit).unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("E-TOPIC-CHANGED", true));
    assert_eq!(to.offsets(), 0..0);
}

#[test]
fn no_record_without_a_key_slips_in_while_a_topic_becomes_compacted() {
    let disk = SimDisk::new();
    let journal = Arc::new(open(&disk).unwrap());
    for round in 0..50 {
        let to = topic(&journal);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let (journal, to) = (Arc::clone(&journal), to.clone());
                std::thread::spawn(move || {
                    (0..20).for_each(|_| drop(append(&journal, &to, Some(b"k"))));
                    drop(append(&journal, &to, None));
                })
            })
            .collect();
        let changed = journal.set_cleanup("t/a", compact(), 0);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let keyless = to.offsets().filter(|offset| is_keyless(&to, *offset)).count();
        match changed {
            Ok(()) => assert_eq!(keyless, 0, "round {round}"),
            Err(Error::Keyless { .. }) => assert_ne!(keyless, 0, "round {round}"),
            Err(error) => panic!("{error}"),
        }
        journal.delete_topic("t/a", 0).unwrap();
    }
}

fn is_keyless(partition: &Partition, offset: u64) -> bool {
    let Some(batch) = partition.read(offset, Visibility::Appended).unwrap() else { return false };
    let layout = Layout::parse(&batch.bytes).unwrap();
    layout.records().unwrap().key(batch.row_at(offset)).is_none()
}
