//! Developer commands: `cargo xtask --help` lists them. `cargo xtask ci` is what the CI runs.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a developer's tool talks on the terminal"
)]

mod bench;
mod ci;
mod console;
mod fuzz;
mod guests;
mod kafka;
mod openapi;
mod report;
mod sim;
mod suites;
mod test;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of Pelton.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Format, lints and every test suite; stops at the first failure
    Ci,
    /// Test suites: all, or those that are named
    Test(test::Arguments),
    /// Build the guest examples for wasm
    Guests(guests::Arguments),
    /// Run the benches and print their table
    Bench(bench::Arguments),
    /// A real Apache Kafka on loopback, for tests
    Kafka(kafka::Arguments),
    /// Run the fuzz targets
    Fuzz(fuzz::Arguments),
    /// Run the seeded simulation with more seeds
    Sim(sim::Arguments),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Ci => ci::run(),
        Command::Test(arguments) => test::run(arguments),
        Command::Guests(arguments) => guests::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Kafka(arguments) => kafka::run(arguments),
        Command::Fuzz(arguments) => fuzz::run(arguments),
        Command::Sim(arguments) => sim::run(arguments),
    }
}
