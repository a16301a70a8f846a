//! Trials that fail on one partition and not on another, of versions with other inputs, and of
//! functions that were paused: one version runs in the end, nothing is lost, and what is told is so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use std::time::Duration;

use pelton_batch::RecordsBuilder;
use pelton_core::Result;
use pelton_server::functions::{
    DeployReport, DeployRequest, EventKind, FunctionState, Outcome, TrialState,
};
use support::{PATIENCE, SHORT, World, function, manifest, module, topic};

/// Another version of the same code: its configuration differs.
const OTHER: &str = "[config]\nversion = \"2\"";

fn versions_at_work(world: &World) -> Vec<u64> {
    world.status().tasks.iter().map(|task| task.version).collect()
}

fn last_event(world: &World) -> (EventKind, u64, String) {
    let record = world.functions.record(&function()).unwrap();
    let last = record.events.last().unwrap();
    (last.kind, last.version, last.message.clone().unwrap_or_default())
}

#[test]
fn a_version_that_fails_on_one_partition_is_taken_back_from_those_where_it_had_committed() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    assert_eq!(world.deploy("faulty", OTHER, SHORT).unwrap().trial, TrialState::OnTrial);
    world.append_to(0, &["a=1"]);
    world.wait_for("the first commit", |world| world.values("out") == ["1"]);
    world.append_to(1, &["b=trap"]);
    world.wait_for("the way back", |world| world.events().len() == 3);
    let (kind, version, message) = last_event(&world);
    assert_eq!((kind, version), (EventKind::TrialFailed, 2));
    let told =
        "failed on partition 1 before its first commit there, but had committed on partition 0";
    assert!(message.contains(told), "{message}");
    world.wait_for("one version", |world| versions_at_work(world) == [1, 1]);
    world.append_to(0, &["a=2"]);
    world.wait_for("the version before", |world| world.values("out") == ["1", "2"]);
    // It does what it was told to with such a record.
    world.wait_for("the dead letter", |world| world.values("f.dead") == ["trap"]);
    let world = world.restart();
    assert_eq!((world.status().version, versions_at_work(&world)), (1, vec![1, 1]));
}

/// A record whose key is too large for what `running-stats` may answer by its new version; what the one
/// before makes of it is not too large to be migrated.
fn append_large(world: &World) {
    let mut builder = RecordsBuilder::new();
    builder.push(Some(&[b'k'; 400]), Some(b"7"), 0);
    world.functions.node().append(&topic("in"), 1, &mut builder).unwrap();
}

#[test]
fn where_the_version_before_cannot_read_what_the_new_one_has_left_the_new_one_goes_on() {
    let world = World::new();
    world.deploy("running_stats_v1", "", SHORT).unwrap();
    world.append_to(0, &["a=5"]);
    world.wait_for("the first version", |world| world.values("out").len() == 1);
    let small = "[limits]\noutput_bytes = 700";
    world.deploy("running_stats", small, SHORT).unwrap();
    world.append_to(0, &["a=6"]);
    world.wait_for("the first commit", |world| world.values("out").len() == 2);
    append_large(&world);
    world.wait_for("the end of the trial", |world| world.events().len() == 3);
    let (kind, version, message) = last_event(&world);
    assert_eq!((kind, version), (EventKind::TrialFailed, 2));
    assert!(message.contains("version 2 goes on"), "{message}");
    assert!(message.contains("pelton savepoint restore f before-v2"), "{message}");
    world.wait_for("one version", |world| versions_at_work(world) == [2, 2]);
    // The record was done by the version before, as long as that had the partition, or is given up.
    let done = |world: &World| world.values("f.dead").len() + world.values("out").len();
    world.wait_for("its policy", |world| done(world) == 3);
    world.append_to(0, &["a=7"]);
    world.wait_for("what it does", |world| done(world) == 4);
    let world = world.restart();
    assert_eq!((world.status().version, world.status().before), (2, None));
    world.append_to(1, &["b=8"]);
    world.wait_for("what it does", |world| done(world) == 5);
}

fn with_input(more: &str, config: &str) -> String {
    manifest(&format!("[[input]]\ntopic = \"{more}\"\npartitions = 2\n{config}"))
}

fn deploy(world: &World, wasm: &str, manifest: &str, wait: Duration) -> Result<DeployReport> {
    let request = DeployRequest { wasm: module(wasm), wait, ..World::request(manifest) };
    world.runtime.block_on(world.functions.deploy(request))
}

fn append_more(world: &World, value: &str) {
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"m"), Some(value.as_bytes()), 0);
    world.functions.node().append(&topic("more"), 0, &mut builder).unwrap();
}

