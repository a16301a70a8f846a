//! A task: one function at work on one partition number.
//!
//! [`Task::step`] does one thing at a time: fires what is due, or takes the next records, calls the
//! guest and commits. It never waits by itself: it answers what to wait for.

mod by_hand;
mod calls;
mod commit;
mod cutout;
mod early;
mod explain;
mod failed;
mod gather;
mod migrate;
mod producers;
mod repeat;
mod replace;
mod savepoint;
mod settle;
mod shadow;
mod snapshot;
mod start;
mod step;
mod times;
mod triggers;
mod work;

pub use explain::{InputSeen, PaneSeen};
pub use repeat::Repeat;
pub use replace::{Replacement, Verdict};
pub use savepoint::{Savepoint, check_savepoint, savepoint_meta};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use pelton_core::window::Window;
use pelton_core::{
    Began, BoxFuture, Carried, Clock, Domain, Error, Fault, Guest, InputLeft, InputProgress,
    OutputBatch, Result, SharedEnvironment, Sink, Source, SteadyTime, TaskRecord, TopicPartition,
    Triggers,
};
use pelton_state::TaskState;

use crate::config::{OnPoison, TaskConfig};
use crate::environment::{TaskEnvironment, Units};
use crate::faults::UnitLimit;
use crate::input::Input;
use crate::migrate::OldReads;
use crate::outputs::Outputs;
use crate::peers::Peers;
use crate::pool::GuestPool;
use crate::progress::EventClock;
use crate::reads::Reads;
use crate::scratch::Scratch;
use crate::shadow::Tap;
use crate::slice::Slice;
use crate::telemetry::{Counters, Telemetry};

/// What a task is made of.
pub struct Parts {
    /// What it is told.
    pub config: TaskConfig,
    /// Where its records come from.
    pub source: Box<dyn Source>,
    /// Where its commits go.
    pub sink: Box<dyn Sink>,
    /// Instances of its function.
    pub pool: GuestPool,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// What it tells about itself.
    pub telemetry: Arc<dyn Telemetry>,
    /// The function's tasks, and which of them this is.
    pub peers: Option<(Peers, usize)>,
}

/// What a step did, or what the task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Worked,
    /// There is nothing to do until an input has records or the clock reaches this time.
    Idle {
        /// Wall time, ms, if a timer or an idle timeout is near.
        wake_at_ms: Option<i64>,
    },
    /// Something has to be tried again, not before this wall time, ms.
    Wait {
        /// Wall time, ms.
        until_ms: i64,
    },
    /// The inputs have ended and everything is committed.
    Finished,
}

/// A commit that is made up and not yet taken.
pub(crate) struct Pending {
    /// `None` until nothing more is added.
    record: Option<TaskRecord>,
    outputs: Vec<OutputBatch>,
    records_in: u64,
    /// Whether the guest was called for it.
    called: bool,
}

/// Where time stands, as far as it does not follow from records alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decisions {
    watermark: i64,
    /// Which inputs are idle.
    idle: Vec<bool>,
    /// How far the tasks that write to each input have come.
    carried: Vec<Vec<Carried>>,
}

/// A running task.
pub struct Task {
    config: Arc<TaskConfig>,
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    pool: GuestPool,
    clock: Arc<dyn Clock>,
    telemetry: Arc<dyn Telemetry>,
    peers: Option<(Peers, usize)>,
    counters: Arc<Counters>,

    state: Arc<TaskState>,
    inputs: Vec<Input>,
    clocks: Vec<EventClock>,
    /// Which topics the inputs are of.
    topic_ids: Vec<u64>,
    /// Inputs that a version before has read.
    left: Vec<InputLeft>,
    watermark: i64,
    /// Every record before this time (ms) has come, as a test says.
    reached: i64,
    triggers: Triggers,
    /// Sliding windows that end up to here (event time, ms) have been looked at for what is no longer
    /// needed.
    closed_to: i64,
    /// The inputs have ended: time is at infinity, though no commit says so.
    flushing: bool,
    /// Timers that may still fire because the inputs have ended.
    last_timers: u64,
    /// The wall time as this task tells it.
    time: SteadyTime,

