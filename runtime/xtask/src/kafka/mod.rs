//! `cargo xtask kafka`: a real Apache Kafka on loopback, fetched by Maven, for tests only.
//!
//! Everything lives in `.kafka/` (git-ignored): the jars, and while it runs `server.properties`,
//! `data/`, `log`, `pid` and `address`. Its data does not survive a `down`.

mod broker;
mod fetch;
mod probe;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use broker::Broker;
pub(crate) use fetch::lacks;

/// Starts and stops a single Apache Kafka node on a free loopback port.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start it where it does not run; prints its address
    Up,
    /// Stop it
    Down,
    /// Tell whether it runs, and where
    Status,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match arguments.command {
        Command::Up => {
            let (address, _) = broker::up()?;
            println!("{address}");
            eprintln!("export PELTON_TEST_KAFKA={address}");
        }
        Command::Down => broker::down()?,
        Command::Status => match broker::running() {
            Some((pid, address)) if probe::answers(&address) => {
                println!("{address}");
                eprintln!("kafka runs as process {pid}");
            }
            Some((pid, address)) => {
                anyhow::bail!("kafka runs as process {pid} but does not answer on {address}")
            }
            None => anyhow::bail!("kafka does not run: `cargo xtask kafka up` starts it"),
        },
    }
    Ok(())
}
