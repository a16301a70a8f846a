//! The node stops at every step of a change to a function, one after the other; then it starts again.
//! What a journal does from a fail point on is what a `kill -9` leaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, Result, TenantId, TopicName};
use pelton_server::functions::{DeployRequest, FunctionState, Functions};
use pelton_server::{Action, Hooks, LoadOptions, Node, NodeConfig, Point};
use tokio::runtime::Runtime;

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A trial without records goes on behind the answer.
const SHORT: Duration = Duration::from_millis(20);
/// More steps than any change has.
const STEPS_MAX: i64 = 500;
/// Versions of a function that forgets what it has seen after a time: the time makes them differ.
const VERSIONS: [&str; 2] = ["3600000", "7200000"];

fn module() -> Bytes {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target");
    let path = root.join("wasm32-unknown-unknown/release/deduplicate.wasm");
    std::fs::read(&path).unwrap().into()
}

fn function() -> FunctionId {
    FunctionId::parse("f").unwrap()
}

fn request(version: usize, topics: &[&str]) -> DeployRequest {
    let mut manifest = "[function]\nname = \"f\"\n".to_owned();
    for topic in topics {
        manifest.push_str(&format!(
            "[[input]]\ntopic = \"{topic}\"\npartitions = 1\nidle_timeout = \"1ms\"\n"
        ));
    }
    manifest.push_str("[[output]]\nname = \"out\"\ntopic = \"out\"\n[config]\n");
    manifest.push_str(&format!("window-ms = \"{}\"\n", VERSIONS[version]));
    let wait = SHORT;
    DeployRequest { tenant: TenantId::default(), manifest, wasm: module(), dry_run: false, wait }
}

/// A node with its functions; `step` is counted down at each fail point, and 0 stops the journal.
struct World {
    runtime: Runtime,
    functions: Arc<Functions>,
    step: Arc<AtomicI64>,
}