#[test]
fn a_version_with_another_input_is_on_trial_as_well() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    world.append(&["a=1", "a=2"]);
    world.wait_for("the first version", |world| world.values("out") == ["1", "2"]);
    let traps = with_input("more", "idle_timeout = \"1ms\"\n[config]\nmode = \"trap\"");
    let report = deploy(&world, "faulty", &traps, SHORT).unwrap();
    assert_eq!((report.outcome, report.trial), (Outcome::Restarted, TrialState::OnTrial));
    world.append(&["a=3"]);
    world.wait_for("the way back", |world| world.status().version == 1);
    world.wait_for("nothing lost", |world| world.values("out") == ["1", "2", "3"]);
    assert!(world.values("f.dead").is_empty());
    assert_eq!(last_event(&world).0, EventKind::TrialFailed);
    // One that works passes, also behind a restart of the node.
    let works = with_input("more", "idle_timeout = \"1ms\"\n[config]\nversion = \"3\"");
    deploy(&world, "faulty", &works, SHORT).unwrap();
    let world = world.restart();
    assert_eq!(world.status().state, FunctionState::OnTrial);
    world.append_to(0, &["a=4"]);
    world.append_to(1, &["b=5"]);
    world.wait_for("both", |world| world.values("out").len() == 5);
    world.wait_for("the end of the trial", |world| world.status().before.is_none());
    assert_eq!(last_event(&world).0, EventKind::Passed);
}

#[test]
fn a_dropped_input_is_read_on_where_it_was_left_when_a_rollback_brings_it_back() {
    let world = World::new();
    let both = with_input("more", "idle_timeout = \"1ms\"");
    deploy(&world, "deduplicate", &both, SHORT).unwrap();
    append_more(&world, "1");
    world.wait_for("the first", |world| world.values("out") == ["1"]);
    world.deploy("faulty", "", SHORT).unwrap();
    append_more(&world, "missed");
    world.append_to(0, &["a=2"]);
    world.append_to(1, &["b=3"]);
    world.wait_for("the second version", |world| world.values("out").len() == 3);
    deploy(&world, "faulty", &both, PATIENCE.min(Duration::from_secs(2))).unwrap();
    world.wait_for("the rest", |world| world.values("out").len() == 4);
    let out = world.values("out");
    assert!(out.iter().filter(|value| *value == "1").count() == 1, "not again: {out:?}");
    assert!(out.contains(&"missed".to_owned()), "not left out: {out:?}");
}

#[test]
fn a_topic_that_is_created_again_is_read_from_its_start() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    world.append(&["a=1", "a=2", "a=3"]);
    world.wait_for("the first topic", |world| world.values("out").len() == 3);
    world.runtime.block_on(world.functions.remove(&function(), true)).unwrap();
    let journal = world.functions.node().journal();
    journal.delete_topic("default/in", 0).unwrap();
    world.functions.node().ensure_topic(&topic("in"), 2).unwrap();
    world.append(&["a=4", "a=5", "a=6", "a=7", "a=8"]);
    world.deploy("faulty", "", SHORT).unwrap();
    let expected = ["1", "2", "3", "4", "5", "6", "7", "8"];
    world.wait_for("all of the new one", |world| world.values("out") == expected);
}

#[test]
fn a_version_that_fails_on_a_paused_function_leaves_it_paused() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    world.append(&["a=1"]);
    world.wait_for("the first version", |world| world.values("out") == ["1"]);
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    world.append(&["a=2"]);
    let error = world.deploy("faulty", support::TRAPS, PATIENCE).unwrap_err();
    assert_eq!(error.code, "E-DEPLOY-TRIAL");
    let status = world.status();
    assert_eq!((status.state, status.version), (FunctionState::Paused, 1));
    assert!(world.values("f.dead").is_empty());
    let world = world.restart();
    assert_eq!(world.status().state, FunctionState::Paused);
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    world.wait_for("nothing lost", |world| world.values("out") == ["1", "2"]);
}

#[test]
fn whoever_deploys_may_go_away() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let request = DeployRequest { wait: PATIENCE, ..World::request(&manifest(support::TRAPS)) };
    let functions = std::sync::Arc::clone(&world.functions);
    world.runtime.block_on(async {
        let deploying = std::sync::Arc::clone(&functions);
        let deployed = functions.to_its_end(async move { deploying.deploy(request).await });
        let gone = tokio::time::timeout(Duration::from_millis(200), deployed).await;
        assert!(gone.is_err(), "{gone:?}");
    });
    world.append(&["a=1"]);
    world.wait_for("the way back", |world| world.status().version == 1);
    world.wait_for("the output", |world| world.values("out") == ["1"]);
    assert_eq!(last_event(&world).0, EventKind::TrialFailed);
}

#[test]
fn a_dry_run_refuses_what_a_deployment_does_and_neither_leaves_a_topic() {
    let world = World::new();
    let unequal = manifest("[[input]]\ntopic = \"more\"\npartitions = 3");
    for dry_run in [true, false] {
        let request = DeployRequest { dry_run, ..World::request(&unequal) };
        let error = world.runtime.block_on(world.functions.deploy(request)).unwrap_err();
        assert_eq!(error.code, "E-INPUT-PARTITIONS");
    }
    assert!(world.functions.node().journal().topics().is_empty());
}
