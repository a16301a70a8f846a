//! Prints the figures as one table: see `benches/README.md`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use pelton_benches::groups::{Fixed, Group, Size, instructions, open_panes, start_idle};
use pelton_benches::table::{Line, markdown};

/// Measures Pelton against plain Rust and raw files, in one run, and prints one line a figure.
#[derive(Parser)]
#[command(name = "pelton-benches")]
struct Arguments {
    /// Only these groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
    /// A few iterations: shows that every figure comes out, says nothing about speed
    #[arg(long)]
    quick: bool,
    /// With ten million keys of state, which takes 4 GB of memory
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// How to print the figures
    #[arg(short, long, default_value = "markdown")]
    output: Output,
    /// Measures nothing: does work of a fixed size, to be run under `valgrind --tool=callgrind`
    #[arg(long, value_name = "WORK", conflicts_with_all = ["only", "quick", "full", "output"])]
    callgrind: Option<Fixed>,
    /// How many times that work's size; 0 does only what comes before it
    #[arg(long, value_name = "N", default_value_t = 1, requires = "callgrind")]
    rounds: usize,
    /// Counts the instructions of each such work under valgrind, instead of taking times
    #[arg(long, conflicts_with_all = ["only", "quick", "full", "callgrind"])]
    instructions: bool,
    /// A part of the group `serve`: starts what is deployed in a data directory
    #[arg(long, hide = true, value_name = "DIR")]
    start_idle: Option<PathBuf>,
    /// A part of the group `windows`: opens so many panes
    #[arg(long, hide = true, value_name = "COUNT")]
    open_panes: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A Markdown table
    Markdown,
    /// An array of lines
    Json,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(work) = arguments.callgrind {
        return work.run(arguments.rounds);
    }
    if let Some(directory) = arguments.start_idle {
        println!("{}", serde_json::to_string(&start_idle(&directory)?)?);
        return Ok(());
    }
    if let Some(count) = arguments.open_panes {
        println!("{}", open_panes(count)?);
        return Ok(());
    }
    let lines = if arguments.instructions { instructions()? } else { measure(&arguments)? };
    match arguments.output {
        Output::Markdown => print!("{}", markdown(&lines)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&lines)?),
    }
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<Vec<Line>> {
    let size = match (arguments.quick, arguments.full) {
        (true, _) => Size::Quick,
        (_, true) => Size::Full,
        _ => Size::Ordinary,
    };
    let mut lines = Vec::new();
    for group in Group::ALL {
        if arguments.only.is_empty() || arguments.only.contains(&group) {
            eprintln!("measuring: {}", format!("{group:?}").to_lowercase());
            lines.extend(group.run(size)?);
        }
    }
    Ok(lines)
}
