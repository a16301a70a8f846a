//! The node stops at every step of a change to a pipeline, one after the other; then it starts again.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{PipelineId, Result, TenantId};
use pelton_server::functions::{Functions, PipelineRequest, PipelineState};
use pelton_server::{Action, Hooks, LoadOptions, Node, NodeConfig, Point};
use tokio::runtime::Runtime;

use super::support::{PATIENCE, SHORT, module, topic};

/// More steps than any change has.
const STEPS_MAX: i64 = 500;

fn pipeline() -> PipelineId {
    PipelineId::parse("p").unwrap()
}

/// A function that sends on what it gets, and one that leaves out what it has seen. Both are others in
/// each version; a third one, which copies the results, is in odd ones only.
fn manifest(version: u32) -> String {
    let third = "[[functions.c.input]]\ntopic = \"out\"\nidle_timeout = \"1ms\"\n\
                 [[functions.c.output]]\nname = \"out\"\ntopic = \"copy\"\n";
    let third = if version % 2 == 1 { third } else { "" };
    format!(
        "[pipeline]\nname = \"p\"\n[[topic]]\nname = \"mid\"\ninternal = true\n\
         [functions.a.config]\nversion = {version}\n\
         [[functions.a.input]]\ntopic = \"in\"\nidle_timeout = \"1ms\"\n\
         [[functions.a.output]]\nname = \"out\"\ntopic = \"mid\"\n\
         [functions.b.config]\nwindow-ms = {}\n\
         [[functions.b.input]]\ntopic = \"mid\"\nidle_timeout = \"1ms\"\n\
         [[functions.b.output]]\nname = \"out\"\ntopic = \"out\"\n{third}",
        3_600_000 + version
    )
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

    fn deploy(&self, version: u32) -> Result<()> {
        let upload = |name| self.runtime.block_on(self.functions.upload(module(name)));
        let mut modules = BTreeMap::from([
            ("a".to_owned(), upload("faulty")?),
            ("b".to_owned(), upload("deduplicate")?),
        ]);
        if version % 2 == 1 {
            modules.insert("c".to_owned(), upload("faulty")?);
        }
        let request = PipelineRequest {
            tenant: TenantId::default(),
            manifest: manifest(version),
            modules,
            dry_run: false,
            wait: SHORT,
        };
        self.runtime.block_on(self.functions.deploy_pipeline(request)).map(drop)
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

    /// Ends as a process does that is killed: nothing is drained or waited for.
    fn kill(self) {
        self.runtime.shutdown_background();
    }

    /// Lets the background work go on until `holds`.
    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "{what}");
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(2)).await });
        }
    }

    /// All that was read has been written once, in order.
    fn settle(&self) {
        self.wait_until("the output", || {
            self.functions.node().sync().unwrap();
            let (mut seen, input) = (HashSet::new(), self.values("in"));
            let expected: Vec<_> = input.into_iter().filter(|v| seen.insert(v.clone())).collect();
            self.values("out") == expected
        });
    }
}

/// What is done to a pipeline while its topic gets records.
struct Change {
    /// Whether version 1 is deployed before.
    deployed: bool,
    run: fn(&World) -> Result<()>,
    /// Whether it is gone behind the change.
    removes: bool,
}

fn stop_at_every_step(change: &Change) {
    for step in 0..STEPS_MAX {
        let directory = tempfile::tempdir().unwrap();
        let world = World::open(directory.path());
        for name in ["in", "out"] {
            world.functions.node().ensure_topic(&topic(name), 1).unwrap();
        }
        if change.deployed {
            world.deploy(1).unwrap();
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
        check_after(directory.path(), change, step);
        if complete {
            assert!(step > 4, "a change has steps");
            return;
        }
    }
    panic!("a change of more than {STEPS_MAX} steps");
}

/// A new node finds the pipeline whole: one version of all functions, or none.
fn check_after(directory: &Path, change: &Change, step: i64) {
    let world = World::open(directory);
    let status = || world.runtime.block_on(world.functions.pipeline_status(&pipeline()));
    let settled = || match world.functions.pipeline_record(&pipeline()) {
        Ok(record) => record.is_settled(),
        Err(_) => true,
    };
    world.wait_until("what was begun", settled);
    match status() {
        Ok(status) => {
            let runs = [PipelineState::Running, PipelineState::OnTrial].contains(&status.state);
            assert!(runs, "step {step}: {status:?}");
            let of_version: Vec<_> = status.functions.into_iter().map(|f| f.function).collect();
            for record in world.functions.records().unwrap() {
                assert!(of_version.contains(&record.function), "step {step}: {}", record.function);
            }
        }
        Err(error) => {
            assert_eq!(error.code, "E-PIPELINE-UNKNOWN");
            assert!(!change.deployed || change.removes, "step {step}: it was there before");
            assert!(world.functions.records().unwrap().is_empty(), "step {step}");
            world.deploy(1).unwrap();
        }
    }
    world.append(&["d", "e", "a"]);
    world.settle();
    world.deploy(2).unwrap();
    world.append(&["e", "f"]);
    world.settle();
    world.runtime.block_on(world.functions.drain());
}

#[test]
fn a_first_deployment() {
    stop_at_every_step(&Change { deployed: false, removes: false, run: |world| world.deploy(1) });
}

#[test]
fn another_version() {
    stop_at_every_step(&Change { deployed: true, removes: false, run: |world| world.deploy(2) });
}

#[test]
fn a_rollback() {
    let run = |world: &World| {
        if world.functions.pipeline_record(&pipeline())?.active == 1 {
            world.deploy(2)?;
        }
        let pipeline = pipeline();
        let back = world.functions.rollback_pipeline(&pipeline, Some(1), SHORT);
        world.runtime.block_on(back).map(drop)
    };
    stop_at_every_step(&Change { deployed: true, removes: false, run });
}

#[test]
fn a_removal_that_keeps_state() {
    let run =
        |world: &World| world.runtime.block_on(world.functions.remove_pipeline(&pipeline(), true));
    stop_at_every_step(&Change { deployed: true, removes: true, run });
}
