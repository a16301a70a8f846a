//! Deploying, swapping live, rolling back, pausing, starting again: functions of a node, in real
//! WebAssembly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pelton_batch::RecordsBuilder;
use pelton_core::TenantId;
use pelton_journal::TopicConfig;
use pelton_server::functions::{DeployRequest, EventKind, FunctionState, Outcome, TrialState};
use support::{PATIENCE, SHORT, TRAPS, World, function, manifest, module, topic};

#[test]
fn the_same_deployment_twice_is_one_version() {
    let world = World::new();
    let first = world.deploy("faulty", "", SHORT).unwrap();
    assert_eq!((first.version, first.outcome), (1, Outcome::Started));
    let again = world.deploy("faulty", "", SHORT).unwrap();
    assert_eq!((again.version, again.outcome), (1, Outcome::Unchanged));
    assert_eq!(world.functions.record(&function()).unwrap().versions.len(), 1);
    world.append(&["a=1"]);
    world.wait_for("output", |world| world.values("out") == ["1"]);
}

#[test]
fn a_dry_run_tells_what_would_change_and_changes_nothing() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let request = DeployRequest {
        tenant: TenantId::default(),
        manifest: manifest("[config]\na = \"b\""),
        wasm: module("faulty"),
        dry_run: true,
        wait: SHORT,
    };
    let report = world.runtime.block_on(world.functions.deploy(request)).unwrap();
    assert!(report.dry_run);
    assert_eq!((report.version, report.outcome), (2, Outcome::Swapped));
    assert_eq!(report.changes, ["version: 1 -> 2", "config: none -> a=b"]);
    assert_eq!(world.status().version, 1);
    assert_eq!(world.functions.record(&function()).unwrap().versions.len(), 1);
}

#[test]
fn a_version_that_fails_before_its_first_commit_leaves_no_trace() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let waits = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| world.deploy("faulty", TRAPS, PATIENCE));
        world.wait_for("the trial", |world| world.status().tasks.iter().all(|task| task.on_trial));
        world.append(&["a=1"]);
        deploying.join().unwrap()
    });
    let error = waits.unwrap_err();
    assert_eq!(error.code, "E-DEPLOY-TRIAL");
    let text = error.to_string();
    assert!(text.contains("version 2") && text.contains("E-GUEST-TRAP"), "{text}");
    world.wait_for("the old version's output", |world| world.values("out") == ["1"]);
    assert!(world.values("f.dead").is_empty());
    assert_eq!(world.status().version, 1);
    assert_eq!(world.events()[1..], [(EventKind::Deployed, 2), (EventKind::TrialFailed, 2)]);
}

#[test]
fn a_trial_without_records_goes_on_until_there_are_some() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let report = world.deploy("faulty", TRAPS, SHORT).unwrap();
    assert_eq!((report.version, report.trial), (2, TrialState::OnTrial));
    assert_eq!(world.status().state, FunctionState::OnTrial);
    // A restart does not end it.
    let world = world.restart();
    assert_eq!(world.status().before, Some(1));
    world.append(&["a=1"]);
    world.wait_for("the way back", |world| world.status().version == 1);
    world.wait_for("output", |world| world.values("out") == ["1"]);
    assert_eq!(world.status().before, None);
}

