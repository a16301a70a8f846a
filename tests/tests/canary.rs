//! Canaries in real WebAssembly: a share of the keys goes through another version.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pelton_core::Result;
use pelton_engine::{CANARY_PARTS, Side, side_of};
use pelton_server::functions::{DeployReport, DeployRequest, EventKind, NewCanary, Outcome};
use support::{SHORT, TRAPS, World, function, manifest, module};

const HOUR_MS: u64 = 3_600_000;

fn rule(percent: f64, for_ms: u64) -> NewCanary {
    // Times of a test machine say nothing.
    let max_latency_ratio = Some(1_000.0);
    NewCanary {
        percent,
        for_ms: Some(for_ms),
        max_faults: None,
        max_latency_ratio,
        min_calls: Some(5),
    }
}

fn canary(world: &World, wasm: &str, more: &str, rule: NewCanary) -> Result<DeployReport> {
    let request = DeployRequest { wasm: module(wasm), ..World::request(&manifest(more)) };
    world.runtime.block_on(world.functions.deploy_canary(request, rule))
}

/// Keys of the share, and others.
fn keys(percent: u32, wanted: Side) -> impl Iterator<Item = String> {
    let parts = percent * CANARY_PARTS / 100;
    (0..).map(|n| format!("k{n}")).filter(move |key| side_of(key.as_bytes(), parts) == wanted)
}

/// Appends one record of each side after the other, until `enough`; answers how many of each.
fn feed(world: &World, percent: u32, enough: impl Fn(&World) -> bool) -> u64 {
    let all: Vec<_> = [Side::New, Side::Control, Side::Old]
        .iter()
        .filter_map(|side| keys(percent, *side).next())
        .collect();
    let mut sent = 0;
    while !enough(world) {
        let rows: Vec<_> = all.iter().map(|key| format!("{key}={key}-{sent}")).collect();
        world.append(&rows.iter().map(String::as_str).collect::<Vec<_>>());
        // The other task has to commit too, for trials to end.
        world.append_to(1, &[&format!("other={}-{sent}", "other")]);
        sent += 1;
        std::thread::park_timeout(Duration::from_millis(1));
    }
    world.wait_for("all records", |world| world.status().lag == 0);
    sent
}

/// That every key has all its records once and in order.
fn complete(world: &World, sent: u64) {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for value in world.values("out") {
        let (key, number) = value.split_once('-').unwrap();
        found.entry(key.to_owned()).or_default().push(number.parse().unwrap());
    }
    assert_eq!(found.len(), 4);
    for (key, numbers) in found {
        assert!(numbers.iter().copied().eq(0..sent), "{key}: {} of {sent}", numbers.len());
    }
    assert!(world.values("f.dead").is_empty());
}

#[test]
fn one_fault_rolls_it_back_and_the_old_version_has_handled_its_records() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let report = canary(&world, "faulty", TRAPS, rule(30.0, HOUR_MS)).unwrap();
    assert_eq!((report.version, report.before, report.outcome), (2, Some(1), Outcome::Canary));
    let sent = feed(&world, 30, |world| world.status().canary.is_none());
    complete(&world, sent);
    let status = world.status();
    assert_eq!((status.version, status.poison, status.faults), (1, 0, 0));
    let record = world.functions.record(&function()).unwrap();
    let last = record.events.last().unwrap();
    assert_eq!((last.kind, last.version), (EventKind::CanaryRolledBack, 2));
    assert!(last.message.as_deref().unwrap().contains("E-GUEST-TRAP"), "{last:?}");
}

#[test]
fn a_good_one_is_promoted_when_its_time_is_over() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    canary(&world, "faulty", "[config]\nv = \"2\"", rule(30.0, 1)).unwrap();
    let sent = feed(&world, 30, |world| world.status().version == 2);
    complete(&world, sent);
    assert!(world.status().canary.is_none());
    assert!(world.events().contains(&(EventKind::Promoted, 2)));
}

