//! Another deployment takes a running task over.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use pelton_batch::{Kind, OpKind};
use pelton_core::window::Assigner;
use pelton_core::{Fault, FaultKind};
use pelton_engine::{GuestPool, Replacement, Step, Task, TaskConfig, Verdict};
use support::functions::*;
use support::{Native, Row, World, declare, kv, native, row};

const TUMBLING: Assigner = Assigner::Tumbling { size_ms: 10 };

fn live(world: &World, function: &Native) -> TaskConfig {
    let mut config = world.config(function, &[("in", 0)]);
    config.bounded = false;
    config
}

fn replacement(world: &World, function: &Native) -> Replacement {
    let mut config = live(world, function);
    config.deployment = 2;
    let pool = GuestPool::new(Arc::new(function.clone()));
    Replacement { config: Arc::new(config), pool }
}

fn drain(task: &mut Task) {
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
}

fn values(world: &World, topic: &str) -> Vec<String> {
    world.rows(topic).into_iter().map(|row: Row| row.1.unwrap_or_default()).collect()
}

/// The sums of [`sums`], told with a mark; keeps another store beside them.
fn marked_sums() -> Native {
    let plain = sums();
    let mut declaration = plain.declaration.clone();
    // In another order, so that indexes change.
    declaration.stores = vec![kv("seen"), kv("sums")];
    native(declaration, |batch, environment, out| {
        for record in batch.records().unwrap().iter() {
            let key = record.key().unwrap();
            let mut keys = pelton_batch::RecordsBuilder::new();
            keys.push(Some(key), None, 0);
            let kept = environment.get_many(1, &keys.finish_as(pelton_batch::Kind::Keys)).unwrap();
            let kept = pelton_batch::Batch::parse(&kept).unwrap();
            let kept = kept.records().unwrap().value(0).map(<[u8]>::to_vec);
            let kept = String::from_utf8(kept.unwrap_or_default()).unwrap();
            emit(out, record.row(), Some(key), &format!("new: {kept}"));
        }
        Ok(())
    })
}

fn faulty(kind: FaultKind, retryable: bool) -> Native {
    native(declare(&["out"]), move |_, _, _| Err(Fault { retryable, ..Fault::new(kind, "no") }))
}

#[test]
fn the_new_deployment_finds_state_and_position_by_name() {
    let world = World::new();
    world.append("in", &[row("a", "1", 1), row("a", "2", 2)], &[1]);
    let mut task = world.start(&sums(), live(&world, &sums()));
    drain(&mut task);
    task.replace(replacement(&world, &marked_sums())).unwrap();
    assert!(task.is_on_trial());
    world.append("in", &[row("a", "9", 3)], &[1]);
    drain(&mut task);
    assert_eq!(values(&world, "out"), ["1", "3", "new: 3"]);
    assert_eq!(task.take_verdict(), Some(Verdict::Passed));
    assert!(!task.is_on_trial());
    drop(task);
    // A restart finds the layout that the new deployment has written.
    world.append("in", &[row("a", "9", 4)], &[1]);
    let mut again = world.start(&marked_sums(), live(&world, &marked_sums()));
    drain(&mut again);
    assert_eq!(values(&world, "out")[3..], ["new: 3"]);
}

#[test]
fn a_fault_before_the_first_commit_leaves_no_trace_and_the_old_one_goes_on() {
    let faults = [FaultKind::Trap, FaultKind::Deadline, FaultKind::Malformed, FaultKind::Failure];
    for kind in faults {
        let world = World::new();
        world.append("in", &[row("a", "1", 1)], &[1]);
        let mut task = world.start(&sums(), live(&world, &sums()));
        drain(&mut task);
        task.replace(replacement(&world, &faulty(kind, false))).unwrap();
        world.append("in", &[row("a", "2", 2)], &[1]);
        drain(&mut task);
        assert!(matches!(task.take_verdict(), Some(Verdict::Failed(fault)) if fault.kind == kind));
        assert_eq!(values(&world, "out"), ["1", "3"], "{kind:?}");
        assert!(world.rows("dead").is_empty());
        assert_eq!(task.config().deployment, 1);
    }
}

#[test]
fn a_failure_that_may_pass_does_not_end_the_trial() {
    let world = World::new();
    let mut task = world.start(&sums(), live(&world, &sums()));
    drain(&mut task);
    task.replace(replacement(&world, &faulty(FaultKind::Failure, true))).unwrap();
    world.append("in", &[row("a", "2", 2)], &[1]);
    assert!(matches!(pollster::block_on(task.step()).unwrap(), Step::Wait { .. }));
    assert!(task.is_on_trial());
    assert_eq!(task.take_verdict(), None);
}

