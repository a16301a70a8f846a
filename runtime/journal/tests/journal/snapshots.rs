//! Snapshots: published whole, never ahead of the log, gone when replaced.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pelton_journal::sim::SimDisk;
use pelton_journal::{Action, Commit, Config, Hooks, Journal, Point, Task};

use crate::support::{config, open, reopen, start, start_with};

fn commit(journal: &Journal, task: &Task, byte: u8) -> u64 {
    let bytes = [byte; 10];
    let mut commit = Commit::new(0);
    commit.task(task, None, [&bytes[..]]);
    journal.append(&mut commit).unwrap()
}

fn snapshot_files(disk: &SimDisk) -> usize {
    disk.paths().iter().filter(|path| path.starts_with("snapshots/")).count()
}

#[test]
fn a_snapshot_replaces_the_commits_it_contains_and_the_snapshot_before() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    for round in 1..4u8 {
        commit(&journal, &task, round);
        let seq = commit(&journal, &task, round);
        commit(&journal, &task, 100 + round);
        let mut writer = journal.write_snapshot(&task, seq).unwrap();
        writer.write_all(&vec![round; 600_000]).unwrap();
        writer.write_all(&[round; 10]).unwrap();
        writer.publish(0).unwrap();
        assert_eq!((task.snapshot_seq(), task.commit_count()), (Some(seq), 1));
        journal.sync_step().unwrap();
        assert_eq!(snapshot_files(&disk), 1);
    }
    let journal = reopen(&disk, journal).unwrap();
    let task = journal.task("t/f#0").unwrap();
    let snapshot = journal.snapshot(&task).unwrap().unwrap();
    assert_eq!(snapshot.bytes, vec![3; 600_010]);
    let tail: Vec<_> = task.commits().map(|commit| commit.unwrap().bytes[0]).collect();
    assert_eq!(tail, [103]);
}

#[test]
fn an_older_snapshot_does_not_replace_a_younger_one() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    let (first, second) = (commit(&journal, &task, 1), commit(&journal, &task, 2));
    let older = journal.write_snapshot(&task, first).unwrap();
    journal.write_snapshot(&task, second).unwrap().publish(0).unwrap();
    older.publish(0).unwrap();
    assert_eq!((task.snapshot_seq(), snapshot_files(&disk)), (Some(second), 1));
}

#[test]
fn a_dropped_snapshot_leaves_nothing() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    let mut writer = journal.write_snapshot(&task, 1).unwrap();
    writer.write_all(&[1; 1_000_000]).unwrap();
    drop(writer);
    assert_eq!(snapshot_files(&disk), 0);
    assert!(journal.snapshot(&task).unwrap().is_none());
}

#[test]
fn damaged_and_missing_snapshots_are_named() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let task = journal.register_task("t/f#0", 0).unwrap();
    let mut writer = journal.write_snapshot(&task, 1).unwrap();
    writer.write_all(b"state").unwrap();
    writer.publish(0).unwrap();
    let path = disk.paths().into_iter().find(|path| path.starts_with("snapshots/")).unwrap();
    disk.damage(&path, 2, |bytes| bytes[0] ^= 1);
    let error = journal.snapshot(&task).unwrap_err();
    assert!(error.to_string().contains(&path), "{error}");
    pelton_journal::storage::Storage::remove(&disk, &path).unwrap();
    let error = journal.snapshot(&task).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn f11_a_crash_at_any_point_leaves_the_old_or_the_new_snapshot() {
    for point in [
        Point::SnapshotWrite,
        Point::SnapshotRename,
        Point::SnapshotPublish,
        Point::AppendBefore,
        Point::AppendAfter,
        Point::SyncBefore,
        Point::SyncAfter,
    ] {
        for seed in 0..20 {
            let disk = SimDisk::new();
            let armed = Arc::new(AtomicBool::new(false));
            let hook = Arc::clone(&armed);
            let hooks = Hooks::new(move |at| match at == point && hook.load(Ordering::SeqCst) {
                true => Action::Stop,
                false => Action::Continue,
            });
            let (journal, _) = start_with(&disk, Config { hooks, ..config() });
            let task = journal.register_task("t/f#0", 0).unwrap();
            let first = commit(&journal, &task, 1);
            let mut writer = journal.write_snapshot(&task, first).unwrap();
            writer.write_all(b"old").unwrap();
            writer.publish(0).unwrap();
            let second = commit(&journal, &task, 2);
            armed.store(true, Ordering::SeqCst);
            let mut writer = journal.write_snapshot(&task, second).unwrap();
            writer.write_all(b"new").unwrap();
            let published = writer.publish(0);
            let _ = journal.sync_step();
            disk.power_cut(seed);
            drop(journal);
            let journal = open(&disk).unwrap();
            let Some(task) = journal.task("t/f#0") else {
                continue;
            };
            match journal.snapshot(&task).unwrap() {
                Some(snapshot) if snapshot.seq == first => assert_eq!(snapshot.bytes, "old"),
                Some(snapshot) => {
                    assert_eq!((snapshot.seq, &snapshot.bytes[..]), (second, &b"new"[..]));
                    assert!(journal.appended() > second, "a snapshot is not ahead of the log");
                }
                None => assert_ne!(point, Point::SnapshotPublish, "{published:?}"),
            }
        }
    }
}
