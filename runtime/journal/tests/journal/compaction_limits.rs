//! Compacted topics: limits, odd batches, and everybody at once.

use pelton_batch::{Batch as Layout, RecordsBuilder};
use pelton_journal::sim::SimDisk;
use pelton_journal::{Commit, Config, Journal, Producer, TopicConfig, Visibility};

use crate::compaction::{HOUR, clean, compacted, offsets};
use crate::records::{produce, records, row};
use crate::support::{config, open, open_with, partition};

#[test]
fn keys_that_do_not_fit_the_memory_take_more_passes() {
    // 4 KiB are 64 slots, of which 56 are used.
    for (keys, passes) in [(56u32, 1), (57, 2), (560, 10)] {
        let disk = SimDisk::new();
        let config = Config { compaction_bytes_max: 0, ..config() };
        let journal = open_with(&disk, config).unwrap();
        let to = compacted(&journal);
        for round in 0..2u32 {
            let rows: Vec<_> =
                (0..keys).map(|key| row(&key.to_string(), &round.to_string())).collect();
            for rows in rows.chunks(100) {
                produce(&journal, &to, rows, 0).unwrap();
            }
        }
        let report = clean(&journal, 0);
        // The second round's keys find the first round's known, or are surveyed anew.
        assert_eq!(report.records_compacted, u64::from(keys), "{keys} keys");
        let least = if passes == 10 { 20 } else { passes };
        assert!(report.compaction_passes >= least, "{keys} keys: {}", report.compaction_passes);
        assert!(passes > 1 || report.compaction_passes == 1);
        assert_eq!(offsets(&to), (u64::from(keys)..u64::from(keys) * 2).collect::<Vec<_>>());
    }
}

#[test]
fn compaction_waits_until_enough_is_new() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let config = TopicConfig::compacted(1);
    let to = journal.create_topic("t/c", config, 0).unwrap().partitions()[0].clone();
    assert_eq!(config.cleanup.compaction().unwrap().delete_retention_ms, 24 * HOUR);
    let value = "x".repeat(50);
    let rows: Vec<_> = (0..10).map(|key| row(&key.to_string(), &value)).collect();
    produce(&journal, &to, &rows, 0).unwrap();
    assert_eq!(clean(&journal, 0).compaction_passes, 1);
    produce(&journal, &to, &rows[..4], 0).unwrap();
    assert_eq!(clean(&journal, 0).compaction_passes, 0);
    produce(&journal, &to, &rows[..8], 0).unwrap();
    let report = clean(&journal, 0);
    assert_eq!((report.compaction_passes, report.records_compacted), (1, 12));
}

#[test]
fn what_a_crash_may_take_pushes_out_nothing() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    produce(&journal, &to, &[row("a", "durable")], 0).unwrap();
    journal.sync_step().unwrap();
    produce(&journal, &to, &[row("a", "not yet")], 0).unwrap();
    journal.clean(0).unwrap();
    assert_eq!(records(&to, Visibility::Durable).len(), 1);
    assert_eq!(offsets(&to), [0, 1]);
}

#[test]
fn records_without_a_key_are_named_before_and_kept_where_they_are() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"k"), Some(b"1"), 0).push(None, Some(b"no key"), 0);
    builder.push(Some(b"k"), Some(b"2"), 0);
    let bytes = builder.finish();
    let layout = Layout::parse(&bytes).unwrap();
    let error = journal.topic("t/c").unwrap().check_keys(&layout).unwrap_err();
    assert_eq!(error.code(), "E-TOPIC-KEY");
    assert!(error.to_string().contains("record 1 for 't/c'"), "{error}");
    let free = journal.create_topic("t/free", TopicConfig::new(1), 0).unwrap();
    free.check_keys(&layout).unwrap();
    // One that is there all the same (written before the topic was compacted).
    let mut commit = Commit::new(0);
    commit.batch(&to, 3, 0, [&bytes[..]]);
    commit.batch(&to, 1, 0, [&b"no batch at all"[..]]);
    journal.append(&mut commit).unwrap();
    assert_eq!(clean(&journal, 0).records_compacted, 1);
    let batch = to.read(0, Visibility::Durable).unwrap().unwrap();
    assert_eq!((batch.offset(0), batch.offset(1), batch.next_offset()), (1, 2, 3));
    let raw = to.read(3, Visibility::Durable).unwrap().unwrap();
    assert_eq!(raw.bytes, "no batch at all");
}