#[test]
fn a_failure_that_was_to_pass_and_never_does_ends_the_trial_without_a_trace() {
    let world = World::new();
    let mut task = world.start(&sums(), live(&world, &sums()));
    drain(&mut task);
    let mut new = replacement(&world, &faulty(FaultKind::Failure, true));
    Arc::make_mut(&mut new.config).retry.attempts_max = 2;
    task.replace(new).unwrap();
    world.append("in", &[row("a", "2", 2)], &[1]);
    while task.is_on_trial() {
        world.clock.advance(60_000);
        pollster::block_on(task.step()).unwrap();
    }
    drain(&mut task);
    assert!(matches!(task.take_verdict(), Some(Verdict::Failed(_))));
    assert_eq!(values(&world, "out"), ["2"]);
    assert!(world.rows("dead").is_empty());
}

/// [`window_sums`] that fires a window early at each record of value 7, and fails to do so.
fn fails_early() -> Native {
    let sums = window_sums(TUMBLING, 0);
    let body = Arc::clone(&sums.body);
    native(sums.declaration, move |batch, environment, out| {
        let kind = batch.kind();
        let groups = batch.groups().unwrap();
        if kind == Kind::Finish {
            return Err(Fault::new(FaultKind::Trap, "boom"));
        }
        body(batch, environment, out)?;
        if (0..batch.rows()).any(|row| groups.records().value(row) == Some(b"7")) {
            out.push(&op(OpKind::FireWindow, 0));
        }
        Ok(())
    })
}

#[test]
fn a_window_that_fires_early_and_fails_on_trial_goes_back_with_all_of_its_commit() {
    let world = World::new();
    let sums = window_sums(TUMBLING, 0);
    world.append("in", &[row("a", "1", 1)], &[1]);
    let mut task = world.start(&sums, live(&world, &sums));
    drain(&mut task);
    let (before, position) = (task.state().digest(), task.progress().next().unwrap().1);
    task.replace(replacement(&world, &fails_early())).unwrap();
    world.append("in", &[row("a", "7", 2)], &[1]);
    while task.is_on_trial() {
        pollster::block_on(task.step()).unwrap();
    }
    assert!(matches!(task.take_verdict(), Some(Verdict::Failed(fault)) if fault.message == "boom"));
    // Nothing is left of the call that was answered before.
    assert_eq!((task.state().digest(), task.progress().next().unwrap().1), (before, position));
    assert_eq!(task.config().deployment, 1);
    world.append("in", &[row("a", "1", 20)], &[1]);
    drain(&mut task);
    assert_eq!(values(&world, "out"), ["0: 2 8"]);
    assert!(world.rows("dead").is_empty());
    drop(task);
    // Nor in what is kept.
    let task = world.start(&sums, live(&world, &sums));
    assert_eq!(task.state().pane_count(), 1);
}

#[test]
fn a_second_replacement_before_the_first_has_committed_goes_back_to_the_one_that_had() {
    let world = World::new();
    world.append("in", &[row("a", "1", 1)], &[1]);
    let mut task = world.start(&sums(), live(&world, &sums()));
    drain(&mut task);
    task.replace(replacement(&world, &marked_sums())).unwrap();
    task.replace(replacement(&world, &faulty(FaultKind::Trap, false))).unwrap();
    world.append("in", &[row("a", "2", 2)], &[1]);
    drain(&mut task);
    assert_eq!(values(&world, "out"), ["1", "3"]);
}

#[test]
fn open_windows_go_on_under_new_code_and_refuse_another_shape() {
    let world = World::new();
    world.append("in", &[row("a", "1", 1)], &[1]);
    let function = window_sums(TUMBLING, 0);
    let mut task = world.start(&function, live(&world, &function));
    drain(&mut task);
    let error = task.replace(replacement(&world, &window_contents(TUMBLING, 0))).unwrap_err();
    assert_eq!(error.code, "E-SWAP-WINDOW");
    assert!(!task.is_on_trial());
    task.replace(replacement(&world, &window_sums(TUMBLING, 5))).unwrap();
    world.append("in", &[row("a", "2", 2), row("a", "4", 10)], &[3]);
    drain(&mut task);
    assert_eq!(values(&world, "out"), ["0: 2 3"]);
}

#[test]
fn other_inputs_are_refused() {
    let world = World::new();
    let mut task = world.start(&sums(), live(&world, &sums()));
    let mut new = replacement(&world, &sums());
    Arc::make_mut(&mut new.config).inputs.pop();
    assert_eq!(task.replace(new).unwrap_err().code, "E-SWAP-INPUTS");
}
