//! When a canary is promoted or rolled back: a pure decision over what was counted.

use pelton_core::{Domain, Error, Result};
use pelton_engine::{CANARY_PARTS, CanaryCounts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a canary is watched at least, where a deployment does not say it, ms.
const FOR_MS: u64 = 600_000;
/// Longest time that a canary may be watched, ms.
const FOR_MS_MAX: u64 = 7 * 86_400_000;
/// Calls of each side before latency is judged, where a deployment does not say it.
const CALLS_MIN: u64 = 100;
/// How much slower the new version may be, where a deployment does not say it, in hundredths.
const LATENCY_HUNDREDTHS: u32 = 200;
/// Largest share of the keys: as many go through the old version for comparison.
pub const CANARY_PERCENT_MAX: f64 = 50.0;

/// A canary that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCanary {
    /// The share of the keys that goes through the new version, from 0.01 to 50.
    #[schema(minimum = 0.01, maximum = 50)]
    pub percent: f64,
    /// How long it is watched before it is promoted, ms (600,000; at most 7 days).
    pub for_ms: Option<u64>,
    /// Faults of the new version with which it is not yet rolled back (0).
    pub max_faults: Option<u64>,
    /// How many times the CPU time of the old version for a record the new one may take, at the 99th
    /// percentile (2; 0.1 to 1,000).
    pub max_latency_ratio: Option<f64>,
    /// Calls of the new version, and of the old one beside it, before its latency is judged (100).
    pub min_calls: Option<u64>,
}

/// A canary as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRecord {
    /// The new version.
    pub version: u64,
    /// Its share of the keys, of 10,000 parts.
    pub parts: u32,
    /// When it began, ms since the epoch.
    pub since_ms: i64,
    /// How long it is watched before it is promoted, ms.
    pub for_ms: u64,
    /// Faults with which it is not yet rolled back.
    pub faults_max: u64,
    /// How much slower than the old version it may be, in hundredths.
    pub latency_hundredths_max: u32,
    /// Calls before latency is judged.
    pub calls_min: u64,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Judgement {
    /// It is watched on.
    Watch,
    Promote,
    /// Why it does not pass.
    RollBack(String),
}

impl NewCanary {
    /// The canary of `version` from now on.
    ///
    /// # Errors
    /// `E-CANARY-RULE` names what is out of its bounds.
    pub(super) fn record(&self, version: u64, now_ms: i64) -> Result<CanaryRecord> {
        let bad = |text: &str| Err(Error::new("E-CANARY-RULE", Domain::User, text));
        if !(0.01..=CANARY_PERCENT_MAX).contains(&self.percent) {
            return bad(
                "the share of a canary is from 0.01% to 50%: as many keys go through the old \
                        version for comparison",
            );
        }
        let for_ms = self.for_ms.unwrap_or(FOR_MS);
        if for_ms > FOR_MS_MAX {
            return bad("a canary is watched for at most 7 days");
        }
        let ratio = self.max_latency_ratio.unwrap_or(f64::from(LATENCY_HUNDREDTHS) / 100.0);
        if !(0.1..=1_000.0).contains(&ratio) {
            return bad("the latency ratio of a canary is from 0.1 to 1000");
        }
        Ok(CanaryRecord {
            version,
            parts: (self.percent * f64::from(CANARY_PARTS) / 100.0).round() as u32,
            since_ms: now_ms,
            for_ms,
            faults_max: self.max_faults.unwrap_or(0),
            latency_hundredths_max: (ratio * 100.0).round() as u32,
            calls_min: self.min_calls.unwrap_or(CALLS_MIN).max(1),
        })
    }
}

impl CanaryRecord {
    /// How many times the time of the old version the new one takes, once both have made enough calls.
    pub(super) fn ratio(&self, counts: &CanaryCounts) -> Option<f64> {
        let is_enough = counts.new.calls.min(counts.control.calls) >= self.calls_min;
        let known = is_enough && counts.control.p99_ns > 0;
        known.then(|| counts.new.p99_ns as f64 / counts.control.p99_ns as f64)
    }

