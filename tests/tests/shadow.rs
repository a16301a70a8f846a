//! Shadows in real WebAssembly: a version that follows the one that runs, and writes nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pelton_core::Result;
use pelton_server::compare::{CauseKind, DifferenceEntry, DifferenceWay};
use pelton_server::functions::{
    DeployReport, DeployRequest, EventKind, Outcome, ShadowState, ShadowStatus,
};
use support::{PATIENCE, SHORT, TRAPS, World, function, manifest, module};

fn shadow(world: &World, wasm: &str, more: &str) -> Result<DeployReport> {
    let request = DeployRequest { wasm: module(wasm), ..World::request(&manifest(more)) };
    world.runtime.block_on(world.functions.deploy_shadow(request))
}

fn status(world: &World) -> ShadowStatus {
    world.functions.shadow(&function()).unwrap()
}

fn follows(world: &World) {
    world.wait_for("the shadow", |world| status(world).state == ShadowState::Following);
}

fn differences(world: &World) -> Vec<DifferenceEntry> {
    world.functions.differences(&function(), 0).unwrap()
}

#[test]
fn the_same_code_shows_no_difference_and_writes_nothing() {
    let world = World::new();
    world.deploy("deduplicate", "", SHORT).unwrap();
    world.append(&["a=1", "b=2"]);
    world.wait_for("the first", |world| world.values("out") == ["1", "2"]);
    let report = shadow(&world, "deduplicate", "[config]\nx = \"y\"").unwrap();
    assert_eq!((report.version, report.before, report.outcome), (2, Some(1), Outcome::Shadowed));
    follows(&world);
    world.append(&["a=3", "c=4"]);
    world.append_to(1, &["d=5"]);
    world.wait_for("the comparison", |world| status(world).counts.compared == 3);
    let found = status(&world);
    assert_eq!((found.counts.equal, found.counts.state, found.copies), (3, 0, 2));
    assert_eq!(world.values("out"), ["1", "2", "4", "5"]);
    let whole = world.status();
    assert_eq!((whole.version, whole.shadow.unwrap().version), (1, 2));
    assert!(differences(&world).is_empty());
    world.runtime.block_on(world.functions.stop_shadow(&function())).unwrap();
    assert_eq!(world.functions.shadow(&function()).unwrap_err().code, "E-SHADOW-NONE");
    let gone = world.runtime.block_on(world.functions.stop_shadow(&function()));
    assert_eq!(gone.unwrap_err().code, "E-SHADOW-NONE");
    let events = world.events();
    assert_eq!(events[1..], [(EventKind::ShadowStarted, 2), (EventKind::ShadowStopped, 2)]);
}

#[test]
fn a_shadow_in_the_place_of_another_compares_from_the_first_record_on() {
    let world = World::new();
    world.deploy("deduplicate", "", SHORT).unwrap();
    world.append(&["a=1", "b=2"]);
    world.wait_for("the first", |world| world.values("out") == ["1", "2"]);
    for again in ["1", "2", "3"] {
        let more = format!("[config]\nx = \"{again}\"");
        let request = DeployRequest { wait: PATIENCE, ..World::request(&manifest(&more)) };
        let request = DeployRequest { wasm: module("deduplicate"), ..request };
        world.runtime.block_on(world.functions.deploy_shadow(request)).unwrap();
        assert_eq!(status(&world).state, ShadowState::Following, "it is waited for");
    }
    world.append(&["c=3", "d=4", "a=5"]);
    world.wait_for("the comparison", |world| status(world).counts.compared == 3);
    assert_eq!(status(&world).counts.equal, 3);
}

#[test]
fn other_code_is_told_field_by_field_and_promoted_onto_the_state_that_lives() {
    let world = World::new();
    world.deploy("running_stats_v1", "", SHORT).unwrap();
    world.append(&["a=1", "a=3"]);
    world.wait_for("the first", |world| world.status().records_in == 2);
    shadow(&world, "running_stats", "").unwrap();
    follows(&world);
    world.append(&["a=5"]);
    world.wait_for("the comparison", |world| status(world).counts.compared == 1);
    assert_eq!(status(&world).counts.different, 1);
    let [entry] = &differences(&world)[..] else { panic!("{:?}", differences(&world)) };
    assert_eq!((entry.way, entry.cause.kind), (DifferenceWay::Different, CauseKind::Record));
    assert_eq!((entry.cause.partition, entry.cause.offset), (0, Some(2)));
    assert_eq!((&entry.cause.key, entry.cause.topic.as_deref()), (&"a".into(), Some("default/in")));
    // Its copy of the state was migrated: all three records are in what it sends.
    assert_eq!(entry.new[0].value["count"], 3);
    let paths: Vec<_> = entry.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["[0].value.p95"]);
    assert!(entry.fields[0].old.is_none() && entry.fields[0].new.is_some());
    // A start of the server begins with a new copy.
    let world = world.restart();
    follows(&world);
    assert_eq!((status(&world).counts.compared, status(&world).copies), (0, 2));
    world.append(&["a=7"]);
    world.wait_for("the comparison", |world| status(world).counts.different == 1);
    assert_eq!(differences(&world)[0].new[0].value["count"], 4);
    let id = function();
    let promoted = world.runtime.block_on(world.functions.promote(&id, SHORT)).unwrap();
    assert_eq!(
        (promoted.version, promoted.before, promoted.outcome),
        (2, Some(1), Outcome::Swapped)
    );
    world.append(&["a=9"]);
    world.wait_for("the last", |world| world.values("out").len() == 5);
    let last = world.values("out").pop().unwrap();
    assert!(last.contains("\"count\":5") && last.contains("p95"), "{last}");
    assert!(world.status().shadow.is_none());
    assert!(world.events().contains(&(EventKind::Promoted, 2)));
}

