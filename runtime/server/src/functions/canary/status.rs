//! How far a canary has come.

use pelton_engine::{CANARY_PARTS, CanaryCounts, SideCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rule::CanaryRecord;

/// What a version did on its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CanarySide {
    /// Guest calls.
    pub calls: u64,
    /// Records, windows and timers.
    pub units: u64,
    /// CPU time for one of these that 99 of 100 calls do not exceed, ns.
    pub p99_ns: u64,
}

/// How far a canary has come. Counts are since the tasks were started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CanaryStatus {
    /// The new version.
    pub version: u64,
    /// The share of the keys that goes through it.
    pub percent: f64,
    /// When it began, ms since the epoch.
    pub since_ms: i64,
    /// Time until it may be promoted, ms.
    pub left_ms: u64,
    /// The new version.
    pub new: CanarySide,
    /// The old version on as many other keys, in calls of the same sizes.
    pub control: CanarySide,
    /// Records, windows and timers that went through the old version otherwise.
    pub old_units: u64,
    /// Calls at which the new version failed, and which the old one has answered in its place.
    pub faults: u64,
    /// Faults with which it is not yet rolled back.
    pub max_faults: u64,
    /// The last of these faults.
    pub last_fault: Option<String>,
    /// How many times the time of the old version the new one takes; absent before both have made
    /// `min_calls` calls.
    pub latency_ratio: Option<f64>,
    /// The ratio with which it is not yet rolled back.
    pub max_latency_ratio: f64,
    /// Calls of each before latency is judged.
    pub min_calls: u64,
}

impl CanaryStatus {
    pub(super) fn new(record: &CanaryRecord, counts: CanaryCounts, now_ms: i64) -> Self {
        let side = |SideCounts { calls, units, p99_ns }| CanarySide { calls, units, p99_ns };
        Self {
            version: record.version,
            percent: f64::from(record.parts) * 100.0 / f64::from(CANARY_PARTS),
            since_ms: record.since_ms,
            left_ms: record.left_ms(now_ms),
            new: side(counts.new),
            control: side(counts.control),
            old_units: counts.old_units,
            faults: counts.faults,
            max_faults: record.faults_max,
            latency_ratio: record.ratio(&counts),
            last_fault: counts.last_fault,
            max_latency_ratio: f64::from(record.latency_hundredths_max) / 100.0,
            min_calls: record.calls_min,
        }
    }
}
