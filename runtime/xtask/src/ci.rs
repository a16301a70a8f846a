//! `cargo xtask ci`: everything that must hold before a change lands.

use anyhow::Result;

use crate::fuzz;
use crate::report::{Outcome, Report};
use crate::suites;
use crate::workspace::{self, cargo, cargo_in};

const GUESTS: &str = "guest-examples";
/// Time for each fuzz target.
const FUZZ_SECONDS: u64 = 20;

pub(crate) fn run() -> Result<()> {
    let mut report = Report::new();
    checks(&mut report)?;
    report.summary();
    Ok(())
}

fn checks(report: &mut Report) -> Result<()> {
    report.step("format", || {
        workspace::run(&mut cargo(["fmt", "--all", "--check"]))?;
        workspace::run(&mut cargo_in(GUESTS, ["fmt", "--all", "--check"]))?;
        Ok(Outcome::Passed)
    })?;
    report.step("clippy", || {
        let lint = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
        workspace::run(&mut cargo(lint))?;
        Ok(Outcome::Passed)
    })?;
    report.step("clippy guest-examples", || {
        let lint = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        workspace::run(&mut cargo_in(GUESTS, lint))?;
        Ok(Outcome::Passed)
    })?;
    for suite in suites::ALL {
        suite.run(report, suites::Missing::Fails)?;
    }
    report.step("fuzz", || fuzz::run_all(FUZZ_SECONDS).map(|()| Outcome::Passed))
}
