//! Capsules: one call in a file does the same on a node that has never seen the function.

use bytes::Bytes;
use pelton_core::{Result, TopicName};
use pelton_server::functions::{
    Capsule, CapsuleOf, CapsuleReport, CapsuleVerdict, RecordPlace, StateKept, run_capsule,
};
use pelton_server::{LoadOptions, Node, NodeConfig};

use crate::savepoints::{FUNCTIONS, NOW, Numbers, records, restore, savepoint};
use crate::support::{Row, World, function, module};

fn place(topic: &str, partition: u32, offset: u64) -> RecordPlace {
    RecordPlace { topic: TopicName::parse(topic).unwrap(), partition, offset }
}

fn export(world: &World, of: CapsuleOf) -> Result<Vec<u8>> {
    world.runtime.block_on(world.functions.capsule(&function(), of))
}

/// Runs a capsule on a new node.
fn run(capsule: &[u8], wasm: Option<&[u8]>) -> CapsuleReport {
    let directory = tempfile::tempdir().unwrap();
    let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
    config.workers = 1;
    config.segment_bytes = 16 << 20;
    config.load.engine.pooled_instances = 0;
    let node = Node::open(config).unwrap();
    let capsule = Capsule::decode(Bytes::copy_from_slice(capsule)).unwrap();
    run_capsule(&node, &capsule, wasm).unwrap()
}

fn head(capsule: &[u8]) -> pelton_server::functions::CapsuleHead {
    Capsule::decode(Bytes::copy_from_slice(capsule)).unwrap().head
}

fn row(key: &str, value: &str, time: i64) -> Row {
    (key.to_owned(), value.to_owned(), time)
}