#[test]
fn state_and_positions_outlive_swaps_restarts_and_pauses() {
    let world = World::new();
    let hour = "[config]\nwindow-ms = \"3600000\"";
    world.deploy("deduplicate", "", SHORT).unwrap();
    world.append(&["a=1", "a=2"]);
    world.wait_for("the first", |world| world.status().records_in == 2);
    let report = world.deploy("deduplicate", hour, SHORT).unwrap();
    assert_eq!(report.outcome, Outcome::Swapped);
    world.append(&["a=3", "b=4"]);
    world.wait_for("the second", |world| world.values("out") == ["1", "4"]);
    let world = world.restart();
    assert_eq!(world.status().version, 2);
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    assert_eq!(world.status().state, FunctionState::Paused);
    world.append(&["b=5", "c=6"]);
    let world = world.restart();
    assert_eq!(world.status().state, FunctionState::Paused);
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    world.wait_for("the third", |world| world.values("out") == ["1", "4", "6"]);
    let id = function();
    let found = world.functions.state_list(&id, "seen", b"", 10);
    let found = world.runtime.block_on(found).unwrap();
    let keys: Vec<_> = found.iter().map(|entry| entry.key.as_slice()).collect();
    assert_eq!(keys, [b"a", b"b", b"c"]);
    let one = world.functions.state_get(&id, "seen", b"b");
    assert_eq!(world.runtime.block_on(one).unwrap().len(), 1);
}

#[test]
fn a_rollback_takes_an_earlier_version_back_live() {
    let world = World::new();
    let no_version = world.runtime.block_on(world.functions.rollback(&function(), None, SHORT));
    assert_eq!(no_version.unwrap_err().code, "E-FUNCTION-UNKNOWN");
    world.deploy("faulty", "", SHORT).unwrap();
    world.deploy("faulty", "[config]\nmode = \"reject\"", SHORT).unwrap();
    world.append(&["a=1"]);
    world.wait_for("the reject", |world| world.values("f.dead") == ["1"]);
    let back = world.runtime.block_on(world.functions.rollback(&function(), None, SHORT)).unwrap();
    assert_eq!((back.version, back.before, back.outcome), (1, Some(2), Outcome::Swapped));
    world.append(&["a=2"]);
    world.wait_for("output", |world| world.values("out") == ["2"]);
    let id = function();
    let missing = world.functions.rollback(&id, Some(9), SHORT);
    assert_eq!(world.runtime.block_on(missing).unwrap_err().code, "E-VERSION-UNKNOWN");
    let none = world.runtime.block_on(world.functions.rollback(&function(), None, SHORT));
    assert_eq!(none.unwrap_err().code, "E-VERSION-NONE");
}

#[test]
fn a_removed_function_starts_anew_unless_its_state_was_kept() {
    for keep_state in [true, false] {
        let world = World::new();
        world.deploy("deduplicate", "", SHORT).unwrap();
        world.append(&["a=1"]);
        world.wait_for("the first", |world| world.values("out") == ["1"]);
        world.runtime.block_on(world.functions.remove(&function(), keep_state)).unwrap();
        let gone = world.runtime.block_on(world.functions.status(&function()));
        assert_eq!(gone.unwrap_err().code, "E-FUNCTION-UNKNOWN");
        assert!(world.functions.node().journal().artefacts().unwrap().is_empty());
        world.append(&["a=2", "b=3"]);
        world.deploy("deduplicate", "", SHORT).unwrap();
        let expected: &[&str] = if keep_state { &["1", "3"] } else { &["1", "1", "3"] };
        world.wait_for("output", |world| world.values("out") == expected);
    }
}

#[test]
fn under_load_swaps_lose_repeat_and_reorder_nothing() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let (done, mut sent) = (AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut next = 0;
            while !done.load(Ordering::Relaxed) {
                for partition in 0..2 {
                    let row = |row: u64| format!("k{partition}={partition}-{row}");
                    let rows: Vec<_> = (next..next + 20).map(row).collect();
                    let rows: Vec<_> = rows.iter().map(String::as_str).collect();
                    world.append_to(partition, &rows);
                }
                next += 20;
                std::thread::park_timeout(Duration::from_micros(200));
            }
            next
        });
        let swap = |number: u64| {
            let config = format!("[config]\nversion = \"{}\"", number % 3);
            world.deploy("faulty", &config, PATIENCE)
        };
        let swaps: Vec<_> = (0..30).map(swap).collect();
        done.store(true, Ordering::Relaxed);
        sent = sending.join().unwrap();
        for report in swaps {
            assert_eq!(report.unwrap().outcome, Outcome::Swapped);
        }
    });
    world.wait_for("all records", |world| world.status().lag == 0);
    let out = world.values("out");
    for partition in 0..2 {
        let own = out.iter().filter_map(|value| value.strip_prefix(&format!("{partition}-")));
        let expected = (0..sent).map(|row| row.to_string());
        assert!(own.eq(expected), "partition {partition}: {} of {sent}", out.len());
    }
    assert_eq!(out.len() as u64, 2 * sent);
    assert_eq!(world.functions.record(&function()).unwrap().versions.len(), 4);
}