#[test]
fn faults_of_the_shadow_never_touch_what_runs() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    shadow(&world, "faulty", TRAPS).unwrap();
    follows(&world);
    world.append(&["a=1", "a=2"]);
    world.wait_for("the faults", |world| status(world).counts.faults == 2);
    assert_eq!(world.values("out"), ["1", "2"]);
    let all = differences(&world);
    assert!(all.iter().all(|entry| entry.way == DifferenceWay::Fault), "{all:?}");
    assert!(all[0].fault.as_deref().unwrap().contains("E-GUEST-TRAP"));
    let live = world.status();
    assert_eq!((live.faults, live.poison, live.last_fault), (0, 0, None));
    assert!(world.values("f.dead").is_empty());
    // One that fails when it is opened stops; what runs goes on.
    let error = shadow(&world, "faulty", "[config]\nopen = \"trap\"").unwrap_err();
    assert_eq!(error.code, "E-GUEST-OPEN");
    world.append(&["a=3"]);
    world.wait_for("output", |world| world.values("out") == ["1", "2", "3"]);
}

#[test]
fn a_shadow_goes_on_beside_the_next_version_and_through_a_pause() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    shadow(&world, "faulty", "[config]\nmode = \"reject\"").unwrap();
    follows(&world);
    world.append(&["a=1"]);
    world.wait_for("the comparison", |world| status(world).counts.compared == 1);
    world.deploy("faulty", "[config]\nv = \"3\"", SHORT).unwrap();
    world.wait_for("another copy", |world| status(world).copies == 4);
    world.append(&["a=2"]);
    world.append_to(1, &["b=3"]);
    world.wait_for("the comparison", |world| status(world).counts.compared == 3);
    world.wait_for("the trial", |world| world.events().contains(&(EventKind::Passed, 3)));
    // Whoever writes down how the trial ended may still be at it.
    while let Err(error) = world.runtime.block_on(world.functions.pause(&function())) {
        assert_eq!(error.code, "E-FUNCTION-BUSY");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(status(&world).state, ShadowState::Waiting);
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    follows(&world);
    // Deployed as it is, it is no shadow any more.
    let report = world.deploy("faulty", "[config]\nmode = \"reject\"", SHORT).unwrap();
    assert_eq!((report.version, world.status().shadow), (2, None));
}

#[test]
fn what_cannot_be_a_shadow_is_refused() {
    let world = World::new();
    let refused = |wasm, more| shadow(&world, wasm, more).unwrap_err().code;
    assert_eq!(refused("faulty", ""), "E-FUNCTION-STOPPED");
    world.deploy("faulty", "", SHORT).unwrap();
    let more = "[[input]]\ntopic = \"in2\"\npartitions = 2";
    assert_eq!(refused("faulty", more), "E-SHADOW-INPUTS");
    let request =
        DeployRequest { dry_run: true, ..World::request(&manifest("[config]\nx = \"y\"")) };
    let report = world.runtime.block_on(world.functions.deploy_shadow(request)).unwrap();
    assert!(report.dry_run && report.outcome == Outcome::Shadowed);
    assert_eq!(world.functions.shadow(&function()).unwrap_err().code, "E-SHADOW-NONE");
    assert_eq!(world.functions.record(&function()).unwrap().versions.len(), 1);
}

#[test]
fn under_load_a_slow_shadow_holds_nobody_up_and_says_what_it_skipped() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    shadow(&world, "faulty", "[config]\nmode = \"slow\"\nslow-rounds = \"2000000\"").unwrap();
    follows(&world);
    let (done, mut sent) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut next: u64 = 0;
            while !done.load(Ordering::Relaxed) {
                world.append(&[format!("k={next}").as_str()]);
                next += 1;
                if next.is_multiple_of(64) {
                    std::thread::park_timeout(Duration::from_micros(200));
                }
            }
            next
        });
        world.wait_for("it to fall behind", |world| status(world).skipped > 0);
        done.store(true, Ordering::Relaxed);
        sent = sending.join().unwrap();
    });
    world.wait_for("all records", |world| world.status().lag == 0);
    assert!(world.values("out").into_iter().eq((0..sent).map(|n| n.to_string())));
    world.wait_for("the next copy", |world| status(world).copies > 2);
    assert_eq!(status(&world).counts.different, 0);
}
