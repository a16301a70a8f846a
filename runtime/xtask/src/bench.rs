//! `cargo xtask bench`: the benches, whose ratios the README quotes.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::guests;
use crate::workspace::{self, cargo};

/// Builds the guests and runs the benches in release; the table goes to standard output.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Count instructions under valgrind instead of taking times. The first time builds the benches
    /// anew, wasmtime included
    #[arg(long)]
    instructions: bool,
    /// Handed to the benches, such as the names of those to run
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    guests::build()?;
    if arguments.instructions {
        return count_instructions(&arguments.rest);
    }
    // Out of the whole workspace: a package by itself would have other features, and build wasmtime.
    workspace::run(&mut cargo(["build", "--release", "--workspace", "--bins"]))?;
    eprintln!("the whole table takes about five minutes");
    let program = workspace::path("target/release/pelton-benches");
    workspace::run(Command::new(program).args(&arguments.rest))
}

/// In a target directory of its own: valgrind hides the vDSO, which `rustix` needs unless it is told to
/// go through libc.
fn count_instructions(rest: &[String]) -> Result<()> {
    let found = Command::new("valgrind").arg("--version").output();
    ensure!(found.is_ok(), "instructions are counted by valgrind, which is not installed");
    let mut build = cargo(["build", "--release", "--package", "pelton-benches"]);
    build.args(["--target-dir", "target/instructions"]);
    workspace::run(build.env("RUSTFLAGS", "--cfg rustix_use_libc"))?;
    let program = workspace::path("target/instructions/release/pelton-benches");
    workspace::run(Command::new(program).arg("--instructions").args(rest))
}
