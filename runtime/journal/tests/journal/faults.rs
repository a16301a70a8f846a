//! Full disks, failing disks, other processes, other formats.

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{Config, Error, Journal, Retention, TopicConfig};

use crate::support::{all, config, open, partition, put, reopen, start};

const KIB: u64 = 1 << 10;

fn fill(journal: &Journal) -> (usize, Error) {
    let to = partition(journal, "t/in");
    for i in 0..1_000 {
        match put(journal, &to, &[i as u8; 2000]) {
            Ok(_) => drop(journal.sync_step().unwrap()),
            Err(error) => return (i, error),
        }
    }
    panic!("the disk was never full");
}

fn full_at(kib: u64) -> Faults {
    Faults { capacity_bytes: Some(kib * KIB), ..Faults::default() }
}

#[test]
fn f20_a_full_disk_refuses_appends_and_they_resume_by_themselves() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    disk.set_faults(full_at(70));
    let (count, error) = fill(&journal);
    assert!(matches!(error, Error::Full { .. }) && error.is_retryable(), "{error}");
    assert!(put(&journal, &to, &[0; 2000]).is_err());
    journal.health().unwrap();
    assert_eq!(all(&to).len(), count, "reads go on");
    disk.set_faults(Faults::default());
    put(&journal, &to, &[1; 2000]).unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")).len(), count + 1);
}

#[test]
fn f20_the_reserve_lets_the_cleaner_make_room_on_a_full_disk() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    disk.set_faults(full_at(70));
    let (count, _) = fill(&journal);
    // Shortening retention is itself a commit, and so is what must outlive the old segments.
    let retention = Retention { bytes: Some(4_000), ..Retention::default() };
    while put(&journal, &to, &[0; 100]).is_ok() {}
    journal.set_retention("t/in", retention, 0).unwrap_err();
    journal.create_topic("t/other", TopicConfig::new(1), 0).unwrap_err();
    journal.delete_topic("t/in", 0).unwrap();
    let report = journal.clean(0).unwrap();
    assert!(report.segments_removed >= 2, "{report:?} after {count} commits");
    let topic = journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    put(&journal, &topic.partitions()[0], b"room again").unwrap();
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [b"room again".to_vec()]);
}

#[test]
fn f20_a_journal_without_room_for_a_reserve_opens_and_reads() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    disk.set_faults(full_at(1));
    let journal = reopen(&disk, journal).unwrap();
    put(&journal, &partition(&journal, "t/in"), b"the segment has room").unwrap();
    assert_eq!(all(&partition(&journal, "t/in")).len(), 1);
}

#[test]
fn f20_a_snapshot_without_room_is_refused_and_leaves_nothing() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    disk.set_faults(Faults { capacity_bytes: Some(0), ..Faults::default() });
    let Err(error) = journal.write_snapshot(&task, 1).map(drop) else { panic!("no room") };
    assert!(error.is_retryable());
    assert!(!disk.paths().iter().any(|path| path.starts_with("snapshots/")));
}

#[test]
fn f21_a_failed_write_poisons_and_a_restart_is_clean() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, b"a").unwrap();
    disk.set_faults(Faults { write_fails: true, ..Faults::default() });
    assert_eq!(put(&journal, &to, b"b").unwrap_err().code(), "E-JOURNAL-POISONED");
    disk.set_faults(Faults::default());
    assert_eq!(put(&journal, &to, b"b").unwrap_err().code(), "E-JOURNAL-POISONED");
    assert_eq!(journal.health().unwrap_err().code(), "E-JOURNAL-POISONED");
    assert_eq!(journal.clean(0).unwrap_err().code(), "E-JOURNAL-POISONED");
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), [b"a".to_vec()]);
}

