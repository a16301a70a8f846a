//! Rewinding: all tasks or none, and never by whoever had them before.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use pelton_journal::sim::SimDisk;
use pelton_journal::{Action, Commit, Config, Error, Hooks, Journal, Point, Task};

use crate::support::{config, open, reopen, start, start_with};

const TASKS: [&str; 2] = ["t/f#0", "t/f#1"];

fn commit(journal: &Journal, task: &Task, byte: u8) {
    let bytes = [byte; 10];
    let mut commit = Commit::new(0);
    commit.task(task, None, [&bytes[..]]);
    journal.append(&mut commit).unwrap();
}

/// Two tasks with a commit each and, on the first, a snapshot.
fn prepared(journal: &Journal) -> Vec<(Task, Bytes)> {
    let mut tasks = Vec::new();
    for (number, key) in (1..).zip(TASKS) {
        let task = journal.register_task(key, 0).unwrap();
        commit(journal, &task, number);
        tasks.push((task, Bytes::from(vec![100 + number; 100_000])));
    }
    let seq = journal.appended();
    journal.write_snapshot(&tasks[0].0, seq).unwrap().publish(0).unwrap();
    commit(journal, &tasks[0].0, 3);
    tasks
}

#[test]
fn a_rewind_stands_for_everything_before_it_and_fences_whoever_had_the_tasks() {
    let disk = SimDisk::new();
    let (journal, _) = start(&disk);
    let tasks = prepared(&journal);
    let old = journal.claim(&tasks[1].0).unwrap();
    journal.rewind(&tasks, &[("function/f", Some(b"rewound"))], 0).unwrap();
    let mut late = Commit::new(0);
    late.task(&tasks[1].0, Some(old), [&b"late"[..]]);
    assert!(matches!(journal.append(&mut late), Err(Error::Fenced { .. })));
    commit(&journal, &tasks[1].0, 9);
    let journal = reopen(&disk, journal).unwrap();
    assert_eq!(journal.entry("function/f").unwrap(), &b"rewound"[..]);
    for (number, key) in (101..).zip(TASKS) {
        let task = journal.task(key).unwrap();
        assert_eq!(journal.snapshot(&task).unwrap().unwrap().bytes, vec![number; 100_000]);
        assert_eq!(task.commit_count(), usize::from(number == 102));
    }
    let files = disk.paths().iter().filter(|path| path.starts_with("snapshots/")).count();
    assert_eq!(files, 2);
}

#[test]
fn a_crash_at_any_point_leaves_all_tasks_as_they_were_or_all_rewound() {
    let points = [
        (Point::SnapshotWrite, Action::Stop),
        (Point::SnapshotRename, Action::Stop),
        (Point::SnapshotPublish, Action::Stop),
        (Point::AppendBefore, Action::Stop),
        (Point::AppendBefore, Action::Torn(70)),
        (Point::AppendAfter, Action::Stop),
    ];
    for (point, action) in points {
        for passes in 0..2 {
            let disk = SimDisk::new();
            let left = Arc::new(AtomicUsize::new(usize::MAX));
            let counter = Arc::clone(&left);
            let hooks = Hooks::new(move |at| {
                let hit = at == point && counter.fetch_sub(1, Ordering::Relaxed) == 0;
                if hit { action } else { Action::Continue }
            });
            let (journal, _) = start_with(&disk, Config { hooks, ..config() });
            let tasks = prepared(&journal);
            while journal.sync_step().unwrap() {}
            left.store(passes, Ordering::Relaxed);
            let entry = [("function/f", Some(&b"rewound"[..]))];
            let rewound = journal.rewind(&tasks, &entry, 0);
            drop(journal);
            disk.power_cut(7 + passes as u64);
            let journal = open(&disk).unwrap();
            let is_rewound = journal.entry("function/f").is_some();
            for (number, key) in (101..).zip(TASKS) {
                let task = journal.task(key).unwrap();
                let snapshot = journal.snapshot(&task).unwrap();
                let is_its = snapshot.is_some_and(|found| found.bytes == vec![number; 100_000]);
                assert_eq!(is_its, is_rewound, "{point:?} {passes}: {rewound:?}");
                assert_eq!(task.commit_count(), usize::from(!is_rewound), "{point:?} {passes}");
            }
        }
    }
}
