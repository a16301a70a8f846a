//! A commit: everything that one step of a task makes real, at once or not at all.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::declaration::{StoreDeclaration, TimerDeclaration};
use crate::error::{Domain, Error, Result};
use crate::ids::{TaskId, TopicName, TopicPartition};

/// How far a task has read one of its inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The partition.
    pub input: TopicPartition,
    /// The offset to be read next.
    pub next: u64,
}

/// What a task knows of the event time of one of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputProgress {
    /// Highest event time so far, ms; `i64::MIN` before the first record.
    pub highest: i64,
    /// The input's watermark, ms: everything before it has arrived.
    pub watermark: i64,
    /// Whether the input is idle and is not waited for.
    pub idle: bool,
}

/// How far a task that writes to an input has come, as far as the reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The task, as in [`crate::Producer`].
    pub task: u64,
    /// Its watermark, ms; `i64::MIN` where nothing was heard yet.
    pub watermark: i64,
    /// Whether it has nothing to do and is not waited for.
    pub idle: bool,
}

/// Records for one partition of an output topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBatch {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: u32,
    /// Number of records.
    pub rows: u32,
    /// The highest timestamp among them, ms.
    pub max_timestamp: i64,
    /// The task's watermark for those who read it: with this batch, everything that the task has to say
    /// of the time before it (ms) is in the topic. `i64::MIN` where it says nothing about that: late
    /// records and dead letters.
    pub watermark: i64,
    /// A batch of kind `Records`.
    pub batch: Bytes,
}

/// An input that a task has read and does not read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputLeft {
    /// Where it would go on.
    pub position: Position,
    /// How far its event time had come.
    pub progress: InputProgress,
    /// Which topic it is; 0 where that is not known.
    pub topic_id: u64,
    /// How far the tasks that write to it had come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
}

/// What a task wants to become real.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The task.
    pub task: &'a TaskId,
    /// Positions, progress and state changes.
    pub record: &'a TaskRecord,
    /// Output records, dead letters and late records among them; each partition at most once.
    pub outputs: &'a [OutputBatch],
}

/// The part of a commit that the task itself reads back when it starts again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskRecord {
    /// Positions, progress and the decisions that a replay must repeat.
    pub meta: TaskMeta,
    /// State and timer changes, in order: a batch of kind `Operations`, or empty. Targets are the
    /// indexes of the task's stores; see the state crate.
    pub changes: Bytes,
}

/// Positions, progress and decisions of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskMeta {
    /// The deployment whose code ran.
    pub deployment: u64,
    /// Wall time that was recorded for this commit, ms.
    pub time_ms: i64,
    /// Where each input stands behind this commit.
    pub positions: Vec<Position>,
    /// Event-time progress, in the order of `positions`.
    pub progress: Vec<InputProgress>,
    /// Which topics those are, in the order of `positions`, as [`crate::Source::topic_id`] tells: a topic
    /// that is removed and created again is another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topic_ids: Vec<u64>,
    /// Inputs that a version before has read and this one does not: where to go on if they come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<InputLeft>,
    /// How far the tasks that write to each input have come, in the order of `positions`; empty where no
    /// input has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Vec<Carried>>,
    /// The task's watermark behind this commit, ms.
    pub watermark: i64,
    /// Where the triggers of windows stand that are no watermark.
    #[serde(default, skip_serializing_if = "Triggers::is_default")]
    pub triggers: Triggers,
    /// What the call began with, where the commit before does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Began>,
    /// Names of the stores and timers that the targets in the changes mean, where they may differ
    /// from those of the record before: in the first record after a start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// What the instance's `save` answered, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_bytes")]
    pub saved: Option<Vec<u8>>,
}

/// Where the triggers of windows stand that are no watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Triggers {
    /// The event time, ms, a multiple of `early_every`, for which windows have fired early.
    pub every_ms: Option<i64>,
    /// The wall time, ms, at which what has come to windows fires early.
    pub clock_ms: Option<i64>,
    /// A marker has come that closes the windows without an end.
    pub closing: bool,
}

impl Triggers {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a call began with: decisions that are in no other part of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Began {
    /// The task's watermark before it, ms.
    pub watermark: i64,
    /// Which inputs were idle, in the order of `positions`.
    pub idle: Vec<bool>,
    /// How far the tasks that write to each input had come, where that is not as of the last commit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Vec<Carried>>,
    /// Panes, timers or values that it was about; 0 for a call with records.
    pub units: u32,
}

/// Stores and timers, in the order of their indexes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    /// The stores.
    pub stores: Vec<StoreDeclaration>,
    /// The timers.
    pub timers: Vec<TimerDeclaration>,
}

mod optional_bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes.as_deref().unwrap_or_default())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Vec::<u8>::deserialize(deserializer).map(Some)
    }
}

impl TaskRecord {
    /// The record as bytes: length of the meta part (u32), the meta part as MessagePack, zeros up
    /// to a multiple of eight, the changes.
    ///
    /// # Errors
    /// None in practice: the meta part has nothing that MessagePack cannot hold.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let meta = rmp_serde::to_vec_named(&self.meta).map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "cannot encode a commit").caused_by(error)
        })?;
        let start = (4 + meta.len()).next_multiple_of(8);
        let mut out = Vec::with_capacity(start + self.changes.len());
        out.extend_from_slice(&(meta.len() as u32).to_le_bytes());
        out.extend_from_slice(&meta);
        out.resize(start, 0);
        out.extend_from_slice(&self.changes);
        Ok(out)
    }

    /// The record that these bytes hold; the changes are a slice of them.
    ///
    /// # Errors
    /// `E-COMMIT-FORMAT` where they hold none.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        let broken = |what: &str| {
            Error::new("E-COMMIT-FORMAT", Domain::Internal, format!("a task record {what}"))
        };
        let length = bytes.first_chunk().ok_or_else(|| broken("has no length"))?;
        let end = 4 + u32::from_le_bytes(*length) as usize;
        let meta = bytes.get(4..end).ok_or_else(|| broken("is cut short"))?;
        let meta = rmp_serde::from_slice(meta)
            .map_err(|error| broken("has a meta part that cannot be read").caused_by(error))?;
        let start = end.next_multiple_of(8).min(bytes.len());
        Ok(Self { meta, changes: bytes.slice(start..) })
    }
}
