//! A crash in the middle of a rewind finds all of it done or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pelton_server::functions::RestoreRequest;
use pelton_server::{Action, Hooks, Point};

use crate::support::{World, function};

const NEVER: usize = usize::MAX / 2;

fn record(task: u32, number: u32) -> (String, String, i64) {
    (format!("{task}-{number}"), "x".into(), i64::from(number))
}

#[test]
fn a_crash_at_each_step_of_a_restore_leaves_all_tasks_or_none_rewound() {
    let steps = [
        (Point::SnapshotWrite, Action::Stop),
        (Point::SnapshotRename, Action::Stop),
        (Point::SnapshotPublish, Action::Stop),
        (Point::AppendBefore, Action::Stop),
        (Point::AppendBefore, Action::Torn(64)),
        (Point::AppendAfter, Action::Stop),
        (Point::SyncBefore, Action::Stop),
        (Point::SyncAfter, Action::Stop),
    ];
    let (mut done, mut undone) = (0, 0);
    for (point, action) in steps {
        for passes in 0..2 {
            let left = Arc::new(AtomicUsize::new(NEVER));
            let counter = Arc::clone(&left);
            let hooks = Hooks::new(move |at| {
                let hit = at == point && counter.fetch_sub(1, Ordering::Relaxed) == 0;
                if hit { action } else { Action::Continue }
            });
            let world = World::with(hooks);
            world.deploy("deduplicate", "").unwrap();
            (0..2).for_each(|task| world.append(task, &[record(task, 0)]));
            world.settle();
            world.runtime.block_on(world.functions.savepoint(&function(), Some("s"))).unwrap();
            (0..2).for_each(|task| world.append(task, &[record(task, 1)]));
            world.settle();
            world.functions.node().sync().unwrap();
            left.store(passes, Ordering::Relaxed);
            let id = function();
            let restored = world.functions.restore(&id, "s", RestoreRequest::default());
            let restored = world.runtime.block_on(restored);
            left.store(NEVER, Ordering::Relaxed);
            let world = world.reopen();
            world.settle();
            let counts = [0, 1].map(|task| world.outputs_of(task).len());
            assert!(counts == [2, 2] || counts == [3, 3], "{point:?} {passes}: {counts:?}");
            assert!(restored.is_err() || counts == [3, 3], "{point:?} {passes}: {restored:?}");
            *(if counts == [3, 3] { &mut done } else { &mut undone }) += 1;
        }
    }
    assert!(done > 0 && undone > 0, "{done} finished, {undone} undone");
}
