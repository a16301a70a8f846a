//! Savepoints: made while a function goes on, kept, bounded, and gone back to.

use pelton_server::functions::{
    AUTOMATIC_SAVEPOINTS_MAX, EventKind, FunctionState, RestoreReport, RestoreRequest,
    SAVEPOINTS_MAX, Savepoint,
};

use crate::support::{PARTITIONS, Row, World, function};

pub(crate) const NOW: RestoreRequest = RestoreRequest { with_code: false, dry_run: false };

/// Numbers that repeat: splitmix64 (Steele, Lea, Flood 2014).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) % end
    }
}

/// Records of a few keys of a partition, a little out of order, from `time` on.
pub(crate) fn records(numbers: &mut Numbers, partition: u32, time: &mut i64) -> Vec<Row> {
    let row = |_| {
        *time += numbers.below(400) as i64;
        let at = *time - numbers.below(300) as i64;
        (format!("{partition}-{}", numbers.below(5)), numbers.below(100).to_string(), at)
    };
    (0..40).map(row).collect()
}

pub(crate) fn savepoint(world: &World, name: Option<&str>) -> Savepoint {
    world.runtime.block_on(world.functions.savepoint(&function(), name)).unwrap()
}

pub(crate) fn restore(
    world: &World,
    name: &str,
    request: RestoreRequest,
) -> pelton_core::Result<RestoreReport> {
    world.runtime.block_on(world.functions.restore(&function(), name, request))
}

/// Functions with state and timers, with windows and panes, with random numbers and saved memory.
pub(crate) const FUNCTIONS: [(&str, &str); 3] = [
    ("session_timer", "[config]\ngap-ms = \"500\""),
    (
        "windowed_count",
        "[config]\nsize-ms = \"1000\"\n[[output]]\nname = \"late\"\ntopic = \"late\"",
    ),
    ("reservoir", ""),
];

#[test]
fn records_behind_a_savepoint_give_the_same_outputs_again_whatever_came_before() {
    for (wasm, more) in FUNCTIONS {
        for seed in 0..3 {
            let world = World::new();
            world.deploy(wasm, more).unwrap();
            let mut numbers = Numbers(seed);
            let mut times = [0; PARTITIONS as usize];
            let rounds = 1 + numbers.below(4);
            for round in 0..rounds * 2 {
                for partition in 0..PARTITIONS {
                    let time = &mut times[partition as usize];
                    world.append(partition, &records(&mut numbers, partition, time));
                }
                if round + 1 == rounds {
                    world.settle();
                    savepoint(&world, Some("here"));
                }
            }
            world.settle();
            let outputs = |world: &World| {
                [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(task, to)| world.outputs_to(task, to))
            };
            let first = outputs(&world);
            let world = world.reopen();
            let report = restore(&world, "here", NOW).unwrap();
            world.settle();
            let second = outputs(&world);
            let mut repeated = 0;
            for (first, second) in first.iter().zip(&second) {
                let again = &second[first.len()..];
                assert_eq!(&second[..first.len()], first);
                assert!(first.ends_with(again), "{wasm} {seed}: {again:?} after {first:?}");
                repeated += again.len() as u64;
            }
            let late = |world: &World| (0..2).map(|p| world.rows("late", p).len()).sum::<usize>();
            if wasm != "windowed_count" || late(&world) == 0 {
                assert_eq!(report.outputs_repeated, repeated, "{wasm} {seed}");
            }
            assert!(wasm != "session_timer" || repeated > 0, "the test shows something");
        }
    }
}

