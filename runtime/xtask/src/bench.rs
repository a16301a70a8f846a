//! `cargo xtask bench`: the benches, whose ratios the README quotes.

use std::process::Command;

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
    // Out of the whole workspace: a package by itself would have other features, and build wasmtime.
    workspace::run(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    eprintln!("the whole table takes about five minutes");
    let program = workspace::path("target/release/pelton-benches");
    workspace::run(Command::new(program).args(&arguments.rest))
}
