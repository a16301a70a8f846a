//! What has happened lately: figures of the node and of each function, a sample every few seconds,
//! for charts that have something to show when they are opened. In memory only, and bounded.

mod series;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pelton_core::FunctionId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::functions::Figures;
use series::{Sample, Series};

/// Time between two samples.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Samples that are kept: 15 minutes. A function takes some 36 bytes for each, 6.5 kB in all, and
/// next to nothing while it has had nothing to do for as long as they reach.
pub const SAMPLES_MAX: usize = 180;
/// How far back the latest duration of a call is looked for: a minute.
const RECENT_SAMPLES: usize = 12;

/// What a node has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeTotals {
    /// Records that were produced by requests.
    pub produced: u64,
    /// Records that were sent to consumers.
    pub consumed: u64,
    /// The last durable commit.
    pub durable: u64,
}

/// The latest figures of a function.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recent {
    /// Records that it took a second, over the last sample (5 s).
    pub records_in_rate: f64,
    /// Records that it sent a second, over the last sample.
    pub records_out_rate: f64,
    /// Median duration of a call with its commit, µs; absent where there was none for a minute.
    pub p50_us: Option<u64>,
    /// The duration that 99 of 100 calls do not exceed, µs.
    pub p99_us: Option<u64>,
}

/// Samples of a function, oldest first: each list is as long as `times_ms`. Counts are those of the
/// time since the sample before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct FunctionHistory {
    /// Time between two samples, ms.
    pub step_ms: u64,
    /// When each sample was taken, ms since the epoch.
    pub times_ms: Vec<i64>,
    /// Input records that were committed.
    pub records_in: Vec<u64>,
    /// Output records that were committed.
    pub records_out: Vec<u64>,
    /// Guest calls.
    pub calls: Vec<u64>,
    /// Calls that failed.
    pub faults: Vec<u64>,
    /// Records, groups and timers that were given up.
    pub poison: Vec<u64>,
    /// Records that wait.
    pub lag: Vec<u64>,
    /// CPU time of the guest, µs.
    pub cpu_us: Vec<u64>,
    /// Median duration of a call with its commit, µs; null where there was none.
    pub p50_us: Vec<Option<u64>>,
    /// The duration that 99 of 100 calls do not exceed, µs; null where there was none.
    pub p99_us: Vec<Option<u64>>,
}

/// Samples of the node, as [`FunctionHistory`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct NodeHistory {
    /// Time between two samples, ms.
    pub step_ms: u64,
    /// When each sample was taken, ms since the epoch.
    pub times_ms: Vec<i64>,
    /// Records that were produced by requests.
    pub produced: Vec<u64>,
    /// Records that were sent to consumers.
    pub consumed: Vec<u64>,
    /// Commits that became durable.
    pub commits: Vec<u64>,
    /// Input records of all functions.
    pub records_in: Vec<u64>,
    /// Output records of all functions.
    pub records_out: Vec<u64>,
    /// Calls that failed, of all functions.
    pub faults: Vec<u64>,
    /// Records that wait for functions.
    pub lag: Vec<u64>,
}

#[derive(Clone, Copy, Default)]
struct NodeSample {
    totals: NodeTotals,
    functions: Sample,
}

#[derive(Default)]
struct Kept {
    times_ms: VecDeque<i64>,
    node: VecDeque<NodeSample>,
    node_before: Option<NodeTotals>,
    functions: HashMap<FunctionId, Series>,
}

/// Keeps the samples.
#[derive(Default)]
pub struct History(Mutex<Kept>);

impl History {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample. Functions that are not among `functions` are forgotten once theirs are old.
    pub fn sample(&self, now_ms: i64, node: NodeTotals, functions: &[(FunctionId, Figures)]) {
        let mut kept = self.kept();
        let mut all = Sample::default();
        for (id, figures) in functions {
            let series = kept.functions.entry(id.clone()).or_default();
            all = all.plus(&series.take(figures));
        }
        kept.functions.retain(|_, series| series.next_round());
        let before = kept.node_before.replace(node).unwrap_or(node);
        let totals = NodeTotals {
            produced: node.produced.saturating_sub(before.produced),
            consumed: node.consumed.saturating_sub(before.consumed),
            durable: node.durable.saturating_sub(before.durable),
        };
        kept.times_ms.push_back(now_ms);
        kept.node.push_back(NodeSample { totals, functions: all });
        let excess = kept.times_ms.len().saturating_sub(SAMPLES_MAX);
        kept.times_ms.drain(..excess);
        kept.node.drain(..excess);
    }

    /// The latest figures of a function; `None` before its first sample.
    #[must_use]
    pub fn recent(&self, function: &FunctionId) -> Option<Recent> {
        let kept = self.kept();
        let series = kept.functions.get(function)?;
        let last = series.newest_first().next().unwrap_or_default();
        let called = series.newest_first().take(RECENT_SAMPLES).find(|sample| sample.calls > 0);
        let rate = |records: u32| f64::from(records) / SAMPLE_EVERY.as_secs_f64();
        Some(Recent {
            records_in_rate: rate(last.records_in),
            records_out_rate: rate(last.records_out),
            p50_us: called.and_then(|sample| sample.p50_us()),
            p99_us: called.and_then(|sample| sample.p99_us()),
        })
    }

    /// The samples of a function: nothing but zeros where none were taken of it.
    #[must_use]
    pub fn of_function(&self, function: &FunctionId) -> FunctionHistory {
        let kept = self.kept();
        let length = kept.times_ms.len();
        let series = kept.functions.get(function);
        let mut samples: Vec<Sample> =
            series.iter().flat_map(|series| series.newest_first()).take(length).collect();
        samples.resize(length, Sample::default());
        samples.reverse();
        let list = |of: fn(&Sample) -> u32| samples.iter().map(|s| u64::from(of(s))).collect();
        FunctionHistory {
            step_ms: SAMPLE_EVERY.as_millis() as u64,
            times_ms: kept.times_ms.iter().copied().collect(),
            records_in: list(|sample| sample.records_in),
            records_out: list(|sample| sample.records_out),
            calls: list(|sample| sample.calls),
            faults: list(|sample| sample.faults),
            poison: list(|sample| sample.poison),
            lag: list(|sample| sample.lag),
            cpu_us: list(|sample| sample.cpu_us),
            p50_us: samples.iter().map(Sample::p50_us).collect(),
            p99_us: samples.iter().map(Sample::p99_us).collect(),
        }
    }

    /// The samples of the node.
    #[must_use]
    pub fn of_node(&self) -> NodeHistory {
        let kept = self.kept();
        let list = |of: fn(&NodeSample) -> u64| kept.node.iter().map(of).collect();
        NodeHistory {
            step_ms: SAMPLE_EVERY.as_millis() as u64,
            times_ms: kept.times_ms.iter().copied().collect(),
            produced: list(|sample| sample.totals.produced),
            consumed: list(|sample| sample.totals.consumed),
            commits: list(|sample| sample.totals.durable),
            records_in: list(|sample| sample.functions.records_in.into()),
            records_out: list(|sample| sample.functions.records_out.into()),
            faults: list(|sample| sample.functions.faults.into()),
            lag: list(|sample| sample.functions.lag.into()),
        }
    }
}

#[cfg(test)]
mod tests;
