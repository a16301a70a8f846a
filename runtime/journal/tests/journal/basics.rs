use pelton_journal::sim::SimDisk;
use pelton_journal::{Commit, Config, Error, Journal, Retention, TopicConfig, Visibility};

use crate::support::{all, open, partition, put, reopen, start};

#[test]
fn what_was_appended_is_read_again_after_opening_a_real_directory() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), Config::default()).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(2), 1).unwrap();
    let mut commit = Commit::new(2);
    let first = commit.batch(&topic.partitions()[0], 3, 77, [&b"ab"[..], b"", b"c"]);
    let second = commit.batch(&topic.partitions()[1], 1, 78, [&b"12345678"[..]]);
    let third = commit.batch(&topic.partitions()[0], 2, 79, [&b"d"[..]]);
    let seq = journal.append(&mut commit).unwrap();
    assert_eq!([first, second, third].map(|part| commit.base_offset(part)), [0, 0, 3]);
    journal.close().unwrap();

    let journal = Journal::open(dir.path(), Config::default()).unwrap();
    assert_eq!(journal.durable(), seq);
    let topic = journal.topic("t/in").unwrap();
    let batch = topic.partitions()[0].read(1, Visibility::Durable).unwrap().unwrap();
    assert_eq!((batch.base_offset, batch.rows, batch.timestamp_max), (0, 3, 77));
    assert_eq!((&batch.bytes[..], batch.seq), (&b"abc"[..], seq));
    assert_eq!(all(&topic.partitions()[0]), [b"abc".to_vec(), b"d".to_vec()]);
    assert_eq!(all(&topic.partitions()[1]), [b"12345678".to_vec()]);
    assert_eq!(topic.partitions()[0].offsets(), 0..5);
}

#[test]
fn an_entry_names_the_offsets_of_its_own_commit_also_after_it_was_opened_again_and_carried() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, b"before").unwrap();
    let mut commit = Commit::new(1);
    let first = commit.batch(&to, 2, 0, [&b"ab"[..]]);
    commit.entry("plain", Some(b"12345678"));
    let second = commit.batch(&to, 3, 0, [&b"cde"[..]]);
    commit.entry_with_offsets("named", &[7; 20], &[(12, second), (1, first)]);
    commit.entry_with_offsets("other", &[0; 8], &[(0, first)]);
    journal.append(&mut commit).unwrap();
    journal.sync_step().unwrap();
    let mut named = [7; 20];
    named[1..9].copy_from_slice(&1u64.to_le_bytes());
    named[12..20].copy_from_slice(&3u64.to_le_bytes());
    let check = |journal: &Journal| {
        assert_eq!(journal.entry("named").unwrap(), &named[..]);
        assert_eq!(journal.entry("other").unwrap(), &1u64.to_le_bytes()[..]);
        assert_eq!(journal.entry("plain").unwrap(), &b"12345678"[..]);
    };
    check(&journal);
    let journal = reopen(&disk, journal).unwrap();
    check(&journal);
    let to = partition(&journal, "t/in");
    let retention = Retention { bytes: Some(1), ..Retention::default() };
    journal.set_retention("t/in", retention, 2).unwrap();
    for _ in 0..40 {
        put(&journal, &to, &[1; 1_000]).unwrap();
    }
    journal.sync_step().unwrap();
    assert!(journal.clean(3).unwrap().segments_removed > 0);
    let journal = reopen(&disk, journal).unwrap();
    check(&journal);
}

#[test]
fn a_batch_is_handed_out_without_copying() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), Config::default()).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(1), 1).unwrap();
    put(&journal, &topic.partitions()[0], &[7; 1000]).unwrap();
    let read = || topic.partitions()[0].read(0, Visibility::Appended).unwrap().unwrap().bytes;
    assert_eq!(read().as_ptr(), read().as_ptr());
    assert_eq!(read().as_ptr() as usize % 8, 0, "parts are aligned to 8 bytes");
}

#[test]
fn a_batch_outlives_the_journal_and_its_segment() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), Config::default()).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(1), 1).unwrap();
    put(&journal, &topic.partitions()[0], b"still here").unwrap();
    let batch = topic.partitions()[0].read(0, Visibility::Appended).unwrap().unwrap();
    drop((topic, journal));
    dir.close().unwrap();
    assert_eq!(&batch.bytes[..], b"still here");
}

#[test]
fn sealed_segments_are_read_by_their_index() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let written: Vec<Vec<u8>> = (0..100u8).map(|i| vec![i; 700]).collect();
    for bytes in &written {
        put(&journal, &to, bytes).unwrap();
        journal.sync_step().unwrap();
    }
    assert!(journal.segment_count().unwrap() > 4);
    assert!(disk.paths().contains(&"segments/00000001.idx".to_owned()));
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(all(&partition(&journal, "t/in")), written);
}