fn holds(capsule: &[u8], text: &str) -> bool {
    capsule.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A world in which `running_stats` has given up one record of a key that it knows.
fn broken() -> World {
    let world = World::new();
    world.deploy("running_stats", "").unwrap();
    let others: Vec<_> = (0..500).map(|n| row(&format!("0-other-{n}"), "1", n)).collect();
    world.append(0, &others);
    world.settle();
    world.append(0, &[row("0-k", "2", 500), row("0-k", "3", 501)]);
    world.settle();
    // A call of its own, which reads nothing: it fails before.
    world.append(0, &[row("0-k", "oops", 502)]);
    world.settle();
    world.append(0, &[row("0-k", "4", 503)]);
    world.settle();
    assert_eq!(world.rows("f.dead", 0).len() + world.rows("f.dead", 1).len(), 1);
    world
}

#[test]
fn a_fault_is_the_same_elsewhere_and_a_repaired_module_passes() {
    let world = broken();
    let capsule = export(&world, CapsuleOf::NewestFault).unwrap();
    let report = run(&capsule, None);
    assert_eq!(report.verdict, CapsuleVerdict::Same, "{report:?}");
    let fault = &report.outcome.faults[0];
    assert_eq!(fault.place, "in:0:502");
    assert_eq!((&report.outcome, report.unknown_reads), (&report.recorded, 0));
    assert_eq!(run(&capsule, None), report, "and again");
    // By its place it is the same call.
    let letters = |partition| world.rows("f.dead", partition).len();
    let partition = u32::from(letters(0) == 0);
    let by_letter = export(&world, CapsuleOf::DeadLetter(place("f.dead", partition, 0))).unwrap();
    assert_eq!(run(&by_letter, None), report);
    let by_record = export(&world, CapsuleOf::Record(place("in", 0, 502))).unwrap();
    assert_eq!(run(&by_record, None), report);
    // Neither the other keys nor the other records are in it.
    assert_eq!(head(&capsule).state, StateKept::Touched);
    assert!(holds(&capsule, "oops") && !holds(&capsule, "0-other"));
    let repaired = run(&capsule, Some(&module("deduplicate")));
    assert_eq!(repaired.verdict, CapsuleVerdict::Passes, "{repaired:?}");
    assert_eq!(repaired.outcome.outputs[0].value.as_deref(), Some("oops"));
    assert!(repaired.unknown_reads > 0, "it reads what the call did not: {repaired:?}");
    let other = run(&capsule, Some(&module("windowed_contents")));
    assert!(other.outcome.records == 0);
}

#[test]
fn a_call_finds_the_state_that_was_before_it_not_the_one_of_now() {
    let world = broken();
    let capsule = export(&world, CapsuleOf::Record(place("in", 0, 501))).unwrap();
    let report = run(&capsule, None);
    assert_eq!(report.verdict, CapsuleVerdict::Same, "{report:?}");
    let (output, changed) = (&report.outcome.outputs, &report.changes);
    assert!(output.iter().any(|o| o.value.as_ref().unwrap().contains("\"sum\":5")), "{output:?}");
    assert_eq!((changed[0].kind, changed[0].name.as_str()), ("put", "stats"));
    assert!(!holds(&capsule, "oops"));
}

#[test]
fn any_call_with_timers_windows_or_saved_memory_does_the_same_elsewhere() {
    for (wasm, more) in FUNCTIONS {
        let world = World::new();
        world.deploy(wasm, more).unwrap();
        let (mut numbers, mut time) = (Numbers(9), 0);
        for _ in 0..6 {
            world.append(0, &records(&mut numbers, 0, &mut time));
            world.settle();
        }
        for offset in [0, 1, 39, 40, 77, 120, 161, 200, 239] {
            let capsule = export(&world, CapsuleOf::Record(place("in", 0, offset))).unwrap();
            let report = run(&capsule, None);
            assert_eq!(report.verdict, CapsuleVerdict::Same, "{wasm} {offset}: {report:?}");
        }
    }
}

#[test]
fn a_window_that_cannot_fire_is_repeated_with_its_contents() {
    let world = World::new();
    world.deploy("windowed_contents", "[config]\nsize-ms = \"1000\"").unwrap();
    world.append(0, &[row("0-a", "1", 1), row("0-b", "2", 2), row("0-a", "oops", 3)]);
    world.settle();
    world.append(0, &[row("0-c", "9", 5_000)]);
    world.settle();
    let capsule = export(&world, CapsuleOf::NewestFault).unwrap();
    let report = run(&capsule, None);
    assert_eq!(report.verdict, CapsuleVerdict::Same, "{report:?}");
    let faults: Vec<_> = report.outcome.faults.iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(faults, ["window 0..1000 of key \"0-a\""]);
    assert!(!holds(&capsule, "0-c"), "the record that moved time is another call's");
}

#[test]
fn a_timer_that_cannot_fire_is_repeated_with_what_it_was_set_for() {
    let world = World::new();
    world.deploy("faulty", "").unwrap();
    world.append(0, &[row("0-a", "timer", 1), row("0-b", "timer", 2), row("0-c", "fine", 3)]);
    world.settle();
    world.append(0, &[row("0-d", "fine", 12)]);
    world.settle();
    let capsule = export(&world, CapsuleOf::NewestFault).unwrap();
    let report = run(&capsule, None);
    assert_eq!(report.verdict, CapsuleVerdict::Same, "{report:?}");
    let faults: Vec<_> = report.outcome.faults.iter().collect();
    assert_eq!(faults.len(), 1, "{report:?}");
    assert!(faults[0].place.starts_with("timer") && faults[0].place.contains("0-a"), "{faults:?}");
    assert!(faults[0].message.contains("panics on purpose"), "{faults:?}");
    assert!(!holds(&capsule, "0-d"), "the record that moved time is another call's");
}

#[test]
fn after_a_swap_the_capsule_is_of_the_version_that_failed() {
    let world = broken();
    world.deploy("deduplicate", "").unwrap();
    world.append(0, &[row("0-k", "5", 504)]);
    world.settle();
    assert_eq!(world.status().version, 2);
    let capsule = export(&world, CapsuleOf::NewestFault).unwrap();
    assert_eq!(head(&capsule).version, 1);
    assert_eq!(run(&capsule, None).verdict, CapsuleVerdict::Same);
    // Also after a restart.
    let world = world.reopen();
    let again = export(&world, CapsuleOf::NewestFault).unwrap();
    assert_eq!(run(&again, None), run(&capsule, None));
    let newer = export(&world, CapsuleOf::Record(place("in", 0, 504))).unwrap();
    assert_eq!(head(&newer).version, 2);
    assert_eq!(run(&newer, None).verdict, CapsuleVerdict::Same);
}

#[test]
fn a_function_that_halted_fails_in_the_same_way_at_the_same_record() {
    let world = World::new();
    world.deploy("running_stats", "[delivery]\non_poison = \"halt\"").unwrap();
    world.append(0, &[row("0-k", "1", 1), row("0-k", "oops", 2), row("0-k", "2", 3)]);
    world.wait_for("its stop", |world| world.status().error.is_some());
    assert_eq!(export(&world, CapsuleOf::NewestFault).unwrap_err().code, "E-CAPSULE-NONE");
    let capsule = export(&world, CapsuleOf::Record(place("in", 0, 1))).unwrap();
    assert!(!head(&capsule).is_recorded);
    let report = run(&capsule, None);
    assert_eq!(report.verdict, CapsuleVerdict::Same, "{report:?}");
    assert!(report.outcome.faults[0].place.contains("stopped before in:0:1: "), "{report:?}");
    let repaired = run(&capsule, Some(&module("deduplicate")));
    assert_eq!(repaired.verdict, CapsuleVerdict::Passes, "{repaired:?}");
}

#[test]
fn what_cannot_be_exported_says_why() {
    let world = World::new();
    let code = |world: &World, of| export(world, of).unwrap_err().code;
    assert_eq!(code(&world, CapsuleOf::NewestFault), "E-FUNCTION-UNKNOWN");
    world.deploy("running_stats", "").unwrap();
    assert_eq!(code(&world, CapsuleOf::NewestFault), "E-CAPSULE-NONE");
    assert_eq!(code(&world, CapsuleOf::Record(place("in", 0, 0))), "E-CAPSULE-RECORD");
    assert_eq!(code(&world, CapsuleOf::Record(place("in", 9, 0))), "E-CAPSULE-RECORD");
    assert_eq!(code(&world, CapsuleOf::Record(place("nowhere", 0, 0))), "E-TOPIC-UNKNOWN");
    world.append(0, &[row("0-k", "oops", 1), row("0-k", "1", 2)]);
    world.settle();
    let partition = u32::from(world.rows("f.dead", 0).is_empty());
    let letter = |offset| CapsuleOf::DeadLetter(place("f.dead", partition, offset));
    assert_eq!(code(&world, letter(1)), "E-DEAD-LETTER-NOT-FOUND");
    let record = CapsuleOf::DeadLetter(place("in", 0, 0));
    assert_eq!(code(&world, record), "E-CAPSULE-DEAD-LETTER");
    export(&world, letter(0)).unwrap();
    // Behind a rewind the decisions before it are gone.
    savepoint(&world, Some("s"));
    restore(&world, "s", NOW).unwrap();
    world.settle();
    assert_eq!(code(&world, letter(0)), "E-CAPSULE-GONE");
    assert_eq!(code(&world, CapsuleOf::Record(place("in", 0, 1))), "E-CAPSULE-GONE");
    // And what retention has removed cannot be in it.
    world.append(0, &[row("0-k", "oops", 3)]);
    world.settle();
    let journal = world.functions.node().journal();
    let mut retention = journal.topic("default/in").unwrap().config().retention;
    retention.time_ms = Some(0);
    journal.set_retention("default/in", retention, 0).unwrap();
    journal.clean(i64::MAX).unwrap();
    assert_eq!(code(&world, CapsuleOf::NewestFault), "E-CAPSULE-INPUT");
}
