//! What can be said on the command line.

use clap::{ArgAction, Args, Parser, ValueEnum};

use crate::commands::Command;
use crate::exit;

/// Pelton hosts WebAssembly functions on streams, exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "pelton",
    version,
    after_help = exit::HELP,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The heading of options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// How results and errors are shown
    #[arg(
        short = 'o',
        long = "format",
        value_name = "FORMAT",
        help_heading = EVERYWHERE,
        global = true,
        default_value = "table"
    )]
    pub output_format: OutputFormat,
    /// Say more: -v info, -vv debug, -vvv trace
    #[arg(short, long, help_heading = EVERYWHERE, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour
    #[arg(long, value_name = "WHEN", help_heading = EVERYWHERE, global = true, default_value = "auto")]
    pub color: Color,
    /// The profile of the manifest, [profile.NAME], that is in force; else PELTON_PROFILE
    #[arg(long, value_name = "NAME", help_heading = EVERYWHERE, global = true)]
    pub profile: Option<String>,
}

/// How results are shown: for people, or for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Table,
    Json,
}

/// When to use colour; `auto` is on a terminal, unless NO_COLOR is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
