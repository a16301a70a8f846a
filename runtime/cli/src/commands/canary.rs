//! Canaries: the flags of `pelton deploy`, and how they are shown.

use clap::Args;
use pelton_core::manifest::parse_duration_ms;
use pelton_server::functions::{CANARY_PERCENT_MAX, CanaryStatus, NewCanary};

use crate::error::Result;
use crate::text;
use crate::ui::Ui;

/// A version for a share of the keys.
#[derive(Debug, Args)]
pub(super) struct CanaryArgs {
    /// Let this share of the keys go through it, until it is promoted or rolled back: 0.01% to 50%
    #[arg(long, value_name = "PERCENT", conflicts_with = "shadow", value_parser = percent)]
    canary: Option<f64>,
    /// How long the canary is watched before it is promoted
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "canary",
        value_parser = parse_duration_ms)]
    canary_for: i64,
    /// Faults of the canary with which it is not yet rolled back
    #[arg(long, value_name = "N", default_value_t = 0, requires = "canary")]
    max_faults: u64,
    /// How many times the old version's CPU time for a record the canary may take, at the 99th percentile
    #[arg(long, value_name = "RATIO", default_value_t = 2.0, requires = "canary")]
    max_latency_ratio: f64,
    /// Calls of the canary before its latency is judged
    #[arg(long, value_name = "N", default_value_t = 100, requires = "canary")]
    min_calls: u64,
}

/// A share of the keys: `10%` or `10`.
fn percent(text: &str) -> std::result::Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let number: f64 = number.parse().map_err(|_| "use a share such as 10%".to_owned())?;
    match (0.01..=CANARY_PERCENT_MAX).contains(&number) {
        true => Ok(number),
        false => Err("use a share from 0.01% to 50%".to_owned()),
    }
}

impl CanaryArgs {
    /// What is asked of the server, if a canary is wanted.
    pub(super) fn new_canary(&self) -> Option<NewCanary> {
        Some(NewCanary {
            percent: self.canary?,
            for_ms: Some(self.canary_for.unsigned_abs()),
            max_faults: Some(self.max_faults),
            max_latency_ratio: Some(self.max_latency_ratio),
            min_calls: Some(self.min_calls),
        })
    }
}

/// How far a canary has come, in a few lines.
pub(super) fn show(canary: &CanaryStatus, ui: &mut Ui) -> Result<()> {
    let left = match canary.left_ms {
        0 => "promoted with enough calls".to_owned(),
        ms => format!("promoted in {}", text::seconds(ms as f64 / 1e3)),
    };
    ui.line(format!(
        "  canary   version {}: {}% of the keys, {left}",
        canary.version, canary.percent
    ))?;
    let times = match canary.latency_ratio {
        Some(ratio) => format!("{ratio:.2} times the old CPU time for a record at p99"),
        None => format!(
            "{} and {} of {} calls for a verdict on latency",
            text::thousands(canary.new.calls),
            text::thousands(canary.control.calls),
            text::thousands(canary.min_calls),
        ),
    };
    ui.line(format!(
        "           {} new, {} old; {} (allowed: {}); {times} (allowed: {})",
        text::thousands(canary.new.units),
        text::thousands(canary.control.units + canary.old_units),
        text::count(canary.faults, "fault"),
        canary.max_faults,
        canary.max_latency_ratio,
    ))
}
