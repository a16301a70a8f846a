//! Data directories of every past format still open.

use std::fs;
use std::path::{Path, PathBuf};

use pelton_journal::{Config, Journal, Retention, SyncDriver, Visibility};

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

/// Written by `cargo run -p pelton-journal --example journal_fixture -- DIR`.
#[test]
fn f28_a_directory_of_format_1_opens() {
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture("journal-v1"), dir.path());
    let config =
        Config { sync_driver: SyncDriver::Manual, segment_bytes: 4096, ..Config::default() };
    let journal = Journal::open(dir.path(), config).unwrap();
    assert_eq!((journal.appended(), journal.durable()), (20, 20));

    let names: Vec<_> = journal.topics().iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(names, ["default/out", "tenant-b/in"]);
    let retention = journal.topic("default/out").unwrap().config().retention;
    let day = Retention { time_ms: Some(86_400_000), bytes: Some(1 << 30), until_consumed_by: 0 };
    assert_eq!(retention, day);
    let to = partition(&journal, "tenant-b/in");
    let expected: Vec<Vec<u8>> = (1..=10u8).map(|i| vec![i; 100 * usize::from(i)]).collect();
    assert_eq!((all(&to), to.offsets()), (expected, 0..30));
    let batch = to.read(29, Visibility::Durable).unwrap().unwrap();
    assert_eq!((batch.base_offset, batch.rows, batch.timestamp_max), (27, 3, 1_010));
    assert!(batch.producer.is_none());

    let out = partition(&journal, "default/out");
    let batch = out.read(0, Visibility::Durable).unwrap().unwrap();
    let task = journal.task("tenant-b/f#0").unwrap();
    let producer = batch.producer.unwrap();
    assert_eq!((producer.task, producer.watermark), (task.id(), 777));
    assert_eq!(journal.snapshot(&task).unwrap().unwrap().bytes, "the state");
    let tail: Vec<_> = task.commits().map(|commit| commit.unwrap().bytes).collect();
    assert_eq!(tail, ["behind the snapshot"]);
    assert_eq!(journal.entry("deployments/tenant-b/f").unwrap(), "version 1");
    assert_eq!(journal.artefact(&journal.artefacts().unwrap()[0]).unwrap(), "a component");

    put(&journal, &to, b"goes on").unwrap();
    assert_eq!(to.offsets(), 0..31);
}
