//! Copies of a journal that is in use.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{Commit, Config, Journal, Retention, TopicConfig, Visibility};

use crate::support::{all, open, partition, put};

/// A journal with everything in it: sealed segments, a snapshot, a registry, an artefact.
fn filled(disk: &SimDisk) -> Journal {
    let journal = open(disk).unwrap();
    journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    let task = journal.register_task("t/f#0", 0).unwrap();
    let to = partition(&journal, "t/in");
    for i in 0..40u8 {
        let (bytes, number) = ([i; 900], [i]);
        let mut commit = Commit::new(0);
        commit.batch(&to, 1, 0, [&bytes[..]]);
        commit.task(&task, None, [&number[..]]);
        commit.entry("last", Some(&number));
        journal.append(&mut commit).unwrap();
        journal.sync_step().unwrap();
    }
    let mut writer = journal.write_snapshot(&task, 30).unwrap();
    writer.write_all(b"state").unwrap();
    writer.publish(0).unwrap();
    journal.put_artefact(b"a component").unwrap();
    journal
}

fn same(one: &Journal, other: &Journal) {
    assert_eq!(one.appended(), other.appended());
    assert_eq!(all(&partition(one, "t/in")), all(&partition(other, "t/in")));
    assert_eq!(one.entries(""), other.entries(""));
    let tasks = [one, other].map(|journal| journal.task("t/f#0").unwrap());
    let tails = tasks.each_ref().map(|task| {
        let commits = task.commits().map(|commit| commit.unwrap());
        commits.map(|commit| (commit.seq, commit.bytes)).collect::<Vec<_>>()
    });
    assert_eq!(tails[0], tails[1]);
    assert_eq!(
        one.snapshot(&tasks[0]).unwrap().map(|snapshot| snapshot.bytes),
        other.snapshot(&tasks[1]).unwrap().map(|snapshot| snapshot.bytes)
    );
    assert_eq!(one.artefacts().unwrap(), other.artefacts().unwrap());
}

#[test]
fn a_backup_is_the_journal_as_it_was_and_goes_its_own_way() {
    let (disk, target) = (SimDisk::new(), SimDisk::new());
    let journal = filled(&disk);
    let report = journal.backup_on(&target).unwrap();
    assert_eq!(report.seq, journal.appended());
    assert_eq!(journal.durable(), report.seq, "what is in a backup is durable here too");
    target.power_cut(1);
    let copy = open(&target).unwrap();
    same(&journal, &copy);
    put(&copy, &partition(&copy, "t/in"), b"of the copy").unwrap();
    put(&journal, &partition(&journal, "t/in"), b"of the journal").unwrap();
    assert_eq!(all(&partition(&copy, "t/in")).last().unwrap(), b"of the copy");
    assert_eq!(all(&partition(&journal, "t/in")).last().unwrap(), b"of the journal");
    let error = journal.backup_on(&target).unwrap_err();
    assert_eq!(error.code(), "E-BACKUP-TARGET");
}

#[test]
fn damage_to_any_commit_of_a_backup_is_found() {
    let (disk, target) = (SimDisk::new(), SimDisk::new());
    filled(&disk).backup_on(&target).unwrap();
    let last = target.paths().into_iter().rfind(|path| path.ends_with(".seg")).unwrap();
    let bytes = target.bytes(&last).unwrap();
    let at = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    target.damage(&last, at, |bytes| bytes[0] ^= 1);
    assert_eq!(open(&target).unwrap_err().code(), "E-JOURNAL-CORRUPT");
}

#[test]
fn a_crash_at_any_point_leaves_a_backup_that_is_refused_or_none() {
    let disk = SimDisk::new();
    let journal = filled(&disk);
    let mut refused = 0;
    for operations in 0.. {
        let target = SimDisk::new();
        let operations_left = Some(operations);
        target.set_faults(Faults { operations_left, ..Faults::default() });
        let result = journal.backup_on(&target);
        target.set_faults(Faults::default());
        target.power_cut(operations + 1);
        let is_empty = !target.paths().iter().any(|path| !path.ends_with(".tmp"));
        match open(&target) {
            Ok(copy) if is_empty => assert!(copy.topics().is_empty()),
            Ok(copy) => same(&journal, &copy),
            Err(error) => {
                assert_eq!(error.code(), "E-JOURNAL-MALFORMED");
                assert!(error.to_string().contains("backup"), "{error}");
                assert!(result.is_err());
                refused += 1;
            }
        }
        if result.is_ok() {
            break;
        }
    }
    assert!(refused > 20, "{refused}");
    // The journal is none the worse for it.
    put(&journal, &partition(&journal, "t/in"), b"goes on").unwrap();
    journal.sync_step().unwrap();
}

