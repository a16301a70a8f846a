//! Inputs that come and go with the versions of a function, and versions that start on trial.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_core::{Fault, FaultKind};
use pelton_engine::{Step, Verdict};
use support::functions::*;
use support::{Native, World, declare, native, row};

fn values(world: &World) -> Vec<String> {
    world.rows("out").into_iter().filter_map(|(_, value, _)| value).collect()
}

#[test]
fn an_input_that_a_version_leaves_out_is_read_on_where_it_was_left_by_the_next() {
    let world = World::new();
    let function = even();
    world.append("in", &[row("a", "2", 1)], &[1]);
    world.append("in2", &[row("a", "4", 1), row("a", "6", 2)], &[1]);
    world.run(&function, &[("in", 0), ("in2", 0)]);
    assert_eq!(values(&world), ["2", "4", "6"]);
    for value in ["8", "10"] {
        world.append("in", &[row("a", value, 3)], &[1]);
        world.append("in2", &[row("a", &format!("{value}0"), 3)], &[1]);
        world.run(&function, &[("in", 0)]);
    }
    assert_eq!(values(&world), ["2", "4", "6", "8", "10"]);
    let task = world.run(&function, &[("in2", 0), ("in", 0)]);
    assert_eq!(values(&world)[5..], ["80", "100"], "neither again nor left out");
    let progress: Vec<_> = task.progress().map(|(at, next, _)| (at.to_string(), next)).collect();
    assert_eq!(progress, [("default/in2-0".to_owned(), 4), ("default/in-0".to_owned(), 3)]);
}

fn failing_on(poison: &'static str) -> Native {
    native(declare(&["out"]), move |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if record.value() == Some(poison.as_bytes()) {
                return Err(Fault::new(FaultKind::Trap, "boom"));
            }
            out.forward(record.row() as u32, 0);
        }
        Ok(())
    })
}

#[test]
fn a_version_that_starts_on_trial_and_fails_ends_and_leaves_no_trace() {
    let world = World::new();
    let function = failing_on("x");
    world.append("in", &[row("a", "1", 1), row("a", "x", 2)], &[2]);
    let mut task = world.start(&function, world.config(&function, &[("in", 0)]));
    task.begin_trial();
    let error = loop {
        match pollster::block_on(task.step()) {
            Ok(Step::Worked) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code, "E-TRIAL-FAILED");
    assert!(matches!(task.take_verdict(), Some(Verdict::Failed(fault)) if fault.message == "boom"));
    assert!(world.rows("out").is_empty() && world.rows("dead").is_empty());
    // The version before goes on as if nothing had been.
    drop(task);
    world.run(&failing_on("y"), &[("in", 0)]);
    assert_eq!(values(&world), ["1", "x"]);
}

#[test]
fn behind_its_first_commit_it_is_past_its_trial() {
    let world = World::new();
    let function = failing_on("x");
    world.append("in", &[row("a", "1", 1)], &[1]);
    let mut config = world.config(&function, &[("in", 0)]);
    config.bounded = false;
    let mut task = world.start(&function, config);
    task.begin_trial();
    while task.is_on_trial() {
        pollster::block_on(task.step()).unwrap();
    }
    assert_eq!(task.take_verdict(), Some(Verdict::Passed));
    world.append("in", &[row("a", "x", 2), row("a", "2", 3)], &[2]);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    assert_eq!((values(&world), world.rows("dead").len()), (vec!["1".into(), "2".into()], 1));
}