#[test]
fn it_outlives_a_restart_and_is_ended_by_hand() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    canary(&world, "faulty", "[config]\nmode = \"reject\"", rule(10.0, HOUR_MS)).unwrap();
    let before = world.status().canary.unwrap();
    assert_eq!((before.version, before.percent), (2, 10.0));
    let other = canary(&world, "faulty", "[config]\nv = \"3\"", rule(10.0, HOUR_MS));
    assert_eq!(other.unwrap_err().code, "E-CANARY-ON");
    let world = world.restart();
    let after = world.status().canary.unwrap();
    assert_eq!((after.version, after.since_ms), (2, before.since_ms));
    // Only the keys of its share are rejected.
    let (new, old) = (keys(10, Side::New).next().unwrap(), keys(10, Side::Old).next().unwrap());
    let through = |world: &World| world.status().canary.is_some_and(|c| c.new.units > 0);
    while !through(&world) {
        world.append(&[&format!("{new}=new"), &format!("{old}=old")]);
        std::thread::park_timeout(Duration::from_millis(5));
    }
    world.wait_for("a reject", |world| world.values("f.dead").contains(&"new".to_owned()));
    assert!(world.values("f.dead").iter().all(|value| value == "new"));
    assert!(world.values("out").contains(&"old".to_owned()));
    let id = function();
    let back = world.runtime.block_on(world.functions.rollback(&id, None, SHORT)).unwrap();
    assert_eq!((back.version, world.status().canary), (1, None));
    let none = world.runtime.block_on(world.functions.promote(&id, SHORT));
    assert_eq!(none.unwrap_err().code, "E-PROMOTE-NONE");
    // And promoted by hand.
    canary(&world, "faulty", "[config]\nv = \"3\"", rule(10.0, HOUR_MS)).unwrap();
    let report = world.runtime.block_on(world.functions.promote(&id, SHORT)).unwrap();
    assert_eq!((report.version, report.outcome), (3, Outcome::Swapped));
    assert_eq!((world.status().version, world.status().canary), (3, None));
}

#[test]
fn state_of_a_key_is_shared_by_both_versions() {
    let world = World::new();
    world.deploy("deduplicate", "", SHORT).unwrap();
    let key = keys(50, Side::New).next().unwrap();
    let send = |value: &str| world.append(&[&format!("{key}={value}")]);
    send("1");
    world.wait_for("the first", |world| world.values("out") == ["1"]);
    canary(&world, "deduplicate", "[config]\nx = \"y\"", rule(50.0, HOUR_MS)).unwrap();
    let through = || world.status().canary.is_some_and(|canary| canary.new.units > 0);
    while !through() {
        send("2");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(world.values("out"), ["1"], "the new version has seen the key too");
}

#[test]
fn what_cannot_be_a_canary_is_refused() {
    let world = World::new();
    let refused = |wasm, more, rule| canary(&world, wasm, more, rule).unwrap_err().code;
    let any = rule(10.0, 1);
    assert_eq!(refused("faulty", "", any), "E-FUNCTION-STOPPED");
    world.deploy("running_stats_v1", "", SHORT).unwrap();
    assert_eq!(refused("running_stats", "", any), "E-CANARY-STATE");
    let more = "[[input]]\ntopic = \"in2\"\npartitions = 2";
    assert_eq!(refused("running_stats_v1", more, any), "E-CANARY-STATE");
    let same = "[config]\nx = \"y\"";
    assert_eq!(refused("running_stats_v1", same, rule(51.0, 1)), "E-CANARY-RULE");
    assert!(world.status().canary.is_none());
    assert_eq!(world.functions.record(&function()).unwrap().versions.len(), 1);
}

#[test]
fn under_load_canaries_come_and_go_and_nothing_is_lost_repeated_or_reordered() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sending = scope.spawn(|| feed(&world, 30, |_| done.load(Ordering::Relaxed)));
        for round in 0..6 {
            let config = match round % 2 {
                0 => format!("[config]\nmode = \"trap\"\nround = \"{round}\""),
                _ => format!("[config]\nround = \"{round}\""),
            };
            // While the promotion before still waits for its first commits, the function is busy.
            while let Err(error) = canary(&world, "faulty", &config, rule(30.0, 1)) {
                assert_eq!(error.code, "E-FUNCTION-BUSY");
                std::thread::park_timeout(Duration::from_millis(20));
            }
            world.wait_for("a verdict", |world| world.status().canary.is_none());
        }
        done.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    complete(&world, sent);
    let events = world.events();
    let count = |kind| events.iter().filter(|event| event.0 == kind).count();
    assert_eq!((count(EventKind::CanaryRolledBack), count(EventKind::Promoted)), (3, 3));
}