#[test]
fn a_full_target_is_named_and_the_journal_goes_on() {
    let (disk, target) = (SimDisk::new(), SimDisk::new());
    let journal = filled(&disk);
    let capacity_bytes = Some(40_000);
    target.set_faults(Faults { capacity_bytes, ..Faults::default() });
    let error = journal.backup_on(&target).unwrap_err();
    assert_eq!(error.code(), "E-JOURNAL-FULL");
    put(&journal, &partition(&journal, "t/in"), b"goes on").unwrap();
}

#[test]
fn a_backup_links_what_is_sealed_and_outlives_its_removal() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = Config { segment_bytes: 16 << 10, ..crate::support::config() };
    let journal = Journal::open(dir.path(), config.clone()).unwrap();
    let retention = Retention { bytes: Some(0), ..Retention::default() };
    let topic = TopicConfig::new(1).with_retention(retention);
    journal.create_topic("t/in", topic, 0).unwrap();
    let to = partition(&journal, "t/in");
    let records: Vec<_> = (0..60u8).map(|i| vec![i; 1_000]).collect();
    for record in &records {
        put(&journal, &to, record).unwrap();
        journal.sync_step().unwrap();
    }
    let path = target.path().join("copy");
    let report = journal.backup(&path).unwrap();
    let first = path.join("segments/00000001.seg");
    assert_eq!(first.metadata().unwrap().nlink(), 2);
    assert!(report.files_linked >= 6 && report.files_copied == 1, "{report:?}");
    assert!(journal.clean(0).unwrap().segments_removed >= 3);
    assert_eq!(first.metadata().unwrap().nlink(), 1);
    let copy = Journal::open(&path, config).unwrap();
    assert_eq!(all(&partition(&copy, "t/in")), records);
    assert_eq!(journal.backup(&path).unwrap_err().code(), "E-BACKUP-TARGET");
}

#[test]
fn backups_under_appends_and_cleaning_are_each_a_prefix() {
    let (dir, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = Config { segment_bytes: 64 << 10, ..Config::default() };
    let journal = Journal::open(dir.path(), config.clone()).unwrap();
    let retention = Retention { bytes: Some(300_000), ..Retention::default() };
    let topic = TopicConfig::new(1).with_retention(retention);
    let topic = journal.create_topic("t/in", topic, 0).unwrap();
    let (to, stop) = (&topic.partitions()[0], AtomicBool::new(false));
    let task = journal.register_task("t/f#0", 0).unwrap();
    let record = |offset: u64| vec![offset as u8; 200 + offset as usize % 700];
    thread::scope(|scope| {
        scope.spawn(|| {
            for offset in 0u64.. {
                let (bytes, number) = (record(offset), offset.to_le_bytes());
                let mut commit = Commit::new(0);
                commit.batch(to, 1, 0, [&bytes[..]]);
                commit.task(&task, None, [&number[..]]);
                commit.entry("last", Some(&number));
                let seq = journal.append(&mut commit).unwrap();
                if offset % 50 == 49 {
                    let mut writer = journal.write_snapshot(&task, seq).unwrap();
                    writer.write_all(&number).unwrap();
                    writer.publish(0).unwrap();
                    journal.clean(0).unwrap();
                }
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        for round in 0..12 {
            let path = target.path().join(round.to_string());
            while to.offsets().end < round * 100 {
                thread::yield_now();
            }
            let report = journal.backup(&path).unwrap();
            let copy = Journal::open(&path, config.clone()).unwrap();
            assert_eq!(copy.appended(), report.seq);
            let held = partition(&copy, "t/in");
            let offsets = held.offsets();
            for offset in offsets.clone() {
                let batch = held.read(offset, Visibility::Durable).unwrap().unwrap();
                assert_eq!(batch.bytes, record(offset));
            }
            // Records, registry and the task's state are those of one commit.
            let last = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap()) + 1;
            assert_eq!(copy.entry("last").map_or(0, |entry| last(&entry)), offsets.end);
            let task = copy.task("t/f#0").unwrap();
            let snapshot = copy.snapshot(&task).unwrap();
            let from = snapshot.map_or(0, |snapshot| last(&snapshot.bytes));
            let tail = task.commits().map(|commit| last(&commit.unwrap().bytes));
            assert_eq!(tail.collect::<Vec<_>>(), (from + 1..=offsets.end).collect::<Vec<_>>());
        }
        stop.store(true, Ordering::SeqCst);
    });
}