    /// Time until it may be promoted, ms.
    pub(super) fn left_ms(&self, now_ms: i64) -> u64 {
        let end = self.since_ms.saturating_add_unsigned(self.for_ms);
        u64::try_from(end.saturating_sub(now_ms)).unwrap_or(0)
    }

    pub(super) fn judge(&self, counts: &CanaryCounts, now_ms: i64) -> Judgement {
        if counts.faults > self.faults_max {
            let last = counts.last_fault.as_deref().unwrap_or("a fault");
            return Judgement::RollBack(format!(
                "version {} failed {} times (allowed: {}), and the version before has handled these \
                 records; the last time with: {last}",
                self.version, counts.faults, self.faults_max
            ));
        }
        let Some(ratio) = self.ratio(counts) else { return Judgement::Watch };
        if ratio * 100.0 > f64::from(self.latency_hundredths_max) {
            return Judgement::RollBack(format!(
                "version {} takes {ratio:.2} times as long for a record as the version before at the \
                 99th percentile (allowed: {:.2})",
                self.version,
                f64::from(self.latency_hundredths_max) / 100.0
            ));
        }
        if self.left_ms(now_ms) > 0 { Judgement::Watch } else { Judgement::Promote }
    }
}

#[cfg(test)]
mod tests {
    use pelton_engine::SideCounts;

    use super::*;

    const NEW: NewCanary = NewCanary {
        percent: 10.0,
        for_ms: Some(1_000),
        max_faults: Some(1),
        max_latency_ratio: Some(1.5),
        min_calls: Some(10),
    };

    fn counts(new: (u64, u64), control: (u64, u64), faults: u64) -> CanaryCounts {
        let side = |(calls, p99_ns)| SideCounts { calls, units: calls, p99_ns };
        CanaryCounts { new: side(new), control: side(control), faults, ..CanaryCounts::default() }
    }

    #[test]
    fn faults_count_at_once_and_latency_with_enough_calls() {
        let canary = NEW.record(2, 5_000).unwrap();
        let judge = |new, control, faults, now| canary.judge(&counts(new, control, faults), now);
        let rolled_back = |judgement: Judgement| matches!(judgement, Judgement::RollBack(_));
        assert!(rolled_back(judge((1, 1), (1, 1), 2, 5_001)), "one fault past the limit");
        assert_eq!(judge((1, 1), (1, 1), 1, 9_000), Judgement::Watch, "at the limit, few calls");
        assert_eq!(judge((9, 900), (10, 100), 0, 9_000), Judgement::Watch);
        assert!(rolled_back(judge((10, 151), (10, 100), 0, 5_001)));
        assert_eq!(judge((10, 150), (10, 100), 0, 5_999), Judgement::Watch, "too early");
        assert_eq!(judge((10, 150), (10, 100), 0, 6_000), Judgement::Promote);
    }

    #[test]
    fn rules_have_bounds() {
        let code = |new: NewCanary| new.record(1, 0).map_err(|error| error.code);
        assert_eq!(code(NewCanary { percent: 50.0, ..NEW }).unwrap().parts, 5_000);
        assert_eq!(code(NewCanary { percent: 0.01, ..NEW }).unwrap().parts, 1);
        for percent in [0.0, 50.01, -1.0, f64::NAN] {
            assert_eq!(code(NewCanary { percent, ..NEW }), Err("E-CANARY-RULE"));
        }
        let for_ms = Some(FOR_MS_MAX + 1);
        assert_eq!(code(NewCanary { for_ms, ..NEW }), Err("E-CANARY-RULE"));
        assert!(code(NewCanary { for_ms: Some(FOR_MS_MAX), ..NEW }).is_ok());
        let max_latency_ratio = Some(1_000.1);
        assert_eq!(code(NewCanary { max_latency_ratio, ..NEW }), Err("E-CANARY-RULE"));
    }
}
