//! `cargo xtask sim`: the seeded simulation, with more seeds than the ordinary test run.

use anyhow::Result;

use crate::workspace::{self, cargo};

/// Runs the simulation of engine, state and journal under crashes, torn writes and delayed syncs.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Number of seeds
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first seed; one failing seed is repeated with `--from SEED --seeds 1`
    #[arg(long, default_value_t = 0)]
    from: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut command = cargo(["test", "--release", "--workspace", "--test", "simulation"]);
    command.args(["--", "--nocapture"]);
    command.env("PELTON_SIM_SEEDS", arguments.seeds.to_string());
    command.env("PELTON_SIM_FROM", arguments.from.to_string());
    workspace::run(&mut command)
}
