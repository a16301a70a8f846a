//! Session windows: they grow, meet, fire and stay for their grace.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use pelton_core::window::Assigner;
use pelton_core::{Fault, FaultKind};
use support::functions::*;
use support::{Row, World, native, row};

const SESSION: Assigner = Assigner::Session { gap_ms: 10 };

/// What comes out, late and dead letters included, however the input is cut.
fn run(rows: &[Row], grace_ms: i64, bound_ms: i64) -> [Vec<String>; 3] {
    let found = [1, 2, 3, 100].map(|size| {
        let world = World::new();
        world.append("in", rows, &[size]);
        world.run(&window_histories(SESSION, grace_ms), &[("in", bound_ms)]);
        ["out", "late", "dead"].map(|topic| values(&world, topic))
    });
    assert!(found.iter().all(|other| *other == found[0]), "it depends on the cuts: {found:?}");
    found[0].clone()
}

fn values(world: &World, topic: &str) -> Vec<String> {
    world.rows(topic).into_iter().filter_map(|(_, value, _)| value).collect()
}

#[test]
fn a_session_ends_a_gap_behind_its_last_record() {
    let rows = [row("a", "x", 0), row("a", "y", 9), row("a", "z", 30), row("b", "w", 31)];
    let [out, ..] = run(&rows, 0, 0);
    assert_eq!(out, ["0..19 #0: xy", "30..40 #0: z", "31..41 #0: w"]);
}

#[test]
fn a_record_exactly_a_gap_later_is_of_the_same_session_and_one_past_it_is_not() {
    // The watermark is exclusive and trails by the bound: the first session is still open.
    let [same, ..] = run(&[row("a", "x", 0), row("a", "y", 10)], 0, 1);
    assert_eq!(same, ["0..20 #0: xy"]);
    let [apart, ..] = run(&[row("a", "x", 0), row("a", "y", 11)], 0, 1);
    assert_eq!(apart, ["0..10 #0: x", "11..21 #0: y"]);
}

#[test]
fn sessions_that_a_record_brings_together_become_one_as_they_stood() {
    let rows = [row("a", "x", 0), row("a", "y", 16), row("a", "m", 8), row("a", "n", 9)];
    assert_eq!(run(&rows, 0, 100)[0], ["0..26 #0: (x|y)mn"]);
    let rows = [
        row("a", "x", 0),
        row("a", "y", 12),
        row("a", "z", 24),
        row("a", "m", 6),
        row("a", "n", 18),
    ];
    assert_eq!(run(&rows, 0, 100)[0], ["0..34 #0: ((x|y)m|z)n"]);
}

#[test]
fn a_session_grows_to_the_past_as_well() {
    let rows = [row("a", "x", 10), row("a", "y", 4), row("a", "z", 4)];
    assert_eq!(run(&rows, 0, 100)[0], ["4..20 #0: xyz"]);
}

#[test]
fn within_its_grace_a_session_that_fired_goes_on_and_fires_again() {
    let rows = [row("a", "x", 0), row("b", "o", 12), row("a", "y", 8), row("b", "p", 40)];
    let [out, late, _] = run(&rows, 20, 0);
    assert_eq!(out, ["0..10 #0: x", "0..18 #1: xy", "12..22 #0: o", "40..50 #0: p"],);
    assert!(late.is_empty());
}

#[test]
fn past_its_grace_a_session_is_gone_whenever_it_is_dropped() {
    // At 30 the session 0..10 has been over for its grace of 20; a record at 8 would begin 8..18,
    // whose grace is not over before 38.
    let rows = [
        row("a", "x", 0),
        row("b", "o", 30),
        row("a", "y", 8),
        row("b", "p", 38),
        row("a", "z", 8),
    ];
    let [out, late, _] = run(&rows, 20, 0);
    assert_eq!(out, ["0..10 #0: x", "8..18 #0: y", "30..48 #0: op"]);
    assert_eq!(late, ["z"]);
}

#[test]
fn where_two_accumulators_cannot_be_merged_only_the_record_between_them_is_given_up() {
    let function = window_histories(SESSION, 0);
    let body = function.body.clone();
    let function = native(function.declaration.clone(), move |batch, environment, out| {
        if batch.kind() == pelton_batch::Kind::Merge {
            return Err(Fault::new(FaultKind::Failure, "this function does not merge"));
        }
        body(batch, environment, out)
    });
    for size in [1, 4] {
        let world = World::new();
        let rows = [row("a", "x", 0), row("a", "y", 16), row("b", "o", 1), row("a", "m", 8)];
        world.append("in", &rows, &[size]);
        world.run(&function, &[("in", 100)]);
        assert_eq!(values(&world, "dead"), ["m"]);
        assert_eq!(values(&world, "out"), ["0..10 #0: x", "1..11 #0: o", "16..26 #0: y"]);
    }
}

#[test]
fn timestamps_at_both_ends_have_no_session_that_overflows() {
    let rows = [row("a", "x", i64::MIN), row("a", "y", i64::MAX)];
    let [out, late, _] = run(&rows, 0, 0);
    assert_eq!(out.len(), 1);
    assert_eq!(late, ["y"]);
}
