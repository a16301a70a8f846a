//! Making the call of a capsule: on a worker, over records that are in memory, committed nowhere.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use pelton_core::{
    BoxFuture, Clock, Commit, Committed, Domain, Error, Fault, Fetch, LogLevel, ManualClock,
    Recovered, Result, Sink, SnapshotWriter, Source, Start, TaskId, TaskMeta, TaskRecord,
    TopicName, TopicPartition,
};
use pelton_engine::{OnPoison, Parts, Repeat, Replacement, Task, Telemetry, Touched};
use pelton_journal::Journal;
use tokio::sync::Semaphore;

use super::super::replay::live;
use super::outcome::{CapsuleFault, Outcome};
use crate::functions::lock;
use crate::node::Node;
use crate::workers::yield_now;

/// Log lines that are kept of a call.
const LINES_MAX: usize = 1_000;

/// What a task begins with.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) snapshot: Option<Bytes>,
    pub(super) tail: Vec<TaskRecord>,
    pub(super) fetches: Vec<VecDeque<Fetch>>,
}

/// What a call did.
#[derive(Default)]
pub(super) struct Executed {
    pub(super) outcome: Outcome,
    /// Faults of all tries, those that were made again in smaller parts too.
    pub(super) faults: Vec<Fault>,
    pub(super) lines: Vec<(LogLevel, String)>,
    pub(super) changes: Vec<Bytes>,
    pub(super) touched: Touched,
    /// Why the task stopped, where it did.
    pub(super) stopped: Option<Error>,
}

/// What is heard while the call is made.
#[derive(Default)]
struct Heard {
    faults: Vec<Fault>,
    lines: Vec<(LogLevel, String)>,
    batches: Vec<(TopicName, u32, Bytes)>,
    changes: Vec<Bytes>,
}

#[derive(Default, Clone)]
struct Ear(Arc<Mutex<Heard>>);

impl Telemetry for Ear {
    fn log(&self, _: &TaskId, level: LogLevel, message: &str) {
        let mut heard = lock(&self.0);
        if heard.lines.len() < LINES_MAX {
            heard.lines.push((level, message.to_owned()));
        }
    }

    fn counter(&self, _: &TaskId, _: &str, _: f64) {}

    fn gauge(&self, _: &TaskId, _: &str, _: f64) {}

    fn fault(&self, _: &TaskId, fault: &Fault, _: usize) {
        lock(&self.0).faults.push(fault.clone());
    }
}

struct MemorySink {
    recovered: Option<Recovered>,
    partitions: BTreeMap<TopicName, u32>,
    ear: Ear,
    commits: u64,
}

