//! `[canary]`: what `deploy --canary` does where its flags do not say it.

use super::keys;
use super::problem::Problems;
use super::section::Section;

/// `[canary]`: the share of the keys that a canary gets, and the rule that it is judged by. What is
/// absent is the server's default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Canary {
    /// The share, percent.
    pub percent: Option<f64>,
    /// How long it is watched before it is promoted, ms.
    pub for_ms: Option<i64>,
    /// Faults with which it is not yet rolled back.
    pub max_faults: Option<u32>,
    /// How many times the old version's CPU time for a record it may take.
    pub max_latency_ratio: Option<f64>,
    /// Calls before its latency is judged.
    pub min_calls: Option<u32>,
}

/// The percent of a share such as `10%` or `0.5`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (least, most) = keys::CANARY_PERCENT;
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let within = number.parse().ok().filter(|share| (least..=most).contains(share));
    within.ok_or_else(|| format!("{text:?} is no share from {least}% to {most}%, such as \"10%\""))
}

pub(super) fn read(top: &Section<'_>, problems: &mut Problems<'_>) -> Canary {
    let Some(section) = top.table("canary", &keys::CANARY, problems) else {
        return Canary::default();
    };
    Canary {
        percent: section.parsed("share", parse_share, problems),
        for_ms: section.duration_within("for", 0..=keys::CANARY_MS_MAX, problems),
        max_faults: section.number("max_faults", 0..=keys::CANARY_COUNT_MAX, problems),
        max_latency_ratio: section.ratio("max_latency_ratio", keys::CANARY_RATIO, problems),
        min_calls: section.number("min_calls", 1..=keys::CANARY_COUNT_MAX, problems),
    }
}
