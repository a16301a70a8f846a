//! Versions that come and go, crashes, faults and full disks: the same output as if there had been
//! one version all the time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use pelton_core::StoreKind;
use pelton_engine::{GuestPool, Replacement, Step, Task, TaskConfig};
use proptest::prelude::*;
use support::functions::*;
use support::{Native, Row, World};

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    /// So many steps.
    Steps(usize),
    /// The next rows come in.
    Records(usize),
    /// Code of this version takes over.
    Deploy(u32),
    /// The process dies and starts again.
    Crash,
    /// The disk is full for so many steps.
    Full(usize),
    Snapshot,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..30_usize).prop_map(Event::Steps),
        4 => (1..20_usize).prop_map(Event::Records),
        2 => (1..4_u32).prop_map(Event::Deploy),
        1 => Just(Event::Crash),
        1 => (1..4_usize).prop_map(Event::Full),
        1 => Just(Event::Snapshot),
    ]
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0..12_usize, 0..9_i64);
    let row = row.prop_map(|(key, value)| (Some(format!("k{key}")), Some(value.to_string()), 1));
    proptest::collection::vec(row, 1..150)
}

struct Run {
    world: World,
    kind: StoreKind,
    seed: u64,
    batch: u64,
}

impl Run {
    /// Code of a version, that migrates from all others and fails now and then.
    fn function(&self, version: u32) -> Native {
        let from: Vec<u32> = (1..4).filter(|other| *other != version).collect();
        let how = Versioned { kind: self.kind, ..Versioned::new(version, &from) };
        shaky(&versioned_sums(&how), self.seed)
    }

    fn config(&self, function: &Native) -> TaskConfig {
        let mut config = self.world.config(function, &[("in", 0)]);
        config.limits.set("batch_records", self.batch).unwrap();
        config.retry.attempts_max = 1_000;
        config.bounded = false;
        config.idle_timeout_ms = i64::MAX;
        config
    }

    fn start(&self, version: u32) -> Task {
        let function = self.function(version);
        let config = self.config(&function);
        self.world.start(&function, config)
    }

    fn steps(&self, task: &mut Task, steps: usize) {
        for _ in 0..steps {
            match pollster::block_on(task.step()).unwrap() {
                Step::Wait { until_ms } => self.world.clock.set(until_ms),
                Step::Idle { .. } => return,
                _ => {}
            }
        }
    }

    fn deploy(&self, task: &mut Task, version: u32) {
        let function = self.function(version);
        let config = self.config(&function);
        let pool = GuestPool::new(Arc::new(function));
        // Refused only while a commit waits: then it is not tried again here.
        let _ = task.replace(Replacement { config: Arc::new(config), pool });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn versions_crashes_and_faults_change_no_byte_of_output(
        rows in rows(),
        events in proptest::collection::vec(event(), 1..25),
        ordered in any::<bool>(),
        seed in any::<u64>(),
        batch in 1..40_u64,
    ) {
        let calm = World::new();
        calm.append("in", &rows, &[1_000]);
        calm.run(&sums(), &[("in", 0)]);
        let kind = if ordered { StoreKind::Ordered } else { StoreKind::Kv };
        let run = Run { world: World::new(), kind, seed, batch };
        let (mut version, mut rest) = (1, &rows[..]);
        let mut task = run.start(version);
        for event in events {
            match event {
                Event::Steps(steps) => run.steps(&mut task, steps),
                Event::Records(count) => {
                    let (now, later) = rest.split_at(count.min(rest.len()));
                    run.world.append("in", now, &[7]);
                    rest = later;
                }
                Event::Deploy(next) => {
                    version = next;
                    run.deploy(&mut task, next);
                }
                Event::Crash => {
                    drop(task);
                    task = run.start(version);
                }
                Event::Full(steps) => {
                    run.world.log.set_full(true);
                    run.steps(&mut task, steps);
                    run.world.log.set_full(false);
                }
                Event::Snapshot => task.begin_snapshot(),
            }
        }
        run.world.append("in", rest, &[11]);
        run.steps(&mut task, usize::MAX);
        drop(task);
        let mut task = run.start(version);
        run.steps(&mut task, usize::MAX);
        prop_assert_eq!(task.unmigrated(), 0);
        prop_assert_eq!(run.world.rows("out"), calm.rows("out"));
        prop_assert!(run.world.rows("dead").is_empty());
        let stored = task.state().list(0, b"", usize::MAX).unwrap();
        prop_assert!(stored.iter().all(|(_, entry)| entry.schema == version));
    }
}
