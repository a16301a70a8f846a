//! A log in memory: source and sink for tests, for the SDK's harness and as a model of what the
//! others must do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pelton_batch::RecordsBuilder;
use pelton_core::{
    BoxFuture, Commit, Committed, Domain, Error, Fetch, Offsets, OutputBatch, Producer, Recovered,
    Result, Sink, SnapshotWriter, Source, Start, TaskId, TaskRecord, Told, TopicName,
    TopicPartition,
};

#[derive(Debug)]
struct Stored {
    base: u64,
    rows: usize,
    newest: i64,
    producer: Option<Producer>,
    batch: Bytes,
}

#[derive(Debug, Default)]
struct Partition {
    batches: Vec<Stored>,
    end: u64,
}

#[derive(Default)]
struct TaskLog {
    owner: u64,
    /// Given when it is first loaded, from 1 on.
    number: u64,
    /// What its owner has told: a watermark, and whether it is idle.
    told: Option<(i64, bool)>,
    records: Vec<(u64, TaskRecord)>,
    snapshot: Option<(u64, Bytes)>,
}

#[derive(Default)]
struct Inner {
    topics: BTreeMap<TopicName, Vec<Partition>>,
    tasks: BTreeMap<TaskId, TaskLog>,
    sequence: u64,
    wakers: Vec<Waker>,
    full: bool,
    /// 0 for no limit.
    commit_bytes_max: u64,
}

impl Inner {
    fn partition(&mut self, topic: &TopicName, partition: u32) -> Result<&mut Partition> {
        let partitions = self.topics.get_mut(topic);
        partitions.and_then(|all| all.get_mut(partition as usize)).ok_or_else(|| {
            let text = format!("there is no partition {partition} of topic {topic}; create it");
            Error::new("E-TOPIC-UNKNOWN", Domain::User, text)
        })
    }

    fn append(&mut self, output: &OutputBatch, task: Option<u64>) -> Result<()> {
        let log = self.partition(&output.topic, output.partition)?;
        let producer = task.map(|task| Producer { task, watermark: output.watermark });
        let (base, rows, newest) = (log.end, output.rows as usize, output.max_timestamp);
        log.batches.push(Stored { base, rows, newest, producer, batch: output.batch.clone() });
        log.end += u64::from(output.rows);
        Ok(())
    }
}

/// Topics and tasks in memory. Clones are the same log.
#[derive(Clone, Default)]
pub struct MemoryLog(Arc<Mutex<Inner>>);

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a topic, or leaves it as it is where it is there already.
    pub fn create(&self, topic: &TopicName, partitions: u32) {
        let new = || (0..partitions).map(|_| Partition::default()).collect();
        self.lock().topics.entry(topic.clone()).or_insert_with(new);
    }

    /// Appends records to a partition as one batch, and empties the builder.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN` where there is no such partition.
    pub fn append(
        &self,
        topic: &TopicName,
        partition: u32,
        records: &mut RecordsBuilder,
    ) -> Result<()> {
        let rows = records.len() as u32;
        if rows == 0 {
            return Ok(());
        }
        let batch = Bytes::from(records.finish());
        let topic = topic.clone();
        let mut inner = self.lock();
        let (max_timestamp, watermark) = (i64::MAX, i64::MIN);
        let output = OutputBatch { topic, partition, rows, max_timestamp, watermark, batch };
        inner.append(&output, None)?;
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// The batches of a partition, oldest first.
    #[must_use]
    pub fn batches(&self, topic: &TopicName, partition: u32) -> Vec<Bytes> {
        let mut inner = self.lock();
        let partition = inner.partition(topic, partition);
        partition.map_or_else(
            |_| Vec::new(),
            |log| log.batches.iter().map(|stored| stored.batch.clone()).collect(),
        )
    }

    /// From now on a commit takes at most this many bytes.
    pub fn limit_commits(&self, bytes: u64) {
        self.lock().commit_bytes_max = bytes;
    }

    /// From now on commits are refused as by a full disk, or taken again.
    pub fn set_full(&self, full: bool) {
        self.lock().full = full;
    }

    /// A source on this log.
    #[must_use]
    pub fn source(&self) -> Box<dyn Source> {
        Box::new(MemorySource { log: self.clone(), inputs: Vec::new() })
    }

    /// A sink on this log.
    #[must_use]
    pub fn sink(&self) -> Box<dyn Sink> {
        Box::new(MemorySink { log: self.clone(), owner: 0 })
    }
}

