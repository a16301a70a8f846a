//! What a task is told before it starts.

use std::collections::BTreeMap;

use pelton_batch::Operation;
use pelton_core::manifest::BatchLimits;
use pelton_core::{Declaration, EventTime, Limits, Start, TaskId, TopicName, TopicPartition};

/// An input of a task.
#[derive(Debug, Clone)]
pub struct InputConfig {
    /// The partition to read.
    pub partition: TopicPartition,
    /// Which of the function's inputs it belongs to; absent: that of its own place among the task's.
    pub input: Option<u16>,
    /// Where to start when the task has no position of its own.
    pub start: Start,
    /// How far, in ms, a record may be behind the newest before it counts as late.
    pub out_of_orderness_ms: i64,
    /// Where its records say when they happened; absent: their timestamps do.
    pub event_time: Option<EventTime>,
    /// Whether what tasks have written brings their watermarks with it. Then those count, and not how
    /// far records are out of order.
    pub carried: bool,
    /// How much of it goes into a call.
    pub batch: BatchLimits,
}

impl InputConfig {
    /// A partition that is read from its start, in order, with the timestamps of its records.
    #[must_use]
    pub fn new(partition: TopicPartition) -> Self {
        Self {
            partition,
            input: None,
            start: Start::Earliest,
            out_of_orderness_ms: 0,
            event_time: None,
            carried: true,
            batch: BatchLimits::default(),
        }
    }
}

/// A topic that a task writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputTopic {
    /// The topic.
    pub topic: TopicName,
    /// Its number of partitions, at least 1.
    pub partitions: u32,
    /// Whether it is compacted: then a record without a key is a fault of the call that sends it.
    pub compacted: bool,
}

/// What becomes of a record (group, timer) that the function cannot get past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnPoison {
    /// It goes to this topic, with the fault in its headers.
    DeadLetter(OutputTopic),
    /// It is counted and left behind.
    Skip,
    /// The task stops before it.
    Halt,
}

/// What a keyed function does with records that have no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullKey {
    /// They are poison.
    Reject,
    /// They form a group of their own.
    Group,
}

/// How often and how soon a call is tried again that failed and said that it may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries after which the unit counts as poison.
    pub attempts_max: u32,
    /// Wait before the second try, ms; doubled with each.
    pub backoff_ms: i64,
    /// Longest wait, ms.
    pub backoff_ms_max: i64,
    /// Poisonous units in a row after which the breaker opens.
    pub breaker_after: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts_max: 10, backoff_ms: 100, backoff_ms_max: 30_000, breaker_after: 10 }
    }
}

/// Configuration entries and secrets, as the guest reads them.
#[derive(Clone, Default)]
pub struct Settings {
    /// Entries by name.
    pub entries: BTreeMap<String, String>,
    /// Secrets by name. Never shown.
    pub secrets: BTreeMap<String, String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secrets: Vec<_> = self.secrets.keys().collect();
        f.debug_struct("Settings")
            .field("entries", &self.entries)
            .field("secrets", &secrets)
            .finish()
    }
}

/// Everything that a task is told.
#[derive(Debug, Clone)]
pub struct TaskConfig {
    /// The task.
    pub id: TaskId,
    /// The deployment whose code runs.
    pub deployment: u64,
    /// The inputs, in the order of their index.
    pub inputs: Vec<InputConfig>,
    /// The outputs, in the order of the declaration.
    pub outputs: Vec<OutputTopic>,
    /// What the function declared, the window as it is in force.
    pub declaration: Declaration,
    /// What becomes of poison.
    pub on_poison: OnPoison,
    /// What a windowed function does with records that have no key.
    pub null_key: NullKey,
    /// Limits.
    pub limits: Limits,
    /// Retries and breaker.
    pub retry: RetryPolicy,
    /// Whether the task ends when its inputs end.
    pub bounded: bool,
    /// How long an input must have been empty to count as idle, ms.
    pub idle_timeout_ms: i64,
    /// Coarseness of the watermark, ms; 0 is exact.
    pub watermark_step_ms: i64,
    /// How long after a commit records wait for others before the next call, ms.
    pub commit_interval_ms: i64,
    /// How long values stay that are written without a time to live, ms of event time, by the index
    /// of the declared store; 0, or none here: for ever.
    pub store_ttls: Vec<i64>,
    /// Configuration and secrets.
    pub settings: Settings,
    /// A snapshot is taken when the changes since the last one are this many bytes, and as large as
    /// the state.
    pub snapshot_after_bytes: u64,
}

impl TaskConfig {
    /// A task with defaults: outputs to nowhere, poison halts, unbounded.
    #[must_use]
    pub fn new(id: TaskId, inputs: Vec<InputConfig>, declaration: Declaration) -> Self {
        Self {
            id,
            deployment: 1,
            inputs,
            outputs: Vec::new(),
            declaration,
            on_poison: OnPoison::Halt,
            null_key: NullKey::Reject,
            limits: Limits::default(),
            retry: RetryPolicy::default(),
            bounded: false,
            idle_timeout_ms: 10_000,
            watermark_step_ms: 0,
            commit_interval_ms: 0,
            store_ttls: Vec::new(),
            settings: Settings::default(),
            snapshot_after_bytes: 64 << 20,
        }
    }
}

impl TaskConfig {
    /// Whether what goes to `topic` keeps to the task's watermark: late records and dead letters do not.
    pub(crate) fn is_in_time(&self, topic: &TopicName) -> bool {
        let late = self.declaration.window.as_ref().and_then(|spec| spec.late_output);
        let late = late.and_then(|target| self.outputs.get(usize::from(target)));
        let is_dead =
            matches!(&self.on_poison, OnPoison::DeadLetter(letters) if letters.topic == *topic);
        !is_dead && late.is_none_or(|late| late.topic != *topic)
    }

    /// How long what `operation` writes stays, ms; 0: for ever.
    pub(crate) fn ttl_of(&self, operation: &Operation<'_>) -> i64 {
        match operation.ttl {
            0 => self.store_ttls.get(usize::from(operation.target)).copied().unwrap_or(0),
            ttl => ttl,
        }
    }
}
