//! The commands, one file each.

mod build;
mod check;
mod completions;
mod demo;
mod invoke;
mod new;
mod read;
mod run;
mod version;

use clap::Subcommand;

use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show Pelton at work on real flight records
    Demo(demo::Demo),
    /// Make a new project in a new folder
    New(new::New),
    /// Build a project's function to a .wasm file
    Build(build::Build),
    /// Report what a .wasm file is, wants and can do
    Check(check::Check),
    /// Run a function over a file of records, to its end
    Run(run::Run),
    /// Call a function with one record and show what it answers
    Invoke(invoke::Invoke),
    /// Print the records of a topic in a data directory
    Read(read::Read),
    /// Print the completions for a shell
    Completions(completions::Completions),
    /// Print versions
    Version(version::Version),
}

pub(crate) fn run(command: Command, ui: &mut Ui) -> Result<Exit> {
    match command {
        Command::Demo(command) => command.run(ui),
        Command::New(command) => command.run(ui),
        Command::Build(command) => command.run(ui),
        Command::Check(command) => command.run(ui),
        Command::Run(command) => command.run(ui),
        Command::Invoke(command) => command.run(ui),
        Command::Read(command) => command.run(ui),
        Command::Completions(command) => command.run(ui),
        Command::Version(command) => command.run(ui),
    }
}
