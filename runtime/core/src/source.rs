//! Where records come from.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::error::Result;
use crate::ids::{TopicName, TopicPartition};

/// Where to start reading a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that is there.
    Earliest,
    /// Behind the newest record.
    Latest,
    /// At this offset; where retention has passed it, at the oldest record behind it.
    Offset(u64),
    /// At the first record whose timestamp (ms) is not before this.
    Time(i64),
}

/// Offsets of the records of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offsets {
    /// This one and those that follow it, without a gap.
    From(u64),
    /// One for each record, rising.
    Each(Vec<u64>),
}

impl Offsets {
    /// The offset of the record at `row`; the row must be there.
    #[must_use]
    pub fn get(&self, row: usize) -> u64 {
        match self {
            Self::From(first) => first + row as u64,
            Self::Each(all) => all[row],
        }
    }
}

/// The task that wrote a batch, and its watermark when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// A number for the task, the same for as long as the topic lives.
    pub task: u64,
    /// Its watermark, ms.
    pub watermark: i64,
}

/// How far a task has come that writes to a topic, as it tells now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The source cannot tell.
    Unknown,
    /// There is no such task any more.
    Gone,
    /// It does not run, or has not told yet.
    Silent,
    /// Everything that it has to say of the time before `watermark` (ms) is in its topics.
    At {
        /// Its watermark, ms.
        watermark: i64,
        /// It has had nothing to do for long enough, and is not waited for.
        idle: bool,
    },
}

/// Records of one partition, in order.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// A batch of kind `Records`, already checked where it came from outside.
    pub batch: Bytes,
    /// Number of records.
    pub rows: usize,
    /// Their offsets.
    pub offsets: Offsets,
    /// The offset to go on from.
    pub next: u64,
    /// Who wrote it, where it was a task of Pelton's.
    pub producer: Option<Producer>,
}

/// Partitions that are read in order from a position. One source serves one task; nothing of it
/// blocks. Inputs are numbered in the order in which they were assigned.
pub trait Source: Send {
    /// A number for the topic that has this name now, other than 0: a topic that is removed and created
    /// again is another one. 0 where it is not known.
    ///
    /// # Errors
    /// Where there is no such topic: the error names it.
    fn topic_id(&mut self, _topic: &TopicName) -> Result<u64> {
        Ok(0)
    }

    /// The tasks of the function that `task` is of (see [`Producer`]), itself among them, in rising order.
    fn siblings(&mut self, task: u64) -> Vec<u64> {
        vec![task]
    }

    /// How far a task has come that writes to a topic. What the partitions hold once this was answered has
    /// all that the answer speaks of.
    fn told(&mut self, _task: u64) -> Told {
        Told::Unknown
    }

    /// The tasks (see [`Producer`]) that have written something to an input at or behind the offset
    /// `from`; `None` where that cannot be told.
    fn writers_behind(&mut self, _input: usize, _from: u64) -> Option<Vec<u64>> {
        None
    }

    /// Takes these partitions to read, in place of those before.
    ///
    /// # Errors
    /// Where a topic or partition does not exist: the error names it.
    fn assign(&mut self, inputs: &[(TopicPartition, Start)]) -> Result<()>;

    /// The next records of an input: one stored batch as it is, or the rest of it behind the
    /// position. `None` where there is nothing to read now.
    ///
    /// # Errors
    /// A storage error; a retryable one may pass.
    fn fetch(&mut self, input: usize) -> Result<Option<Fetch>>;

    /// To be called when a step of the task is over, which has committed what it has read or not: what it
    /// was handed before it was appended is appended then.
    ///
    /// # Errors
    /// [`crate::COMMIT_STALE`] where that cannot be: the task must be started again.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Moves the read position of an input.
    ///
    /// # Errors
    /// Where the offset is beyond the end.
    fn seek(&mut self, input: usize, offset: u64) -> Result<()>;

    /// The offset to be read next, once `assign` has resolved where it starts.
    ///
    /// # Errors
    /// A storage error.
    fn position(&mut self, input: usize) -> Result<u64>;

    /// The offset behind the last record that can be read now. `end - position` is the lag.
    ///
    /// # Errors
    /// A storage error.
    fn end(&mut self, input: usize) -> Result<u64>;

    /// Stops or resumes delivery for an input; a paused input fetches nothing and wakes nobody.
    fn pause(&mut self, input: usize, paused: bool);

    /// Ready once any input may have something to fetch. Registers the waker otherwise.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()>;
}
