//! How long a task stands still while a snapshot of its state is taken.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};
use pelton_core::{FunctionId, TaskId, TopicPartition};
use pelton_engine::{
    GuestPool, InputConfig, NoTelemetry, OutputTopic, Parts, Step, Task, TaskConfig,
};
use pelton_journal::Visibility;
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_server::SyncMode;

use super::Size;
use super::rig::{Rig, topic};
use crate::guests;
use crate::measure::{Cost, Cpu, cost, percentile};
use crate::table::{Amount, Line};
use crate::workload::{BATCH, Numbers, Owned, key};

/// Steps of 1,000 records at a time that are taken behind a snapshot, to see it folded back.
const STEPS_BEHIND: usize = 400;

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let keys = size.pick(5_000, 1_000_000, 10_000_000);
    let rig = Rig::new(SyncMode::None, 10)?;
    let mut task = task(&rig)?;
    fill(&rig, &mut task, keys)?;
    let mut numbers = Numbers::new(4);
    let quiet =
        steps(&rig, &mut task, &mut numbers, keys, size.pick(20, STEPS_BEHIND, STEPS_BEHIND))?;
    let mut busy = Vec::new();
    for _ in 0..size.pick(1, 5, 5) {
        busy.extend(one_snapshot(&rig, &mut task, &mut numbers, keys, size)?);
    }
    let line = |what: &str, of: fn(&Cost) -> f64, share: f64| {
        let of = |costs: &[Cost]| percentile(costs.iter().map(of).collect(), share);
        let (ours, native) = (of(&busy), of(&quiet));
        let keys = keys as f64 / 1e6;
        let what = format!("step of 1,000 records, {what}, while {keys} M keys are snapshot");
        Line::alone("snapshot", what, Amount::new(ours, "ns"))
            .beside(Amount::new(native, "ns"), ours / native)
    };
    Ok(vec![
        line("p99", |cost| cost.wall_ns, 0.99).held_to("20 ms", "5 ms"),
        line("longest", |cost| cost.wall_ns, 1.0),
        // Without the time that the scheduler gave to the thread that writes the snapshot.
        line("longest by CPU time", |cost| cost.cpu_ns, 1.0),
    ])
}

/// A task that counts by key, without a worker: the bench takes its steps.
fn task(rig: &Rig) -> Result<Task> {
    let factory = rig.load(guests::KEYED_COUNT, &rig.spec(&[], &["out"])?)?;
    let input = InputConfig::new(TopicPartition::local(topic("in")?, 0));
    let id = TaskId { function: FunctionId::parse("bench")?, partition: 0 };
    let mut config = TaskConfig::new(id, vec![input], factory.declaration().clone());
    config.outputs = vec![OutputTopic { topic: topic("out")?, partitions: 1, compacted: false }];
    config.limits.set("state_bytes", 16 << 30)?;
    // Snapshots come when the bench says so.
    config.snapshot_after_bytes = u64::MAX;
    let (journal, clock) = (rig.node.journal(), rig.node.clock());
    let parts = Parts {
        config,
        source: Box::new(JournalSource::new(Arc::clone(journal), Visibility::Appended)),
        sink: Box::new(JournalSink::new(Arc::clone(journal), Arc::clone(clock))),
        pool: GuestPool::new(factory),
        clock: Arc::clone(clock),
        telemetry: Arc::new(NoTelemetry),
        peers: None,
    };
    Ok(pollster::block_on(Task::start(parts))?)
}

fn batch(keys: impl Iterator<Item = u64>) -> Vec<Owned> {
    keys.map(|number| Owned { key: key(number), value: vec![b'x'; 100], timestamp: 0 }).collect()
}

fn step(task: &mut Task) -> Result<()> {
    let step = pollster::block_on(task.step())?;
    ensure!(step == Step::Worked, "the task had nothing to do: {step:?}");
    Ok(())
}

/// Gives the task every key once.
fn fill(rig: &Rig, task: &mut Task, keys: u64) -> Result<()> {
    for first in (0..keys).step_by(BATCH) {
        rig.append(&batch(first..(first + BATCH as u64).min(keys)))?;
        step(task)?;
    }
    Ok(())
}

/// What steps over a batch of any keys take.
fn steps(
    rig: &Rig,
    task: &mut Task,
    numbers: &mut Numbers,
    keys: u64,
    count: usize,
) -> Result<Vec<Cost>> {
    (0..count).map(|_| timed_step(rig, task, numbers, keys, false)).collect()
}

fn timed_step(
    rig: &Rig,
    task: &mut Task,
    numbers: &mut Numbers,
    keys: u64,
    begin: bool,
) -> Result<Cost> {
    rig.append(&batch((0..BATCH).map(|_| numbers.below(keys))))?;
    let (cost, done) = cost(Cpu::Thread, || {
        if begin {
            task.begin_snapshot();
        }
        step(task)
    });
    done.map(|()| cost)
}

/// What steps take from the one that freezes the state until it is folded back.
fn one_snapshot(
    rig: &Rig,
    task: &mut Task,
    numbers: &mut Numbers,
    keys: u64,
    size: Size,
) -> Result<Vec<Cost>> {
    let taken = Arc::clone(task.counters());
    let before = taken.snapshots.load(Ordering::Relaxed);
    let mut times = vec![timed_step(rig, task, numbers, keys, true)?];
    while taken.snapshots.load(Ordering::Relaxed) == before {
        times.push(timed_step(rig, task, numbers, keys, false)?);
    }
    let behind = times.len() + size.pick(5, STEPS_BEHIND / 4, STEPS_BEHIND / 4);
    times.extend(steps(rig, task, numbers, keys, behind)?);
    Ok(times)
}