#[test]
fn what_is_wrong_with_a_deployment_changes_nothing() {
    let world = World::new();
    let other = TenantId::new("other").unwrap();
    let request = |tenant: &TenantId, manifest: String, wasm: Bytes| DeployRequest {
        tenant: tenant.clone(),
        manifest,
        wasm,
        dry_run: false,
        wait: SHORT,
    };
    // Its output has the topic of its own name.
    let reads = |topic: &str, delivery: &str| {
        format!(
            "[function]\nname = \"f\"\n[[input]]\ntopic = \"{topic}\"\n[delivery]\n{delivery}\n"
        )
    };
    let own = TenantId::default();
    let cases = [
        (request(&own, "[function]\nname = 7".into(), module("filter")), "E-MANIFEST"),
        (request(&own, "[function]\nname = \"f\"".into(), module("filter")), "E-INPUT-NONE"),
        (request(&other, manifest(""), module("filter")), "E-TENANT-OTHER"),
        (request(&own, manifest(""), Bytes::from_static(b"no wasm")), "E-MODULE-FORMAT"),
        (request(&own, manifest("[config]\nopen = \"trap\""), module("faulty")), "E-GUEST-OPEN"),
        (request(&own, reads("out", ""), module("faulty")), "E-INPUT-LOOP"),
        (request(&own, reads("f.dead", ""), module("faulty")), "E-INPUT-LOOP"),
        (request(&own, reads("in", "dead_letter = \"in\""), module("faulty")), "E-INPUT-LOOP"),
        (request(&own, reads("other/in", ""), module("faulty")), "E-TENANT-OTHER"),
        (
            request(&own, reads("in", "dead_letter = \"other/f\""), module("faulty")),
            "E-TENANT-OTHER",
        ),
    ];
    for (request, code) in cases {
        let dry_run = DeployRequest { dry_run: true, ..request.clone() };
        let error = world.runtime.block_on(world.functions.deploy(dry_run)).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        let error = world.runtime.block_on(world.functions.deploy(request)).unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
    assert!(world.functions.records().unwrap().is_empty());
    assert!(world.functions.node().journal().topics().is_empty());
}

#[test]
fn a_record_without_a_key_for_a_compacted_topic_is_a_dead_letter() {
    let world = World::new();
    let journal = world.functions.node().journal();
    journal.create_topic("default/out", TopicConfig::compacted(2), 0).unwrap();
    world.deploy("faulty", "", SHORT).unwrap();
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"a"), Some(b"1"), 0).push(None, Some(b"2"), 1).push(
        Some(b"b"),
        Some(b"3"),
        2,
    );
    world.functions.node().append(&topic("in"), 0, &mut builder).unwrap();
    world.wait_for("the dead letter", |world| world.values("f.dead") == ["2"]);
    world.wait_for("the others", |world| world.values("out").len() == 2);
    assert_eq!(world.status().state, FunctionState::Running);
    // What is replaced would be lost: dead letters do not go into such a topic.
    journal.create_topic("default/letters", TopicConfig::compacted(2), 0).unwrap();
    let error = world.deploy("faulty", "[delivery]\ndead_letter = \"letters\"", SHORT);
    let error = error.unwrap_err();
    assert_eq!(error.code, "E-DEAD-LETTER-COMPACTED", "{error}");
    assert_eq!(world.status().version, 1);
}