#[test]
fn f21_a_failed_sync_poisons_and_is_never_tried_again() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let seq = put(&journal, &to, b"a").unwrap();
    disk.set_faults(Faults { sync_fails: true, ..Faults::default() });
    let waker = std::task::Waker::noop();
    assert!(journal.poll_durable(seq, waker).is_pending());
    assert_eq!(journal.sync_step().unwrap_err().code(), "E-JOURNAL-POISONED");
    disk.set_faults(Faults::default());
    let syncs = disk.syncs();
    assert!(journal.sync_step().is_err() && journal.wait_durable(seq).is_err());
    assert!(matches!(journal.poll_durable(seq, waker), std::task::Poll::Ready(Err(_))));
    assert!(journal.durable() < seq && disk.syncs() == syncs);
    assert!(journal.close().is_err());
}

#[test]
fn f27_a_second_owner_is_refused_by_the_pid_of_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), Config::default()).unwrap();
    let error = Journal::open(dir.path(), Config::default()).unwrap_err();
    assert_eq!(error.code(), "E-JOURNAL-LOCKED");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(first);
    Journal::open(dir.path(), Config::default()).unwrap();
}

#[test]
fn f28_a_newer_format_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    Journal::open(dir.path(), Config::default()).unwrap().close().unwrap();
    let format = dir.path().join("FORMAT");
    let text = std::fs::read_to_string(&format).unwrap();
    std::fs::write(&format, text.replace("pelton-journal 2", "pelton-journal 3")).unwrap();
    let error = Journal::open(dir.path(), Config::default()).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 3, supported: 2, .. }), "{error}");
    std::fs::write(&format, "something else").unwrap();
    let error = Journal::open(dir.path(), Config::default()).unwrap_err();
    assert_eq!(error.code(), "E-JOURNAL-MALFORMED");
    std::fs::remove_file(&format).unwrap();
    let error = Journal::open(dir.path(), Config::default()).unwrap_err();
    assert!(error.to_string().contains("segments without a FORMAT"), "{error}");
}

#[test]
fn a_foreign_file_among_the_segments_is_named() {
    let dir = tempfile::tempdir().unwrap();
    Journal::open(dir.path(), config()).unwrap().close().unwrap();
    std::fs::write(dir.path().join("segments/1 (copy).seg"), "x").unwrap();
    let error = Journal::open(dir.path(), config()).unwrap_err();
    assert!(error.to_string().contains("1 (copy).seg"), "{error}");
}

#[test]
fn a_crash_while_a_journal_is_made_leaves_one_that_opens() {
    for seed in 0..50 {
        let disk = SimDisk::new();
        let journal = open(&disk).unwrap();
        disk.power_cut(seed);
        drop(journal);
        let (journal, to) = start(&disk);
        put(&journal, &to, b"a").unwrap();
        assert_eq!(all(&to).len(), 1);
    }
}

#[test]
fn a_full_disk_opens_for_reading_and_closes() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, &[1; 500]).unwrap();
    journal.sync_step().unwrap();
    let is_clean = |clean: bool, journal: Journal| match clean {
        true => journal.close().unwrap(),
        false => disk.power_cut(1),
    };
    is_clean(true, journal);
    for clean in [true, false, true, true] {
        disk.kill();
        disk.set_faults(Faults { capacity_bytes: Some(0), ..Faults::default() });
        let journal = open(&disk).unwrap();
        assert_eq!(all(&partition(&journal, "t/in")), [vec![1; 500]]);
        is_clean(clean, journal);
    }
    disk.kill();
    let journal = open(&disk).unwrap();
    let to = partition(&journal, "t/in");
    let full = (0..100).find_map(|_| put(&journal, &to, &[2; 1_000]).err()).unwrap();
    assert!(full.is_retryable(), "{full}");
    assert!(all(&to).len() > 1, "what room there was is used");
    journal.close().unwrap();
    disk.kill();
    disk.set_faults(Faults::default());
    let journal = open(&disk).unwrap();
    put(&journal, &partition(&journal, "t/in"), b"room again").unwrap();
}
