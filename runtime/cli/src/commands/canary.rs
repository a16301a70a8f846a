//! Canaries: the flags of `pelton deploy`, and how they are shown.

use clap::Args;
use pelton_core::manifest::{Canary, parse_duration_ms, parse_share};
use pelton_server::functions::{CanaryStatus, NewCanary};

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// A version for a share of the keys.
#[derive(Debug, Args)]
pub(super) struct CanaryArgs {
    /// Let this share of the keys go through it, until it is promoted or rolled back: 0.01% to 50%; else
    /// the manifest's [canary] share
    #[arg(long, value_name = "PERCENT", conflicts_with = "shadow", value_parser = parse_share,
        num_args = 0..=1)]
    canary: Option<Option<f64>>,
    /// How long the canary is watched before it is promoted; else the manifest's, else 10m
    #[arg(long, value_name = "DURATION", requires = "canary", value_parser = parse_duration_ms)]
    canary_for: Option<i64>,
    /// Faults of the canary with which it is not yet rolled back; else the manifest's, else 0
    #[arg(long, value_name = "N", requires = "canary")]
    max_faults: Option<u64>,
    /// How many times the old version's CPU time for a record the canary may take, at the 99th
    /// percentile; else the manifest's, else 2
    #[arg(long, value_name = "RATIO", requires = "canary")]
    max_latency_ratio: Option<f64>,
    /// Calls of the canary before its latency is judged; else the manifest's, else 100
    #[arg(long, value_name = "N", requires = "canary")]
    min_calls: Option<u64>,
}

impl CanaryArgs {
    /// Whether a canary is asked for.
    pub(super) fn is_given(&self) -> bool {
        self.canary.is_some()
    }

    /// What is asked of the server, if a canary is wanted: flags go before the manifest, and what
    /// neither says is the server's to say.
    ///
    /// # Errors
    /// `E-USAGE` where neither names a share.
    pub(super) fn new_canary(&self, manifest: &Canary) -> Result<Option<NewCanary>> {
        let Some(share) = self.canary else { return Ok(None) };
        let percent = share.or(manifest.percent).ok_or_else(|| {
            let text = "the canary has no share of the keys";
            let next = "pelton deploy --canary 10%, or share = \"10%\" in [canary] of the manifest";
            CliError::new("E-USAGE", Exit::Usage, text).next(next)
        })?;
        Ok(Some(NewCanary {
            percent,
            for_ms: self.canary_for.or(manifest.for_ms).map(i64::unsigned_abs),
            max_faults: self.max_faults.or(manifest.max_faults.map(u64::from)),
            max_latency_ratio: self.max_latency_ratio.or(manifest.max_latency_ratio),
            min_calls: self.min_calls.or(manifest.min_calls.map(u64::from)),
        }))
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use pelton_core::Manifest;

    use super::*;

    const FILE: &str = "[function]\nname = \"f\"\n[canary]\nshare = \"10%\"\nfor = \"1h\"\n\
                        max_faults = 3\n[profile.prod.canary]\nfor = \"2h\"\nmin_calls = 7\n";

    #[derive(Parser)]
    struct Line {
        #[arg(long)]
        shadow: bool,
        #[command(flatten)]
        canary: CanaryArgs,
    }

    fn asked(line: &str, manifest: &Manifest) -> Option<NewCanary> {
        let line = Line::try_parse_from(line.split(' ')).unwrap();
        assert!(!line.shadow);
        line.canary.new_canary(&manifest.canary).unwrap()
    }

    #[test]
    fn a_flag_goes_before_the_profile_that_before_the_file_and_that_before_the_default() {
        let file = Manifest::parse(FILE, "f").unwrap();
        let profile = Manifest::parse_profile(FILE, "f", "prod").unwrap();
        let by_file = NewCanary {
            percent: 10.0,
            for_ms: Some(3_600_000),
            max_faults: Some(3),
            max_latency_ratio: None,
            min_calls: None,
        };
        assert_eq!(asked("deploy --canary", &file), Some(by_file));
        let by_profile = NewCanary { for_ms: Some(7_200_000), min_calls: Some(7), ..by_file };
        assert_eq!(asked("deploy --canary", &profile), Some(by_profile));
        let by_flags = NewCanary { percent: 5.0, for_ms: Some(60_000), ..by_profile };
        assert_eq!(asked("deploy --canary 5% --canary-for 1m", &profile), Some(by_flags));
        assert_eq!(asked("deploy", &profile), None, "the file alone asks for none");
    }

    #[test]
    fn a_canary_without_a_share_says_where_to_name_one() {
        let line = Line::try_parse_from(["deploy", "--canary"]).unwrap();
        let error = line.canary.new_canary(&Canary::default()).unwrap_err();
        assert_eq!((&*error.code, error.exit), ("E-USAGE", Exit::Usage));
        for share in ["0%", "50.1%", "half"] {
            assert!(Line::try_parse_from(["deploy", "--canary", share]).is_err(), "{share}");
        }
    }
}