struct MemoryInput {
    partition: TopicPartition,
    next: u64,
    paused: bool,
}

struct MemorySource {
    log: MemoryLog,
    inputs: Vec<MemoryInput>,
}

impl Source for MemorySource {
    fn siblings(&mut self, task: u64) -> Vec<u64> {
        let inner = self.log.lock();
        let known = inner.tasks.iter().find(|(_, log)| log.number == task);
        let Some((TaskId { function, .. }, _)) = known else { return vec![task] };
        let same = inner.tasks.iter().filter(|(id, _)| id.function == *function);
        let mut siblings: Vec<u64> = same.map(|(_, log)| log.number).collect();
        siblings.sort_unstable();
        siblings
    }

    fn told(&mut self, task: u64) -> Told {
        match self.log.lock().tasks.values().find(|log| log.number == task).map(|log| log.told) {
            None => Told::Gone,
            Some(None) => Told::Silent,
            Some(Some((watermark, idle))) => Told::At { watermark, idle },
        }
    }

    fn writers_behind(&mut self, input: usize, from: u64) -> Option<Vec<u64>> {
        let MemoryInput { partition, .. } = self.inputs.get(input)?;
        let mut inner = self.log.lock();
        let log = inner.partition(&partition.topic, partition.partition).ok()?;
        let behind = log.batches.iter().filter(|stored| stored.base + stored.rows as u64 > from);
        let writers: BTreeSet<u64> =
            behind.filter_map(|stored| Some(stored.producer?.task)).collect();
        Some(writers.into_iter().collect())
    }

    fn assign(&mut self, inputs: &[(TopicPartition, Start)]) -> Result<()> {
        let mut inner = self.log.lock();
        self.inputs.clear();
        for (partition, start) in inputs {
            let log = inner.partition(&partition.topic, partition.partition)?;
            let next = match start {
                Start::Earliest => 0,
                Start::Latest => log.end,
                Start::Offset(offset) => *offset,
                Start::Time(time) => {
                    let at = log.batches.iter().find(|stored| stored.newest >= *time);
                    at.map_or(log.end, |stored| stored.base)
                }
            };
            self.inputs.push(MemoryInput { partition: partition.clone(), next, paused: false });
        }
        Ok(())
    }

    fn fetch(&mut self, input: usize) -> Result<Option<Fetch>> {
        let MemoryInput { partition, next, paused } = &mut self.inputs[input];
        if *paused {
            return Ok(None);
        }
        let mut inner = self.log.lock();
        let log = inner.partition(&partition.topic, partition.partition)?;
        let at = log.batches.partition_point(|stored| stored.base + stored.rows as u64 <= *next);
        let Some(stored) = log.batches.get(at) else { return Ok(None) };
        let (batch, rows, producer) = match (*next - stored.base) as usize {
            0 => (stored.batch.clone(), stored.rows, stored.producer),
            skip => {
                let rest = behind(&stored.batch, skip, stored.rows)?;
                (rest, stored.rows - skip, stored.producer)
            }
        };
        let offsets = Offsets::From(*next);
        *next += rows as u64;
        Ok(Some(Fetch { batch, rows, offsets, next: *next, producer }))
    }

    fn seek(&mut self, input: usize, offset: u64) -> Result<()> {
        let end = self.end(input)?;
        if offset > end {
            let text = format!("offset {offset} is beyond the end, {end}");
            return Err(Error::new("E-OFFSET-RANGE", Domain::Internal, text));
        }
        self.inputs[input].next = offset;
        Ok(())
    }

    fn position(&mut self, input: usize) -> Result<u64> {
        Ok(self.inputs[input].next)
    }

    fn end(&mut self, input: usize) -> Result<u64> {
        let partition = &self.inputs[input].partition;
        Ok(self.log.lock().partition(&partition.topic, partition.partition)?.end)
    }

    fn pause(&mut self, input: usize, paused: bool) {
        self.inputs[input].paused = paused;
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.log.lock();
        for MemoryInput { partition, next, paused } in &self.inputs {
            let log = inner.partition(&partition.topic, partition.partition);
            if !paused && log.is_ok_and(|log| log.end > *next) {
                return Poll::Ready(());
            }
        }
        inner.wakers.push(context.waker().clone());
        Poll::Pending
    }
}

