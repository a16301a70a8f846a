//! Reading topics of the journal.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use pelton_batch::{Batch as Layout, RecordsBuilder};
use pelton_core::{
    Domain, Error, Fetch, Offsets, Producer, Result, Source, Start, Told, TopicName, TopicPartition,
};

use super::fused::{Passed, append_as_they_are};
use super::of;
use crate::journal::Journal;
use crate::task::TaskId;
use crate::topic::{Batch, Partition, Visibility, Waiter};

/// Batches that are looked through at once for who has written them.
const WRITERS_BATCHES_MAX: usize = 65_536;

/// Partitions of a journal, for one task.
///
/// A position that retention has passed goes on at the oldest record behind it, which is logged.
pub struct JournalSource {
    journal: Arc<Journal>,
    visibility: Visibility,
    inputs: Vec<Input>,
    builder: RecordsBuilder,
    /// Whether it takes what is handed to it before it is appended.
    is_fused: bool,
}

struct Input {
    partition: Partition,
    waiter: Waiter,
    position: u64,
    is_paused: bool,
    /// What was fetched last is not appended yet.
    has_taken: bool,
}

impl Input {
    /// Takes what the task that writes here offers before it is appended.
    fn take(&mut self) -> Option<Fetch> {
        let base = self.position;
        let junction = self.partition.junction();
        if !junction.is_on() || self.partition.offsets().end != base {
            return None;
        }
        let Passed { batch, rows, producer } = junction.take(|held| held.pass(base)).flatten()?;
        (self.has_taken, self.position) = (true, base + u64::from(rows));
        Some(Fetch {
            batch,
            rows: rows as usize,
            offsets: Offsets::From(base),
            next: self.position,
            producer: Some(producer_of(producer)),
        })
    }
}

impl Drop for JournalSource {
    fn drop(&mut self) {
        let own = self.inputs.iter().filter(|_| self.is_fused);
        own.for_each(|input| input.partition.junction().leave());
    }
}

impl JournalSource {
    /// Reads what `visibility` shows: [`Visibility::Appended`] for a task whose commits go to the
    /// same journal, [`Visibility::Durable`] for all others.
    #[must_use]
    pub fn new(journal: Arc<Journal>, visibility: Visibility) -> JournalSource {
        let (inputs, builder) = (Vec::new(), RecordsBuilder::new());
        JournalSource { journal, visibility, inputs, builder, is_fused: false }
    }

    /// Takes records of fused topics (see [`crate::Topic::fuse`]) straight from the task that writes
    /// them: for the one task that reads such a partition, whose commits go through a
    /// [`super::JournalSink`] of the same journal.
    #[must_use]
    pub fn fused(mut self) -> JournalSource {
        self.is_fused = self.visibility == Visibility::Appended;
        self
    }

    fn input(&mut self, input: usize) -> Result<&mut Input> {
        let count = self.inputs.len();
        self.inputs.get_mut(input).ok_or_else(|| {
            let text = format!("input {input} of {count} was read before it was assigned");
            Error::new("E-SOURCE-INPUT", Domain::Internal, text)
        })
    }
}

impl Source for JournalSource {
    fn topic_id(&mut self, topic: &TopicName) -> Result<u64> {
        let topic = self.journal.topic(&topic.to_string()).map_err(of)?;
        Ok(u64::from(topic.id().0) + 1)
    }

    fn siblings(&mut self, task: u64) -> Vec<u64> {
        let siblings = u32::try_from(task).map(|task| self.journal.siblings(TaskId(task)));
        siblings.unwrap_or_default().into_iter().map(|task| u64::from(task.0)).collect()
    }

    fn told(&mut self, task: u64) -> Told {
        match u32::try_from(task).ok().and_then(|task| self.journal.task_by_id(TaskId(task))) {
            None => Told::Gone,
            Some(task) => match task.told() {
                None => Told::Silent,
                Some((watermark, idle)) => Told::At { watermark, idle },
            },
        }
    }

    fn writers_behind(&mut self, input: usize, from: u64) -> Option<Vec<u64>> {
        let writers =
            self.inputs.get(input)?.partition.writers_behind(from, WRITERS_BATCHES_MAX)?;
        Some(writers.into_iter().map(|task| u64::from(task.0)).collect())
    }

    fn assign(&mut self, inputs: &[(TopicPartition, Start)]) -> Result<()> {
        let resolve = |(at, start): &(TopicPartition, Start)| {
            if !at.cluster.is_empty() {
                let text = format!("{at} is not on this journal: give it a source of its cluster");
                return Err(Error::new("E-SOURCE-CLUSTER", Domain::Internal, text));
            }
            let topic = self.journal.topic(&at.topic.to_string()).map_err(of)?;
            let partition = topic.partition(at.partition).map_err(of)?.clone();
            let position = first_position(&partition, *start, self.visibility)?;
            let waiter = partition.waiter();
            Ok(Input { partition, waiter, position, is_paused: false, has_taken: false })
        };
        self.inputs = inputs.iter().map(resolve).collect::<Result<_>>()?;
        Ok(())
    }