#[test]
fn batches_of_different_producers_stay_apart() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let to = compacted(&journal);
    let tasks = ["t/f#0", "t/g#0"].map(|key| journal.register_task(key, 0).unwrap());
    for (i, task) in [0, 0, 1, 0].into_iter().enumerate() {
        let mut builder = RecordsBuilder::new();
        builder.push(Some(b"k"), Some(b"x"), 0).push(Some(&[i as u8]), Some(b"x"), 0);
        let bytes = builder.finish();
        let producer = Producer { task: tasks[task].id(), watermark: 100 + i as i64 };
        let mut commit = Commit::new(0);
        commit.batch_by(Some(producer), &to, 2, 0, [&bytes[..]]);
        journal.append(&mut commit).unwrap();
    }
    clean(&journal, 0);
    let (mut at, mut found) = (0, Vec::new());
    while let Some(batch) = to.read(at, Visibility::Durable).unwrap() {
        let by = batch.producer.unwrap();
        found.push((batch.rows, by.task, by.watermark));
        at = batch.next_offset();
    }
    let [one, other] = tasks.map(|task| task.id());
    assert_eq!(found, [(2, one, 100), (1, other, 102), (2, one, 103)]);
}

#[test]
fn readers_and_writers_go_on_under_the_cleaner() {
    const ROUNDS: u32 = 400;
    const KEYS: u32 = 10;
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 64 << 10, ..Config::default() };
    let journal = Journal::open(dir.path(), config.clone()).unwrap();
    let to = compacted(&journal);
    let end = u64::from(ROUNDS * KEYS);
    let value = |round: u32| format!("{round:05}{}", "x".repeat(100));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                for key in 0..KEYS {
                    produce(&journal, &to, &[row(&key.to_string(), &value(round))], 0).unwrap();
                }
            }
        });
        scope.spawn(|| {
            while to.offsets().end < end {
                journal.clean(0).unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let (mut at, mut latest) = (0, std::collections::BTreeMap::new());
                let waker = std::task::Waker::noop();
                let waiter = to.waiter();
                while at < end {
                    if waiter.poll(at, Visibility::Durable, waker).is_pending() {
                        std::thread::yield_now();
                        continue;
                    }
                    let batch = to.read(at, Visibility::Durable).unwrap().unwrap();
                    let records = Layout::parse(&batch.bytes).unwrap().records().unwrap();
                    for row in batch.row_at(at)..records.len() {
                        assert!(batch.offset(row) >= at);
                        let key = records.key(row).unwrap().to_vec();
                        let value = records.value(row).unwrap().to_vec();
                        assert!(latest.insert(key, value.clone()).is_none_or(|old| old < value));
                    }
                    at = batch.next_offset();
                }
                // Whatever went meanwhile, no reader misses the last word of a key.
                let last = value(ROUNDS - 1).into_bytes();
                assert_eq!(latest.len(), KEYS as usize);
                assert!(latest.values().all(|value| *value == last));
            });
        }
    });
    journal.wait_durable(journal.appended()).unwrap();
    journal.clean(0).unwrap();
    let left = records(&to, Visibility::Durable);
    assert_eq!(left.keys().copied().collect::<Vec<_>>(), (end - 10..end).collect::<Vec<_>>());
    journal.close().unwrap();
    let journal = Journal::open(dir.path(), config).unwrap();
    assert_eq!(records(&partition(&journal, "t/c"), Visibility::Durable), left);
}

#[test]
fn a_deleted_key_stays_deleted_where_its_batch_is_too_large_to_be_written_again() {
    let disk = SimDisk::new();
    let config = Config { segment_bytes: 4 << 10, ..config() };
    let journal = open_with(&disk, config).unwrap();
    let to = compacted(&journal);
    // One record less and the offsets of all others are more than the frame has room for.
    let fill = |len| {
        let mut rows = vec![row("d", "1")];
        rows.extend((0..90).map(|key| row(&format!("{key:03}"), "x")));
        rows.push(row("fill", &"x".repeat(len)));
        rows
    };
    let base = (1..).take_while(|len| produce(&journal, &to, &fill(*len), 0).is_ok()).count();
    assert!(base > 0);
    produce(&journal, &to, &[row("d", "")], 0).unwrap();
    for _ in 0..3 {
        clean(&journal, 2 * HOUR as i64);
        let found = records(&to, Visibility::Durable);
        let of_d: Vec<_> = found.values().filter(|row| row.0 == b"d").collect();
        assert!(of_d.last().is_none_or(|row| row.1.is_none()), "it came back: {of_d:?}");
    }
}