    outputs: Outputs,
    pending: Option<Pending>,
    /// Whether the names of stores and timers are in the journal already.
    layout_written: bool,
    /// The instance of a function that saves, and what it saved last.
    own_guest: Option<Box<dyn Guest>>,
    saved: Option<Vec<u8>>,
    trial: Option<replace::Before>,
    /// A trial has failed that there was no way back from.
    is_over: bool,
    /// Where the call on trial began, until its commit is made up.
    mark: Option<Box<replace::Mark>>,
    /// Windows that have failed when they fired early, in the step under way.
    spoiled: Vec<(Window, Option<Bytes>, Fault)>,
    verdict: Option<Verdict>,
    /// Hears its calls, where it has a shadow or is one.
    tap: Option<Box<Tap>>,
    /// Takes down what its calls read, where somebody asks.
    reads: Option<Arc<Reads>>,
    sweep: migrate::Sweep,
    /// What the call under way has read of another schema version.
    old_reads: Arc<OldReads>,

    rows_limit: UnitLimit,
    groups_limit: UnitLimit,
    timers_limit: UnitLimit,
    migrate_limit: UnitLimit,
    /// CPU time that the guest took for the last call, ns.
    call_cpu_ns: u64,
    attempt: u32,
    wait_until: Option<i64>,
    poison_in_a_row: u32,

    scratch: Scratch,
    sequence: u64,
    changed_bytes: u64,
    snapshot: Option<BoxFuture<'static, Result<()>>>,
    /// Shared with the savepoints that still hold the state as it was.
    held: Arc<()>,
    /// When the last commit was made, ms; `i64::MIN` before the first.
    committed_ms: i64,
    /// As of the last commit.
    last: Decisions,
    /// When to ask the tasks that write to its inputs.
    asking: producers::Asking,
    /// What the call under way began with.
    began: Option<Began>,
    /// It repeats decisions that are given to it, and makes none of its own.
    repeats: bool,
    /// Of the part that is repeated: whether its call has records, and the commits before it.
    repeating: (bool, u64),
}

impl Task {
    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// What it was told.
    #[must_use]
    pub fn config(&self) -> &TaskConfig {
        &self.config
    }

    /// Its state, between two steps.
    #[must_use]
    pub fn state(&self) -> &TaskState {
        &self.state
    }

    /// Its watermark, ms: `i64::MAX` once its inputs have ended.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        if self.flushing { i64::MAX } else { self.watermark }
    }

    /// The sequence of its last commit in its sink.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Its sink.
    #[must_use]
    pub fn sink(&self) -> &dyn Sink {
        &*self.sink
    }

    /// Its source, to wait on.
    pub fn source(&mut self) -> &mut dyn Source {
        &mut *self.source
    }

    /// Its inputs: the partition, the offset that is read next, and how far its event time has come.
    pub fn progress(&self) -> impl Iterator<Item = (&TopicPartition, u64, InputProgress)> {
        let inputs = self.inputs.iter().zip(&self.clocks);
        inputs.map(|(input, clock)| (&input.config.partition, input.next, clock.progress))
    }

    /// Records that wait in its inputs' partitions, none of them committed.
    ///
    /// # Errors
    /// A storage error.
    pub fn lag(&mut self) -> Result<u64> {
        let mut lag = 0;
        for (index, input) in self.inputs.iter().enumerate() {
            lag += self.source.end(index)?.saturating_sub(input.next);
        }
        Ok(lag)
    }

    /// Tells the counters how things stand.
    fn publish(&self) {
        let read_to = self.inputs.iter().map(|input| input.next).sum();
        self.counters.read_to.store(read_to, Ordering::Relaxed);
        self.counters.unmigrated.store(self.unmigrated(), Ordering::Relaxed);
    }

    /// Counts units that were given up.
    fn count_poison(&self, units: u64) {
        Counters::add(&self.counters.poison, units);
        if matches!(self.config.on_poison, OnPoison::DeadLetter(_)) {
            Counters::add(&self.counters.dead_letters, units);
        }
    }

    /// The environment of a call that starts with this slice and watermark.
    fn environment_of(&self, slice: Slice, watermark: i64, units: Units) -> SharedEnvironment {
        Arc::new(TaskEnvironment {
            config: Arc::clone(&self.config),
            state: Arc::clone(&self.state),
            telemetry: Arc::clone(&self.telemetry),
            slice,
            time_ms: self.time.ms(),
            watermark,
            units,
            old_reads: Arc::clone(&self.old_reads),
            reads: self.reads.clone(),
        })
    }
}

/// The state for changing it, which is possible between calls: no environment holds it then.
fn owned(state: &mut Arc<TaskState>) -> Result<&mut TaskState> {
    Arc::get_mut(state).ok_or_else(|| {
        let text = "a guest call ended and kept its environment";
        Error::new("E-INTERNAL", Domain::Internal, text)
    })
}