#[test]
fn offsets_out_of_range_are_refused_and_the_end_is_empty() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    put(&journal, &to, b"a").unwrap();
    assert!(to.read(1, Visibility::Appended).unwrap().is_none());
    let error = to.read(2, Visibility::Appended).unwrap_err();
    assert!(matches!(error, Error::OffsetOutOfRange { offset: 2, start: 0, end: 1, .. }));
}

#[test]
fn topics_are_created_listed_changed_and_deleted_for_good() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let first = journal.create_topic("t/a", TopicConfig::new(1), 0).unwrap();
    journal.create_topic("t/b", TopicConfig::new(3), 0).unwrap();
    assert!(matches!(
        journal.create_topic("t/a", TopicConfig::new(1), 0),
        Err(Error::TopicExists { .. })
    ));
    for bad in ["plain", "t/", "/x", "t/../x", "t/a b", "../x"] {
        let error = journal.create_topic(bad, TopicConfig::new(1), 0).unwrap_err();
        assert_eq!(error.code(), "E-JOURNAL-NAME", "{bad}");
    }
    let retention = Retention { bytes: Some(9), ..Retention::default() };
    journal.set_retention("t/b", retention, 0).unwrap();
    put(&journal, &first.partitions()[0], b"gone").unwrap();
    journal.delete_topic("t/a", 0).unwrap();
    let error = put(&journal, &first.partitions()[0], b"x").unwrap_err();
    assert_eq!(error.code(), "E-TOPIC-UNKNOWN");

    let journal = reopen(&disk, journal).unwrap();
    let names: Vec<_> = journal.topics().iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(names, ["t/b"]);
    assert_eq!(
        journal.topic("t/b").unwrap().config(),
        TopicConfig::new(3).with_retention(retention)
    );
    let again = journal.create_topic("t/a", TopicConfig::new(1), 0).unwrap();
    assert_ne!(again.id(), first.id(), "an id is never given twice");
    assert_eq!(again.partitions()[0].offsets(), 0..0);
}

#[test]
fn tasks_and_registry_entries_are_part_of_their_commit() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let task = journal.register_task("t/f/0", 0).unwrap();
    let mut commit = Commit::new(5);
    commit.task(&task, None, [&b"positions"[..], b"+changes"]);
    commit.batch(&to, 1, 0, [&b"out"[..]]);
    commit.entry("deployments/f", Some(b"v1"));
    commit.entry("deployments/g", Some(b"v1"));
    let seq = journal.append(&mut commit).unwrap();
    let mut commit = Commit::new(6);
    commit.entry("deployments/g", None);
    journal.append(&mut commit).unwrap();

    let journal = reopen(&disk, journal).unwrap();
    let again = journal.task("t/f/0").unwrap();
    assert_eq!(again.id(), task.id());
    let commits: Vec<_> = again.commits().map(|commit| commit.unwrap()).collect();
    assert_eq!(commits.len(), 1);
    assert_eq!((commits[0].seq, commits[0].time_ms), (seq, 5));
    assert_eq!(&commits[0].bytes[..], b"positions+changes");
    assert_eq!(journal.entries("deployments/"), [("deployments/f".to_owned(), "v1".into())]);
    let gone = std::slice::from_ref(&again);
    journal.remove_tasks(gone, &[("deployments/f", None)], 7).unwrap();
    assert_eq!(journal.remove_tasks(gone, &[], 7).unwrap_err().code(), "E-TASK-UNKNOWN");
    assert!(journal.entries("deployments/").is_empty());
    let mut commit = Commit::new(8);
    commit.task(&again, None, [&b"zombie"[..]]);
    assert_eq!(journal.append(&mut commit).unwrap_err().code(), "E-TASK-UNKNOWN");
    assert!(reopen(&disk, journal).unwrap().tasks().is_empty());
}

#[test]
fn artefacts_are_found_by_their_digest_and_checked() {
    let disk = SimDisk::new();
    let journal = open(&disk).unwrap();
    let digest = journal.put_artefact(b"a component").unwrap();
    assert_eq!(journal.put_artefact(b"a component").unwrap(), digest);
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(&journal.artefact(&digest).unwrap()[..], b"a component");
    assert_eq!(journal.artefacts().unwrap(), std::slice::from_ref(&digest));
    disk.damage(&format!("artefacts/{digest}"), 3, |bytes| bytes[0] ^= 1);
    assert_eq!(journal.artefact(&digest).unwrap_err().code(), "E-JOURNAL-CORRUPT");
    journal.remove_artefact(&digest).unwrap();
    assert_eq!(journal.artefact(&digest).unwrap_err().code(), "E-ARTEFACT-UNKNOWN");
    assert_eq!(journal.artefact("../LOCK").unwrap_err().code(), "E-ARTEFACT-UNKNOWN");
}