/// The rows of a batch from `skip` on, as a batch of their own.
fn behind(batch: &Bytes, skip: usize, rows: usize) -> Result<Bytes> {
    let parsed = pelton_batch::Batch::parse(batch).and_then(|batch| batch.records());
    let records = parsed.map_err(|error| {
        Error::new("E-BATCH-FORMAT", Domain::Internal, format!("a stored batch: {error}"))
    })?;
    let mut builder = RecordsBuilder::new();
    builder.extend_from(&records, skip..rows);
    Ok(Bytes::from(builder.finish()))
}

struct MemorySink {
    log: MemoryLog,
    owner: u64,
}

impl MemorySink {
    fn take_over(&mut self, task: &TaskId) -> Recovered {
        let mut inner = self.log.lock();
        let next = inner.tasks.len() as u64 + 1;
        let log = inner.tasks.entry(task.clone()).or_default();
        log.number = if log.number == 0 { next } else { log.number };
        log.told = None;
        log.owner += 1;
        self.owner = log.owner;
        let from = log.snapshot.as_ref().map_or(0, |(sequence, _)| *sequence);
        let behind = log.records.iter().filter(|(sequence, _)| *sequence > from);
        let snapshot = log.snapshot.as_ref().map(|(_, bytes)| {
            Box::new(std::io::Cursor::new(bytes.clone())) as pelton_core::SnapshotReader
        });
        Recovered {
            snapshot,
            tail: behind.map(|(_, record)| record.clone()).collect(),
            sequence: log.records.last().map_or(from, |(sequence, _)| *sequence),
        }
    }

    fn take(&mut self, commit: &Commit<'_>) -> Result<Committed> {
        let mut inner = self.log.lock();
        if inner.full {
            let text = "the log is full: free some space and go on";
            return Err(Error::new("E-LOG-FULL", Domain::External, text).retry());
        }
        for output in commit.outputs {
            inner.partition(&output.topic, output.partition)?;
        }
        let TaskLog { owner, number, .. } = *inner.tasks.entry(commit.task.clone()).or_default();
        if owner != self.owner {
            let text = format!("{} has been taken over by another owner", commit.task);
            return Err(Error::new("E-TASK-FENCED", Domain::External, text));
        }
        commit.outputs.iter().try_for_each(|output| inner.append(output, Some(number)))?;
        inner.sequence += 1;
        let sequence = inner.sequence;
        let log = inner.tasks.entry(commit.task.clone()).or_default();
        log.records.push((sequence, commit.record.clone()));
        let wakers = std::mem::take(&mut inner.wakers);
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        Ok(Committed { sequence })
    }
}

impl Sink for MemorySink {
    fn load<'a>(&'a mut self, task: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        let recovered = self.take_over(task);
        Box::pin(std::future::ready(Ok(recovered)))
    }

    fn commit_bytes_max(&self) -> u64 {
        match self.log.lock().commit_bytes_max {
            0 => u64::MAX,
            max => max,
        }
    }

    fn partitions(&mut self, topic: &TopicName) -> Result<Option<u32>> {
        Ok(self.log.lock().topics.get(topic).map(|partitions| partitions.len() as u32))
    }

    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        let committed = self.take(commit);
        Box::pin(std::future::ready(committed))
    }

    fn tell(&mut self, task: &TaskId, watermark: i64, idle: bool) {
        if let Some(log) = self.log.lock().tasks.get_mut(task) {
            log.told = Some((watermark, idle));
        }
    }

    fn durable(&self) -> u64 {
        self.log.lock().sequence
    }

    fn snapshot(
        &mut self,
        task: &TaskId,
        sequence: u64,
        writer: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        let log = self.log.clone();
        let task = task.clone();
        Box::pin(async move {
            let mut bytes = Vec::new();
            writer(&mut bytes).map_err(|error| {
                Error::new("E-SNAPSHOT-WRITE", Domain::External, "writing a snapshot")
                    .caused_by(error)
            })?;
            let mut inner = log.lock();
            let kept = inner.tasks.entry(task).or_default();
            kept.records.retain(|(at, _)| *at > sequence);
            kept.snapshot = Some((sequence, Bytes::from(bytes)));
            Ok(())
        })
    }
}
