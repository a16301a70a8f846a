//! Taps of functions in real WebAssembly: from one start of the tasks to the next, and their limits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use std::time::{Duration, Instant};

use pelton_engine::{CANARY_PARTS, Side, WATCHES_MAX, side_of};
use pelton_server::functions::{
    DeployRequest, FunctionTap, NewCanary, SAMPLES_AT_ONCE_MAX, TapSample, TapSide,
};
use support::{PATIENCE, SHORT, World, function, manifest, module};

fn tap(world: &World) -> FunctionTap {
    world.runtime.block_on(world.functions.tap(&function(), None)).unwrap()
}

/// Looks until so many were told or missed: the samples, and how many were missed.
fn told(world: &World, tap: &mut FunctionTap, wanted: usize) -> (Vec<TapSample>, u64) {
    let (began, mut samples, mut missed) = (Instant::now(), Vec::new(), 0);
    while samples.len() as u64 + missed < wanted as u64 {
        assert!(began.elapsed() < PATIENCE, "{} of {wanted}, {missed} missed", samples.len());
        let found = world.runtime.block_on(tap.look()).unwrap();
        samples.extend(found.samples);
        missed += found.missed;
        std::thread::park_timeout(Duration::from_millis(1));
    }
    (samples, missed)
}

/// The values of records of partition 0, all of which were told.
fn values(world: &World, tap: &mut FunctionTap, wanted: usize) -> Vec<String> {
    let (samples, missed) = told(world, tap, wanted);
    assert_eq!(missed, 0);
    samples.iter().map(|sample| sample.value.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_record_after_each_start_is_told() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let mut tap = tap(&world);
    let mut wanted = Vec::new();
    for round in 0..2 {
        // Paused, with records that wait: the first step after the start takes them.
        world.runtime.block_on(world.functions.pause(&function())).unwrap();
        let waiting = [format!("a-{round}"), format!("b-{round}")];
        world
            .append(&waiting.each_ref().map(|value| format!("k={value}")).each_ref().map(|r| &**r));
        world.runtime.block_on(world.functions.resume(&function())).unwrap();
        wanted.extend(waiting);
        // Swapped live.
        world.deploy("faulty", &format!("[config]\nround = \"{round}\""), SHORT).unwrap();
        world.append(&[&format!("k=c-{round}")]);
        wanted.push(format!("c-{round}"));
        // Other inputs: stopped, and started anew.
        let more = format!("[[input]]\ntopic = \"more-{round}\"\npartitions = 2\n");
        world.deploy("faulty", &more, SHORT).unwrap();
        world.append(&[&format!("k=d-{round}")]);
        wanted.push(format!("d-{round}"));
        world.wait_for("all records", |world| world.status().lag == 0);
    }
    assert_eq!(values(&world, &mut tap, wanted.len()), wanted);
}

#[test]
fn a_tap_of_a_paused_function_waits_for_its_first_record() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    world.append(&["k=first", "k=second"]);
    let mut tap = tap(&world);
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    assert_eq!(values(&world, &mut tap, 2), ["first", "second"]);
}

#[test]
fn as_many_tap_a_function_as_may_also_while_it_is_paused() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    let mut all: Vec<_> = (0..WATCHES_MAX).map(|_| tap(&world)).collect();
    let one_more = || world.runtime.block_on(world.functions.tap(&function(), None));
    let refused = one_more().err().unwrap();
    assert!(refused.code == "E-TAP-BUSY" && refused.retryable, "{refused}");
    all.pop();
    all.push(one_more().unwrap());
    world.append(&["k=v"]);
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    for tap in &mut all {
        assert_eq!(values(&world, tap, 1), ["v"]);
    }
}

#[test]
fn samples_told_at_once_are_bounded_and_the_rest_is_counted() {
    for (records, missed) in [(SAMPLES_AT_ONCE_MAX, 0), (SAMPLES_AT_ONCE_MAX + 1, 1)] {
        let world = World::new();
        world.deploy("faulty", "", SHORT).unwrap();
        let mut tap = tap(&world);
        let rows: Vec<_> = (0..records).map(|n| format!("k={n}")).collect();
        world.append(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        world.wait_for("all records", |world| world.status().records_in == records as u64);
        world.functions.node().sync().unwrap();
        let (samples, found) = told(&world, &mut tap, records);
        assert_eq!((samples.len(), found), (SAMPLES_AT_ONCE_MAX, missed));
    }
}

#[test]
fn the_limits_page_has_the_numbers_of_the_code() {
    let page = include_str!("../../docs/limits.md");
    let bytes = pelton_engine::WATCHED_BYTES_MAX;
    assert_eq!(bytes, 8_388_608);
    for row in [
        format!("refused with `E-TAP-BUSY` | {WATCHES_MAX} |"),
        format!("wait for a tap | {} |", pelton_engine::WATCHED_COMMITS_MAX),
        "wait for a tap | 8,388,608 |".to_owned(),
        format!("told at once | {SAMPLES_AT_ONCE_MAX} |"),
    ] {
        assert!(page.contains(&row), "docs/limits.md lacks: {row}");
    }
}

#[test]
fn the_side_of_a_canary_is_told() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let parts = CANARY_PARTS * 3 / 10;
    let key = |wanted| {
        let is = |key: &String| side_of(key.as_bytes(), parts) == wanted;
        (0..).map(|n| format!("k{n}")).find(is).unwrap()
    };
    let mut tap = tap(&world);
    world.append(&["k=before"]);
    let (before, _) = told(&world, &mut tap, 1);
    assert_eq!(before[0].side, None);
    let rule = NewCanary {
        percent: 30.0,
        for_ms: Some(3_600_000),
        max_faults: None,
        max_latency_ratio: Some(1_000.0),
        min_calls: Some(5),
    };
    let wasm = module("faulty");
    let request = DeployRequest { wasm, ..World::request(&manifest("[config]\nv = \"2\"")) };
    world.runtime.block_on(world.functions.deploy_canary(request, rule)).unwrap();
    let through = |world: &World| world.status().canary.is_some_and(|c| c.new.units > 0);
    let (new, old) = (key(Side::New), key(Side::Old));
    let mut sent = 0;
    while !through(&world) {
        world.append(&[&format!("{new}=v"), &format!("{old}=v")]);
        sent += 2;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let (samples, _) = told(&world, &mut tap, sent);
    for sample in samples.iter().filter(|sample| sample.side.is_some()) {
        let is_new = sample.cause.key.as_str() == Some(&new);
        let wanted = if is_new { TapSide::Canary } else { TapSide::Stable };
        assert_eq!(sample.side, Some(wanted), "{sample:?}");
    }
    assert!(samples.iter().any(|sample| sample.side == Some(TapSide::Canary)));
}
