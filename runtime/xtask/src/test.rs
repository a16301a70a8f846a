//! `cargo xtask test`: the suites, all or some.

use anyhow::{Result, bail};

use crate::report::Report;
use crate::suites::{self, Missing, Suite};

/// Runs test suites. Suites whose tools are missing are left out, and the summary says so.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail where a suite's tools are missing, instead of leaving it out
    #[arg(long)]
    require_all: bool,
    /// List the suites and end
    #[arg(long)]
    list: bool,
    /// Suites to run; all where none is named
    suites: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        for suite in suites::ALL {
            println!("{:<16} {}", suite.name, suite.about);
        }
        return Ok(());
    }
    let missing = if arguments.require_all { Missing::Fails } else { Missing::LeavesOut };
    let mut report = Report::new();
    for suite in chosen(&arguments.suites)? {
        suite.run(&mut report, missing)?;
    }
    report.summary();
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    for name in names {
        if !suites::ALL.iter().any(|suite| suite.name == name) {
            let known: Vec<_> = suites::ALL.iter().map(|suite| suite.name).collect();
            bail!("there is no suite `{name}`; there are: {}", known.join(", "));
        }
    }
    let wanted = |suite: &&Suite| names.is_empty() || names.iter().any(|n| n == suite.name);
    Ok(suites::ALL.iter().filter(wanted).collect())
}