    fn fetch(&mut self, input: usize) -> Result<Option<Fetch>> {
        self.journal.health().map_err(of)?;
        let (visibility, is_fused) = (self.visibility, self.is_fused);
        let input = self.input(input)?;
        if input.is_paused {
            return Ok(None);
        }
        let partition = &input.partition;
        if partition.is_deleted() {
            let name = partition.topic_name().to_owned();
            return Err(of(crate::Error::UnknownTopic { name }));
        }
        let start = partition.offsets().start;
        if input.position < start {
            let from = input.position;
            tracing::warn!(?partition, from, to = start, "retention has passed a position");
            input.position = start;
        }
        let (batch, skipped) = loop {
            if input.has_taken {
                // What was taken is not in the partition yet, and nothing is behind it.
                return Ok(None);
            }
            let Some(batch) = partition.read(input.position, visibility).map_err(of)? else {
                return Ok(if is_fused { input.take() } else { None });
            };
            let skipped = batch.row_at(input.position);
            input.position = batch.next_offset();
            // Nothing may be left here of a compacted topic.
            if skipped < batch.rows as usize {
                break (batch, skipped);
            }
        };
        Ok(Some(fetch_of(&mut self.builder, batch, skipped)?))
    }

    fn settle(&mut self) -> Result<()> {
        for input in self.inputs.iter_mut().filter(|input| input.has_taken) {
            input.has_taken = false;
            // Where it is no longer held, it was appended with the task's own commit.
            if let Some(taken) = input.partition.junction().taken() {
                append_as_they_are(&self.journal, taken)?;
            }
        }
        Ok(())
    }

    fn seek(&mut self, input: usize, offset: u64) -> Result<()> {
        let input = self.input(input)?;
        check_end(&input.partition, offset)?;
        input.position = offset;
        Ok(())
    }

    fn position(&mut self, input: usize) -> Result<u64> {
        self.input(input).map(|input| input.position)
    }

    fn end(&mut self, input: usize) -> Result<u64> {
        let visibility = self.visibility;
        self.input(input).map(|input| input.partition.end(visibility))
    }

    fn pause(&mut self, input: usize, paused: bool) {
        if let Some(input) = self.inputs.get_mut(input) {
            input.is_paused = paused;
        }
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for input in self.inputs.iter().filter(|input| !input.is_paused) {
            let junction = input.partition.junction();
            if self.is_fused && junction.is_on() && junction.poll(context.waker()).is_ready() {
                return Poll::Ready(());
            }
            // Ready as well where it was deleted or the journal stopped: a fetch says so.
            if input.waiter.poll(input.position, self.visibility, context.waker()).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

fn first_position(partition: &Partition, start: Start, visibility: Visibility) -> Result<u64> {
    let held = partition.offsets();
    match start {
        Start::Earliest => Ok(held.start),
        Start::Latest => Ok(partition.end(visibility)),
        Start::Offset(offset) => {
            check_end(partition, offset)?;
            Ok(offset.max(held.start))
        }
        Start::Time(time) => {
            let found = partition.offset_for_time(time, Visibility::Appended).map_err(of)?;
            Ok(found.unwrap_or_else(|| partition.offsets().end))
        }
    }
}

fn check_end(partition: &Partition, offset: u64) -> Result<()> {
    let held = partition.offsets();
    if offset <= held.end {
        return Ok(());
    }
    let topic = partition.topic_name().to_owned();
    let (partition, start, end) = (partition.number(), held.start, held.end);
    Err(of(crate::Error::OffsetOutOfRange { topic, partition, offset, start, end }))
}

fn fetch_of(builder: &mut RecordsBuilder, batch: Batch, skipped: usize) -> Result<Fetch> {
    let rows = batch.rows as usize - skipped;
    let offsets = match batch.is_compacted() {
        false => Offsets::From(batch.offset(skipped)),
        true => {
            Offsets::Each((skipped..batch.rows as usize).map(|row| batch.offset(row)).collect())
        }
    };
    let next = batch.next_offset();
    let producer = batch.producer.map(producer_of);
    let batch = match skipped {
        0 => batch.bytes,
        _ => rest_of(builder, &batch, skipped)?,
    };
    Ok(Fetch { batch, rows, offsets, next, producer })
}

fn producer_of(by: crate::task::Producer) -> Producer {
    Producer { task: u64::from(by.task.0), watermark: by.watermark }
}

/// The records of a batch behind the first `skipped` ones: the one case where it is copied.
fn rest_of(builder: &mut RecordsBuilder, batch: &Batch, skipped: usize) -> Result<Bytes> {
    let records = Layout::parse(&batch.bytes).and_then(|layout| layout.records());
    let records = records.map_err(|error| {
        let text = format!("the batch at offset {} of a topic", batch.base_offset);
        Error::new("E-BATCH-STORED", Domain::Internal, text).caused_by(error)
    })?;
    builder.clear();
    builder.extend_from(&records, skipped..records.len());
    Ok(builder.finish().into())
}
