//! Steps with their times, and the summary at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How a step ended, if it did not fail.
pub(crate) enum Outcome {
    /// It ran and passed.
    Passed,
    /// It did not run, and why.
    LeftOut(String),
}

/// What has been done so far.
pub(crate) struct Report {
    started: Instant,
    done: Vec<(String, Outcome, Duration)>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), done: Vec::new() }
    }

    /// Runs a step. Where it fails, the summary so far is printed and the error names the step.
    pub(crate) fn step(
        &mut self,
        name: &str,
        body: impl FnOnce() -> Result<Outcome>,
    ) -> Result<()> {
        eprintln!("\n==> {name}");
        let started = Instant::now();
        let result = body();
        let took = started.elapsed();
        match result {
            Ok(outcome) => {
                match &outcome {
                    Outcome::Passed => eprintln!("<== {name}: passed in {}", seconds(took)),
                    Outcome::LeftOut(why) => eprintln!("<== {name}: LEFT OUT: {why}"),
                }
                self.done.push((name.into(), outcome, took));
                Ok(())
            }
            Err(error) => {
                self.summary();
                eprintln!("  FAILED    {name:<28} {:>8}  {error:#}", seconds(took));
                bail!("step `{name}` failed: {error:#}");
            }
        }
    }

    /// Says what ran and what was left out, on standard error.
    pub(crate) fn summary(&self) {
        eprintln!("\nSummary, {} in all:", seconds(self.started.elapsed()));
        for (name, outcome, took) in &self.done {
            match outcome {
                Outcome::Passed => eprintln!("  passed    {name:<28} {:>8}", seconds(*took)),
                Outcome::LeftOut(why) => eprintln!("  LEFT OUT  {name:<28}           {why}"),
            }
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
