//! Logs, metrics and faults of functions, kept in bounds.

mod log_rate;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use pelton_core::{Clock, Fault, FunctionId, LogLevel, TaskId};
use pelton_engine::Telemetry;

use crate::clock::SystemClock;
pub use log_rate::LOG_BYTES_PER_SECOND;
use log_rate::LogRate;

/// Log lines that are kept for each function.
pub(crate) const LINES_KEPT: usize = 1_000;
/// Metrics of a function's own; one more is counted, not kept.
pub(crate) const METRICS_MAX: usize = 256;

/// A log line of a function.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Counts the lines of the function, from 0.
    pub number: u64,
    /// When it came, ms since the epoch.
    pub time_ms: i64,
    /// The task whose call wrote it.
    pub task: TaskId,
    /// How grave it is.
    pub level: LogLevel,
    /// The line.
    pub message: String,
}

#[derive(Debug, Default)]
struct Function {
    lines: VecDeque<LogLine>,
    lines_told: u64,
    lines_left_out: u64,
    /// Whether the last line was left out.
    leaving_out: bool,
    metrics: BTreeMap<String, f64>,
    metrics_refused: u64,
    faults: BTreeMap<&'static str, u64>,
    last_fault: Option<Fault>,
}

type Listener = Box<dyn Fn(&LogLine) + Send + Sync>;

/// What functions tell, by function.
#[derive(Default)]
pub struct NodeTelemetry {
    functions: DashMap<FunctionId, Mutex<Function>>,
    listener: Mutex<Option<Listener>>,
    log_rate: LogRate,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl NodeTelemetry {
    /// Calls `listener` with each log line as it comes, on the task's thread.
    pub fn on_log(&self, listener: impl Fn(&LogLine) + Send + Sync + 'static) {
        *lock(&self.listener) = Some(Box::new(listener));
    }

    /// Takes only so many bytes of log lines a second from the functions of a tenant; what is more is
    /// counted. Without this call there is no limit.
    pub fn limit_logs(&self, bytes_per_second: u64) {
        self.log_rate.limit(bytes_per_second);
    }

    /// Log lines of a function that went over its tenant's limit.
    #[must_use]
    pub fn lines_left_out(&self, id: &FunctionId) -> u64 {
        self.with(id, |function| function.lines_left_out)
    }

    fn with<R>(&self, id: &FunctionId, act: impl FnOnce(&mut Function) -> R) -> R {
        if let Some(function) = self.functions.get(id) {
            return act(&mut lock(&function));
        }
        let function = self.functions.entry(id.clone()).or_default();
        act(&mut lock(&function))
    }

    /// Functions that have told something.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionId> {
        let mut all: Vec<_> = self.functions.iter().map(|entry| entry.key().clone()).collect();
        all.sort();
        all
    }

    /// The newest log lines of a function, oldest first.
    #[must_use]
    pub fn lines(&self, id: &FunctionId) -> Vec<LogLine> {
        self.with(id, |function| function.lines.iter().cloned().collect())
    }

    /// The kept lines of a function from number `from` on, oldest first.
    #[must_use]
    pub fn lines_from(&self, id: &FunctionId, from: u64) -> Vec<LogLine> {
        self.with(id, |function| {
            let new = function.lines.iter().filter(|line| line.number >= from);
            new.cloned().collect()
        })
    }

    /// Number of faults of a function by code.
    #[must_use]
    pub fn faults(&self, id: &FunctionId) -> BTreeMap<&'static str, u64> {
        self.with(id, |function| function.faults.clone())
    }

    /// The last fault of a function.
    #[must_use]
    pub fn last_fault(&self, id: &FunctionId) -> Option<Fault> {
        self.with(id, |function| function.last_fault.clone())
    }

    /// The metrics of a function's own.
    #[must_use]
    pub fn metrics(&self, id: &FunctionId) -> BTreeMap<String, f64> {
        self.with(id, |function| function.metrics.clone())
    }

    fn keep(&self, mut line: LogLine) {
        let function = line.task.function.clone();
        self.with(&function, |function| {
            line.number = function.lines_told;
            function.lines_told += 1;
            if function.lines.len() == LINES_KEPT {
                function.lines.pop_front();
            }
            function.lines.push_back(line.clone());
        });
        if let Some(listener) = &*lock(&self.listener) {
            listener(&line);
        }
    }

    fn metric(&self, task: &TaskId, name: &str, change: impl FnOnce(&mut f64)) {
        self.with(&task.function, |function| {
            if let Some(value) = function.metrics.get_mut(name) {
                change(value);
            } else if function.metrics.len() < METRICS_MAX {
                change(function.metrics.entry(name.to_string()).or_default());
            } else {
                function.metrics_refused += 1;
            }
        });
    }
}

impl Telemetry for NodeTelemetry {
    fn log(&self, task: &TaskId, level: LogLevel, message: &str) {
        let time_ms = SystemClock.now_ms();
        let tenant = task.function.tenant();
        let (level, message) = if self.log_rate.admits(tenant, message.len(), time_ms) {
            self.with(&task.function, |function| function.leaving_out = false);
            (level, message.to_owned())
        } else {
            let first = self.with(&task.function, |function| {
                function.lines_left_out += 1;
                !std::mem::replace(&mut function.leaving_out, true)
            });
            if !first {
                return;
            }
            let all = "this and more log lines left out: the tenant's functions have written 1 MiB \
                       within a second";
            (LogLevel::Warn, all.to_owned())
        };
        self.keep(LogLine { number: 0, time_ms, task: task.clone(), level, message });
    }

    fn counter(&self, task: &TaskId, name: &str, amount: f64) {
        self.metric(task, name, |value| *value += amount);
    }

    fn gauge(&self, task: &TaskId, name: &str, amount: f64) {
        self.metric(task, name, |value| *value = amount);
    }

    fn fault(&self, task: &TaskId, fault: &Fault, units: usize) {
        tracing::debug!(%task, units, code = fault.kind.code(), "guest fault: {}", fault.message);
        self.with(&task.function, |function| {
            *function.faults.entry(fault.kind.code()).or_default() += 1;
            function.last_fault = Some(fault.clone());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> TaskId {
        TaskId { function: FunctionId::parse("f").unwrap(), partition: 0 }
    }

    #[test]
    fn lines_and_metrics_are_kept_up_to_their_limits_and_no_further() {
        let telemetry = NodeTelemetry::default();
        for line in 0..=LINES_KEPT {
            telemetry.log(&task(), LogLevel::Info, &line.to_string());
        }
        let lines = telemetry.lines(&task().function);
        assert_eq!((lines.len(), &*lines[0].message), (LINES_KEPT, "1"));
        for metric in 0..=METRICS_MAX {
            telemetry.counter(&task(), &metric.to_string(), 1.0);
        }
        assert_eq!(telemetry.metrics(&task().function).len(), METRICS_MAX);
    }

    #[test]
    fn h56_a_flood_of_lines_is_told_once_and_counted() {
        let telemetry = NodeTelemetry::default();
        telemetry.limit_logs(1);
        for _ in 0..1_000 {
            telemetry.log(&task(), LogLevel::Info, "two");
        }
        let lines = telemetry.lines(&task().function);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].message.contains("left out"), "{}", lines[0].message);
        assert_eq!(telemetry.lines_left_out(&task().function), 1_000);
    }
}