impl Sink for MemorySink {
    fn load<'a>(&'a mut self, _: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        let nothing = || Recovered { snapshot: None, tail: Vec::new(), sequence: 0 };
        let recovered = self.recovered.take().unwrap_or_else(nothing);
        Box::pin(std::future::ready(Ok(recovered)))
    }

    fn partitions(&mut self, topic: &TopicName) -> Result<Option<u32>> {
        Ok(self.partitions.get(topic).copied())
    }

    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        let mut heard = lock(&self.ear.0);
        let outputs = commit.outputs.iter();
        heard.batches.extend(outputs.map(|o| (o.topic.clone(), o.partition, o.batch.clone())));
        heard.changes.push(commit.record.changes.clone());
        drop(heard);
        self.commits += 1;
        Box::pin(std::future::ready(Ok(Committed { sequence: self.commits })))
    }

    fn durable(&self) -> u64 {
        self.commits
    }

    fn snapshot(
        &mut self,
        _: &TaskId,
        _: u64,
        _: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

struct MemorySource(Vec<(u64, VecDeque<Fetch>)>);

impl Source for MemorySource {
    fn assign(&mut self, inputs: &[(TopicPartition, Start)]) -> Result<()> {
        let mut given = std::mem::take(&mut self.0).into_iter();
        self.0 = inputs
            .iter()
            .map(|(_, start)| {
                let (_, fetches) = given.next().unwrap_or_default();
                let first = fetches.front().map(|fetch| fetch.offsets.get(0));
                let at = match start {
                    Start::Offset(at) => *at,
                    _ => first.unwrap_or_default(),
                };
                (at, fetches)
            })
            .collect();
        Ok(())
    }

    fn fetch(&mut self, input: usize) -> Result<Option<Fetch>> {
        let (at, fetches) = &mut self.0[input];
        let fetch = fetches.pop_front();
        *at = fetch.as_ref().map_or(*at, |fetch| fetch.next);
        Ok(fetch)
    }

    fn seek(&mut self, _: usize, _: u64) -> Result<()> {
        Ok(())
    }

    fn position(&mut self, input: usize) -> Result<u64> {
        Ok(self.0[input].0)
    }

    fn end(&mut self, input: usize) -> Result<u64> {
        let (at, fetches) = &self.0[input];
        Ok(fetches.back().map_or(*at, |fetch| fetch.next))
    }

    fn pause(&mut self, _: usize, _: bool) {}

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// A task that is about to make the call.
async fn task_of(
    part: Replacement,
    base: Base,
    clock: &Arc<ManualClock>,
    ear: &Ear,
) -> Result<Task> {
    let outputs = part.config.outputs.iter().map(|out| (out.topic.clone(), out.partitions));
    let mut partitions: BTreeMap<_, _> = outputs.collect();
    if let OnPoison::DeadLetter(to) = &part.config.on_poison {
        partitions.insert(to.topic.clone(), to.partitions);
    }
    let snapshot = base.snapshot.map(|bytes| Box::new(Cursor::new(bytes)) as _);
    let recovered = Some(Recovered { snapshot, tail: base.tail, sequence: 0 });
    Task::start(Parts {
        config: Arc::unwrap_or_clone(part.config),
        source: Box::new(MemorySource(base.fetches.into_iter().map(|all| (0, all)).collect())),
        sink: Box::new(MemorySink { recovered, partitions, ear: ear.clone(), commits: 0 }),
        pool: part.pool,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        telemetry: Arc::new(ear.clone()),
        peers: None,
    })
    .await
}

/// A task as its last commit left it, put together from the journal; it commits nowhere. Nothing where
/// it has never committed. Blocks.
pub(in crate::functions) fn stored_task(
    journal: &Journal,
    part: Replacement,
) -> Result<Option<Task>> {
    let Some(live) = live(journal, &part.config.id.to_string())? else { return Ok(None) };
    let base = Base {
        snapshot: live.snapshot.map(|(_, bytes, _)| bytes),
        tail: live.tail.into_iter().map(|(_, record)| record).collect(),
        fetches: Vec::new(),
    };
    let clock = Arc::new(ManualClock::new(i64::MIN));
    pollster::block_on(task_of(part, base, &clock, &Ear::default())).map(Some)
}

/// The state that a task begins with, as a snapshot: all of it, or what was `touched`.
pub(super) async fn state_of(
    part: Replacement,
    base: Base,
    touched: Option<&Touched>,
) -> Result<Bytes> {
    let clock = Arc::new(ManualClock::new(i64::MIN));
    let mut task = task_of(part, base, &clock, &Ear::default()).await?;
    if let Some(touched) = touched {
        task.cut_out(touched)?;
    }
    let mut bytes = Vec::new();
    task.savepoint()?.write_to(&mut bytes).map_err(|error| {
        Error::new("E-INTERNAL", Domain::Internal, "the state of a capsule").caused_by(error)
    })?;
    Ok(bytes.into())
}

/// Makes the call and takes down what it does.
async fn make(
    part: Replacement,
    base: Base,
    decisions: &TaskMeta,
    is_recorded: bool,
    permits: &Semaphore,
) -> Result<Executed> {
    let dead_letters = match &part.config.on_poison {
        OnPoison::DeadLetter(to) => Some(to.topic.to_string()),
        OnPoison::Skip | OnPoison::Halt => None,
    };
    let is_untold = matches!(part.config.on_poison, OnPoison::Skip);
    let (clock, ear) = (Arc::new(ManualClock::new(i64::MIN)), Ear::default());
    let mut task = task_of(part, base, &clock, &ear).await?;
    let reads = task.note_reads();
    clock.set(decisions.time_ms);
    let repeat = match is_recorded {
        true => Repeat::Commit(decisions),
        false => Repeat::Until(&decisions.positions),
    };
    task.begin_repeat(repeat);
    let stopped = loop {
        let permit = permits.acquire().await;
        let step = task.repeat_step(repeat).await;
        drop(permit);
        match step {
            Ok(true) => break None,
            Ok(false) => yield_now().await,
            Err(error) => break Some(error),
        }
    };
    let heard = std::mem::take(&mut *lock(&ear.0));
    let named: Vec<_> =
        heard.batches.iter().map(|(topic, at, batch)| (topic.to_string(), *at, batch)).collect();
    let batches = named.iter().map(|(topic, at, batch)| (topic.as_str(), *at, &batch[..]));
    let mut outcome = Outcome::of(batches, dead_letters.as_deref())?;
    // What goes to no topic is told by whoever heard of it.
    if let (true, Some(fault)) = (is_untold || stopped.is_some(), heard.faults.last()) {
        outcome.faults.push(CapsuleFault {
            code: fault.kind.code().to_owned(),
            message: fault.message.clone(),
            place: stopped.as_ref().map_or_else(|| "skipped".to_owned(), ToString::to_string),
            backtrace: fault.backtrace.clone(),
        });
    }
    Ok(Executed {
        outcome,
        faults: heard.faults,
        lines: heard.lines,
        changes: heard.changes,
        touched: reads.touched(),
        stopped,
    })
}

/// Makes the call on a worker of `node`.
pub(super) async fn execute(
    node: &Node,
    part: Replacement,
    base: Base,
    decisions: TaskMeta,
    is_recorded: bool,
) -> Result<Executed> {
    let tenant = part.config.id.function.tenant().clone();
    let (send, receive) = tokio::sync::oneshot::channel();
    node.spawn(tenant, 1, |permits| {
        Box::pin(async move {
            let made = make(part, base, &decisions, is_recorded, &permits).await;
            // Nobody waits for it any more where this fails.
            let _ = send.send(made);
        })
    });
    receive.await.unwrap_or_else(|_| {
        let text = "the call panicked, or the server is being stopped";
        Err(Error::new("E-CAPSULE-LOST", Domain::Internal, text))
    })
}
