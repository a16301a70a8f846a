//! What is told of a function that does not run, or not now.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/functions.rs"]
mod support;

use pelton_server::functions::{EventKind, FunctionState};
use support::{SHORT, TRAPS, World, function, module};

#[test]
fn a_function_that_halts_says_so_in_its_history_and_how_much_waits_for_it() {
    let world = World::new();
    world.deploy("faulty", "[delivery]\non_poison = \"halt\"", SHORT).unwrap();
    world.append(&["a=1", "b=trap", "c=2"]);
    world.wait_for("the end", |world| world.status().state == FunctionState::Stopped);
    world.wait_for("the event", |world| world.events().contains(&(EventKind::Stopped, 1)));
    let record = world.functions.record(&function()).unwrap();
    let message = record.events.last().unwrap().message.clone().unwrap();
    assert!(message.contains("stopped before in:0:1: "), "{message}");
    assert_eq!(world.status().lag, 2);
    let listed = world.runtime.block_on(world.functions.statuses()).unwrap();
    assert_eq!(listed[0].lag, 2);
    // It halts again where it is started again, and a pause is none of its own doing.
    world.runtime.block_on(world.functions.resume(&function())).unwrap();
    let stops = |world: &World| {
        world.events().iter().filter(|(kind, _)| *kind == EventKind::Stopped).count()
    };
    world.wait_for("the second event", |world| stops(world) == 2);
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    assert_eq!((stops(&world), world.status().lag), (2, 2));
}

#[test]
fn a_breaker_that_is_open_is_told_and_until_when() {
    let world = World::new();
    world.deploy("faulty", TRAPS, SHORT).unwrap();
    assert_eq!(world.status().breaker_until_ms, None);
    world.append(&["a=1"; 12]);
    world.wait_for("the breaker", |world| world.status().breaker_until_ms.is_some());
    let status = world.status();
    assert!(status.breaker_until_ms.unwrap() > 0, "{status:?}");
    assert_eq!(status.tasks[0].breaker_until_ms, status.breaker_until_ms);
    assert_eq!(status.tasks[1].breaker_until_ms, None);
    assert!(status.last_fault.is_some());
}

#[test]
fn state_is_told_of_a_function_that_is_paused_or_has_stopped() {
    let world = World::new();
    world.deploy("deduplicate", "", SHORT).unwrap();
    world.append(&["a=1", "b=2"]);
    world.wait_for("the outputs", |world| world.values("out").len() == 2);
    let functions = &world.functions;
    let list = || {
        let found = world.runtime.block_on(functions.state_list(&function(), "seen", b"", 10));
        found.unwrap()
    };
    let running = list();
    assert_eq!(running.len(), 2);
    world.runtime.block_on(functions.pause(&function())).unwrap();
    assert_eq!(list(), running);
    let key = &running[0].key;
    let entry = world.runtime.block_on(functions.state_get(&function(), "seen", key)).unwrap();
    assert_eq!(entry, running[..1]);
    let error = world.runtime.block_on(functions.state_get(&function(), "none", key)).unwrap_err();
    assert_eq!(error.code, "E-STORE-UNKNOWN");
    // It goes on with it.
    world.runtime.block_on(functions.resume(&function())).unwrap();
    world.append(&["a=1", "c=3"]);
    world.wait_for("the new one", |world| world.values("out").len() == 3);
}

#[test]
fn an_upload_waits_for_its_deployment_while_another_function_is_removed() {
    let world = World::new();
    world.deploy("faulty", "", SHORT).unwrap();
    let functions = &world.functions;
    let removed = functions.record(&function()).unwrap().versions[0].digest.clone();
    let digest = world.runtime.block_on(functions.upload(module("filter"))).unwrap();
    world.runtime.block_on(functions.remove(&function(), false)).unwrap();
    let uploaded = world.runtime.block_on(functions.module(&digest)).unwrap();
    assert_eq!(uploaded, module("filter"));
    // Not so the module of the function that was removed.
    let error = world.runtime.block_on(functions.module(&removed)).unwrap_err();
    assert_eq!(error.code, "E-ARTEFACT-UNKNOWN");
    let error = world.runtime.block_on(functions.upload("(module)".into())).unwrap_err();
    assert_eq!(error.code, "E-MODULE-FORMAT");
}
