//! What a task tells about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use pelton_core::{Fault, LogLevel, TaskId};

/// Takes logs, metrics and faults of functions. Called on the task's thread: it must not block.
pub trait Telemetry: Send + Sync {
    /// A log line of the function.
    fn log(&self, task: &TaskId, level: LogLevel, message: &str);
    /// The function adds to a counter of its own.
    fn counter(&self, task: &TaskId, name: &str, amount: f64);
    /// The function sets a gauge of its own.
    fn gauge(&self, task: &TaskId, name: &str, value: f64);
    /// A call failed; `units` records, groups or timers were in it.
    fn fault(&self, task: &TaskId, fault: &Fault, units: usize);
}

/// Takes everything and keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTelemetry;

impl Telemetry for NoTelemetry {
    fn log(&self, _: &TaskId, _: LogLevel, _: &str) {}
    fn counter(&self, _: &TaskId, _: &str, _: f64) {}
    fn gauge(&self, _: &TaskId, _: &str, _: f64) {}
    fn fault(&self, _: &TaskId, _: &Fault, _: usize) {}
}

/// What a task has done since it started. Read from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    /// Input records that are committed.
    pub records_in: AtomicU64,
    /// Output records that are committed, dead letters and late records included.
    pub records_out: AtomicU64,
    /// Records that were too late for every window.
    pub late: AtomicU64,
    /// Records, groups and timers that were given up.
    pub poison: AtomicU64,
    /// Calls that failed.
    pub faults: AtomicU64,
    /// Commits.
    pub commits: AtomicU64,
    /// Guest calls.
    pub calls: AtomicU64,
    /// Calls that were made again with a shorter batch, since something became due in its middle.
    pub recuts: AtomicU64,
    /// Snapshots that were taken.
    pub snapshots: AtomicU64,
    /// Of [`Self::poison`]: those that went to a topic of dead letters.
    pub dead_letters: AtomicU64,
    /// Calls that are made again after a wait: a failure that may pass, or the guest asked for it.
    pub retries: AtomicU64,
    /// CPU time of the calls, ns.
    pub cpu_ns: AtomicU64,
    /// As it stands behind the last commit: the offsets that the inputs are read from next, added
    /// up. What is behind them in the inputs' partitions is the lag.
    pub read_to: AtomicU64,
    /// As it stands behind the last commit: values that are of an older schema version.
    pub unmigrated: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }
}
