//! `cargo xtask bench`: the benches, whose ratios the README quotes.

use anyhow::Result;

use crate::guests;
use crate::workspace::{self, cargo};

/// Builds the guests and runs the benches in release; the table goes to standard output.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Handed to the benches, such as the names of those to run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    guests::build()?;
    let mut command = cargo(["run", "--release", "--quiet", "--package", "pelton-benches", "--"]);
    workspace::run(command.args(&arguments.rest))
}
