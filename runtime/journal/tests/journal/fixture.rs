//! Data directories of every past format still open.

use std::fs;
use std::path::{Path, PathBuf};

use pelton_journal::{
    Cleanup, Compaction, Config, Journal, Retention, SyncDriver, TopicConfig, Visibility,
};

use crate::support::{all, partition, put};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

fn open(directory: &Path) -> Journal {
    let config =
        Config { sync_driver: SyncDriver::Manual, segment_bytes: 4096, ..Config::default() };
    Journal::open(directory, config).unwrap()
}

fn topics(journal: &Journal) -> Vec<String> {
    journal.topics().iter().map(|topic| topic.name().to_owned()).collect()
}

#[test]
fn f28_a_directory_of_format_1_opens_and_is_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture("journal-v1"), dir.path());
    let journal = open(dir.path());
    assert_eq!((journal.appended(), journal.durable()), (20, 20));
    assert_eq!(topics(&journal), ["default/out", "tenant-b/in"]);
    let cleanup = journal.topic("tenant-b/in").unwrap().config().cleanup;
    assert_eq!(cleanup, Cleanup::Delete);
    check_common(&journal);
    // Frames of both formats in one segment, and a topic that was not compacted before.
    journal.set_cleanup("tenant-b/in", Cleanup::Compact(Compaction::default()), 0).unwrap();
    journal.sync_step().unwrap();
    journal.clean(0).unwrap();
    journal.close().unwrap();
    let format = fs::read_to_string(dir.path().join("FORMAT")).unwrap();
    assert!(format.starts_with("pelton-journal 2\n"), "{format}");
    let journal = open(dir.path());
    assert_eq!(partition(&journal, "tenant-b/in").offsets(), 0..31);
}

/// Written by `cargo run -p pelton-journal --example journal_fixture -- DIR`.
#[test]
fn f28_a_directory_of_format_2_opens() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture("journal-v2"), dir.path());
    let journal = open(dir.path());
    assert_eq!(topics(&journal), ["default/out", "tenant-b/in", "tenant-b/table"]);
    check_common(&journal);
    let table = partition(&journal, "tenant-b/table");
    let config = journal.topic("tenant-b/table").unwrap().config();
    assert_eq!(config, TopicConfig::compacted(1));
    let batch = table.read(0, Visibility::Durable).unwrap().unwrap();
    assert!(batch.is_compacted());
    let offsets: Vec<_> = (0..batch.rows as usize).map(|row| batch.offset(row)).collect();
    assert_eq!((offsets, batch.next_offset()), (vec![1, 3, 4, 5], 6));
    assert_eq!(journal.clean(3_004).unwrap().compaction_passes, 0, "it knows that it was");
    // The tombstones' commit time is known to the millisecond.
    let day = 24 * 60 * 60 * 1_000;
    assert_eq!(journal.clean(3_003 + day).unwrap().records_compacted, 0);
    assert_eq!(journal.clean(3_004 + day).unwrap().records_compacted, 2);
}

/// What the fixtures of all formats hold.
fn check_common(journal: &Journal) {
    let retention = journal.topic("default/out").unwrap().config().retention;
    let day = Retention { time_ms: Some(86_400_000), bytes: Some(1 << 30), until_consumed_by: 0 };
    assert_eq!(retention, day);
    let to = partition(journal, "tenant-b/in");
    let expected: Vec<Vec<u8>> = (1..=10u8).map(|i| vec![i; 100 * usize::from(i)]).collect();
    assert_eq!((all(&to), to.offsets()), (expected, 0..30));
    let batch = to.read(29, Visibility::Durable).unwrap().unwrap();
    assert_eq!((batch.base_offset, batch.rows, batch.timestamp_max), (27, 3, 1_010));
    assert!(batch.producer.is_none());

    let out = partition(journal, "default/out");
    let batch = out.read(0, Visibility::Durable).unwrap().unwrap();
    let task = journal.task("tenant-b/f#0").unwrap();
    let producer = batch.producer.unwrap();
    assert_eq!((producer.task, producer.watermark), (task.id(), 777));
    assert_eq!(journal.snapshot(&task).unwrap().unwrap().bytes, "the state");
    let tail: Vec<_> = task.commits().map(|commit| commit.unwrap().bytes).collect();
    assert_eq!(tail, ["behind the snapshot"]);
    assert_eq!(journal.entry("deployments/tenant-b/f").unwrap(), "version 1");
    assert_eq!(journal.artefact(&journal.artefacts().unwrap()[0]).unwrap(), "a component");

    put(journal, &to, b"goes on").unwrap();
    assert_eq!(to.offsets(), 0..31);
}