impl World {
    fn open(directory: &Path) -> Self {
        let step = Arc::new(AtomicI64::new(i64::MAX));
        let of_hook = Arc::clone(&step);
        let mut config = NodeConfig::new(directory, LoadOptions::in_process());
        config.segment_bytes = 16 << 20;
        config.load.engine.pooled_instances = 0;
        config.hooks = Hooks::new(move |point| match of_hook.fetch_sub(1, Ordering::SeqCst) {
            0 if point == Point::AppendBefore => Action::Torn(17),
            0 => Action::Stop,
            _ => Action::Continue,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let functions = Functions::new(Arc::new(Node::open(config).unwrap()));
        runtime.block_on(functions.start_all()).unwrap();
        Self { runtime, functions, step }
    }

    fn deploy(&self, version: usize, topics: &[&str]) -> Result<()> {
        let done = self.runtime.block_on(self.functions.deploy(request(version, topics)));
        done.map(drop)
    }

    fn append(&self, records: &[&str]) {
        let mut builder = RecordsBuilder::new();
        for record in records {
            builder.push(Some(record.as_bytes()), Some(record.as_bytes()), 0);
        }
        // A journal that has stopped takes nothing.
        let _ = self.functions.node().append(&topic("in"), 0, &mut builder);
    }

    fn values(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        for batch in self.functions.node().read(&topic(name), 0) {
            let (_, bytes) = batch.unwrap();
            for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                values.push(String::from_utf8_lossy(record.value().unwrap()).into_owned());
            }
        }
        values
    }

    /// All that was read has been written once, in order.
    fn settle(&self) {
        let start = Instant::now();
        loop {
            self.functions.node().sync().unwrap();
            let (mut seen, input) = (HashSet::new(), self.values("in"));
            let expected: Vec<_> = input.into_iter().filter(|v| seen.insert(v.clone())).collect();
            let found = self.values("out");
            if found == expected {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{found:?}, expected {expected:?}");
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    /// Ends as a process does that is killed: nothing is drained or waited for.
    fn kill(self) {
        self.runtime.shutdown_background();
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// What is done to a function while its topic gets records.
struct Change {
    /// Whether it is deployed before, with version 0.
    deployed: bool,
    /// Whether it may be found paused.
    pauses: bool,
    run: fn(&World) -> Result<()>,
}

/// Stops at each step of `change` in turn; each time a new node finds the function whole: before
/// the change or behind it, with its state, and the change can be made (again).
fn stop_at_every_step(change: &Change) {
    for step in 0..STEPS_MAX {
        let directory = tempfile::tempdir().unwrap();
        let world = World::open(directory.path());
        world.functions.node().ensure_topic(&topic("in"), 1).unwrap();
        world.functions.node().ensure_topic(&topic("out"), 1).unwrap();
        world.functions.node().ensure_topic(&topic("more"), 1).unwrap();
        if change.deployed {
            world.deploy(0, &["in"]).unwrap();
        }
        world.append(&["a", "b", "a"]);
        if change.deployed {
            world.settle();
        }
        world.step.store(step, Ordering::SeqCst);
        world.append(&["b", "c"]);
        let done = (change.run)(&world);
        world.append(&["c", "d"]);
        let complete = world.step.load(Ordering::SeqCst) >= 0;
        world.step.store(i64::MAX, Ordering::SeqCst);
        assert!(done.is_ok() || !complete, "step {step}: {done:?}");
        world.kill();
        check_after(directory.path(), change);
        if complete {
            assert!(step > 2, "a change has steps");
            return;
        }
    }
    panic!("a change of more than {STEPS_MAX} steps");
}

fn check_after(directory: &Path, change: &Change) {
    let world = World::open(directory);
    match world.runtime.block_on(world.functions.status(&function())) {
        Ok(status) if status.state == FunctionState::Paused => {
            assert!(change.pauses, "{status:?}");
            world.runtime.block_on(world.functions.resume(&function())).unwrap();
        }
        Ok(status) => {
            let runs = [FunctionState::Running, FunctionState::OnTrial].contains(&status.state);
            assert!(runs, "{status:?}");
        }
        Err(error) => {
            assert_eq!(error.code, "E-FUNCTION-UNKNOWN");
            assert!(!change.deployed, "it was there before");
            world.deploy(0, &["in"]).unwrap();
        }
    }
    world.append(&["d", "e", "a"]);
    world.settle();
    (change.run)(&world).unwrap();
    world.append(&["e", "f"]);
    world.settle();
    world.runtime.block_on(world.functions.drain());
}

#[test]
fn a_first_deployment() {
    stop_at_every_step(&Change {
        deployed: false,
        pauses: false,
        run: |world| world.deploy(0, &["in"]),
    });
}

#[test]
fn a_live_swap() {
    stop_at_every_step(&Change {
        deployed: true,
        pauses: false,
        run: |world| world.deploy(1, &["in"]),
    });
}

#[test]
fn a_deployment_that_reads_another_topic_as_well() {
    stop_at_every_step(&Change {
        deployed: true,
        pauses: false,
        run: |world| world.deploy(1, &["in", "more"]),
    });
}

#[test]
fn a_pause_and_its_end() {
    let run = |world: &World| {
        world.runtime.block_on(world.functions.pause(&function()))?;
        world.runtime.block_on(world.functions.resume(&function()))
    };
    stop_at_every_step(&Change { deployed: true, pauses: true, run });
}

/// Partitions of the topic of a function that is removed.
const PARTITIONS: u32 = 3;

/// How many records `out` has, once everything is read.
fn outputs_at_rest(world: &World) -> usize {
    let start = Instant::now();
    loop {
        let status = world.runtime.block_on(world.functions.status(&function())).unwrap();
        let read = status.tasks.len() == PARTITIONS as usize && status.lag == 0;
        if read {
            let count = |partition| -> usize {
                let batches = world.functions.node().read(&topic("out"), partition);
                batches.map(|batch| Batch::parse(&batch.unwrap().1).unwrap().rows()).sum()
            };
            world.functions.node().sync().unwrap();
            return (0..PARTITIONS).map(count).sum();
        }
        assert!(start.elapsed() < PATIENCE, "{status:?}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// What a removal that was cut short at `step` leaves: everything, or nothing that a function of the
/// same name takes up. Answers whether it was cut short at all.
fn remove_until(step: i64) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let world = World::open(directory.path());
    for name in ["in", "out"] {
        world.functions.node().ensure_topic(&topic(name), PARTITIONS).unwrap();
    }
    world.deploy(0, &["in"]).unwrap();
    for partition in 0..PARTITIONS {
        let mut builder = RecordsBuilder::new();
        builder.push(Some(b"a"), Some(b"a"), 0);
        world.functions.node().append(&topic("in"), partition, &mut builder).unwrap();
    }
    assert_eq!(outputs_at_rest(&world), PARTITIONS as usize);
    world.runtime.block_on(world.functions.savepoint(&function(), None)).unwrap();
    world.step.store(step, Ordering::SeqCst);
    let done = world.runtime.block_on(world.functions.remove(&function(), false));
    let complete = world.step.load(Ordering::SeqCst) >= 0;
    world.step.store(i64::MAX, Ordering::SeqCst);
    assert!(done.is_ok() || !complete, "step {step}: {done:?}");
    world.kill();

    let world = World::open(directory.path());
    let is_there = world.functions.record(&function()).is_ok();
    assert!(!is_there || !complete, "step {step}: it was removed");
    if !is_there {
        world.deploy(0, &["in"]).unwrap();
    }
    // Who begins anew reads everything again.
    let lives = if is_there { 1 } else { 2 };
    assert_eq!(outputs_at_rest(&world), lives * PARTITIONS as usize, "step {step}");
    let savepoints = world.functions.savepoints(&function()).unwrap().len();
    assert_eq!(savepoints, usize::from(is_there), "step {step}");
    world.runtime.block_on(world.functions.drain());
    !complete
}

#[test]
fn a_removal_takes_the_state_of_all_partitions_or_of_none() {
    let steps = (0..STEPS_MAX).take_while(|step| remove_until(*step)).count();
    assert!(steps > 1, "a removal has steps");
}