#[test]
fn savepoints_outlive_a_restart_and_a_pause_and_are_bounded() {
    let world = World::new();
    world.deploy("deduplicate", "").unwrap();
    world.append(0, &[("a".into(), "1".into(), 0)]);
    world.settle();
    let first = savepoint(&world, None);
    assert_eq!((&*first.name, first.version, first.automatic), ("sp-1", 1, false));
    assert_eq!(first.tasks[0].positions[0].next, 1);
    world.runtime.block_on(world.functions.pause(&function())).unwrap();
    let paused = savepoint(&world, Some("paused"));
    let places = |savepoint: &Savepoint| -> Vec<_> {
        let tasks = savepoint.tasks.iter();
        tasks.map(|task| (task.positions.clone(), task.sequence, task.watermark_ms)).collect()
    };
    assert_eq!(places(&paused), places(&first));
    let world = world.reopen();
    assert_eq!(world.functions.savepoints(&function()).unwrap(), [first, paused]);
    let fails = |name: &str, code: &str| {
        let made = world.runtime.block_on(world.functions.savepoint(&function(), Some(name)));
        assert_eq!(made.unwrap_err().code, code);
    };
    fails("paused", "E-SAVEPOINT-EXISTS");
    fails("before-v1", "E-SAVEPOINT-NAME");
    fails("a/b", "E-SAVEPOINT-NAME");
    (2..SAVEPOINTS_MAX).for_each(|_| drop(savepoint(&world, None)));
    fails("one-more", "E-SAVEPOINT-LIMIT");
    let id = function();
    world.runtime.block_on(world.functions.remove_savepoint(&id, "paused")).unwrap();
    savepoint(&world, Some("one-more"));
    let gone = world.runtime.block_on(world.functions.remove_savepoint(&id, "paused"));
    assert_eq!(gone.unwrap_err().code, "E-SAVEPOINT-UNKNOWN");
    // A paused function is rewound where it stands.
    restore(&world, "sp-1", NOW).unwrap();
    assert_eq!(world.status().state, FunctionState::Paused);
    // Its state is still there behind a removal of others, and gone with the function.
    let journal = world.functions.node().journal();
    assert_eq!(journal.artefacts().unwrap().len(), 5, "the module, two tasks twice");
    world.runtime.block_on(world.functions.remove(&id, false)).unwrap();
    assert!(journal.artefacts().unwrap().is_empty() && journal.entries("savepoint/").is_empty());
}

#[test]
fn a_swap_leaves_a_savepoint_to_come_back_to_with_the_code() {
    let world = World::new();
    world.deploy("deduplicate", "").unwrap();
    world.append(0, &[("a".into(), "1".into(), 0)]);
    world.settle();
    world.deploy("deduplicate", "[config]\nwindow-ms = \"7\"").unwrap();
    world.append(0, &[("b".into(), "2".into(), 1), ("a".into(), "3".into(), 2)]);
    world.settle();
    assert_eq!(world.rows("out", 0).len() + world.rows("out", 1).len(), 2);
    let check = RestoreRequest { with_code: true, dry_run: true };
    let report = restore(&world, "before-v2", check).unwrap();
    assert_eq!((report.version, report.before, report.outputs_repeated), (1, 2, 1));
    assert_eq!(world.status().version, 2);
    restore(&world, "before-v2", RestoreRequest { with_code: true, dry_run: false }).unwrap();
    world.settle();
    assert_eq!(world.status().version, 1);
    assert_eq!(world.rows("out", 0).len() + world.rows("out", 1).len(), 3);
    let record = world.functions.record(&function()).unwrap();
    let last = record.events.last().unwrap();
    assert_eq!((last.kind, last.version), (EventKind::Rewound, 1));
    // The newest few are kept.
    for window in 8..8 + AUTOMATIC_SAVEPOINTS_MAX {
        world.deploy("deduplicate", &format!("[config]\nwindow-ms = \"{window}\"")).unwrap();
    }
    let names: Vec<_> = world.functions.savepoints(&function()).unwrap();
    let names: Vec<_> = names.iter().map(|savepoint| &*savepoint.name).collect();
    assert_eq!(names, ["before-v3", "before-v4", "before-v5"]);
}

#[test]
fn a_swap_that_fails_its_trial_leaves_no_savepoint() {
    let world = World::new();
    world.deploy("faulty", "").unwrap();
    world.deploy("faulty", "[config]\nmode = \"trap\"").unwrap();
    assert_eq!(world.functions.savepoints(&function()).unwrap().len(), 1);
    world.append(0, &[("a".into(), "1".into(), 0)]);
    world.wait_for("the way back", |world| world.status().version == 1);
    world.wait_for("no savepoint", |world| {
        world.functions.savepoints(&function()).unwrap().is_empty()
    });
}

#[test]
fn what_cannot_be_read_again_is_refused_and_nothing_changes() {
    let world = World::new();
    world.deploy("deduplicate", "").unwrap();
    world.append(0, &[("a".into(), "1".into(), 0)]);
    savepoint(&world, Some("old"));
    world.append(0, &[("b".into(), "1".into(), 1)]);
    world.settle();
    let before = world.status();
    let refused = |code: &str| {
        let error = restore(&world, "old", NOW).unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert_eq!(world.status().tasks, before.tasks);
        error.to_string()
    };
    let unknown = restore(&world, "other", NOW).unwrap_err();
    assert_eq!(unknown.code, "E-SAVEPOINT-UNKNOWN");
    let journal = world.functions.node().journal();
    let mut retention = journal.topic("default/in").unwrap().config().retention;
    retention.time_ms = Some(0);
    journal.set_retention("default/in", retention, 0).unwrap();
    journal.clean(i64::MAX).unwrap();
    let text = refused("E-SAVEPOINT-INPUT");
    assert!(text.contains("default/in 0:") && text.contains("retention"), "{text}");
}
