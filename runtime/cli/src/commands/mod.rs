//! The commands, one file each.

mod backup;
mod build;
mod canary;
mod capsule;
mod check;
mod completions;
mod consume;
mod demo;
pub(crate) mod deploy;
mod deployed;
mod dev;
mod diff;
pub(crate) mod dlq;
mod doctor;
mod explain;
mod export;
mod group;
mod invoke;
pub(crate) mod logs;
mod ls;
mod marker;
mod new;
mod pause;
mod pipeline;
pub(crate) mod produce;
mod promote;
mod read;
mod replay;
mod replica;
mod restore;
mod rm;
mod rollback;
mod run;
mod savepoint;
mod schema;
mod standard;
mod state;
mod status;
mod tap;
mod test;
mod token;
mod topic;
mod up;
mod version;
pub(crate) mod versions;

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
    /// Run a project's fixtures: input, time steps and expected output, in files
    Test(test::Test),
    /// Call a function with one record and show what it answers
    Invoke(invoke::Invoke),
    /// List and describe the ready-made functions: std:count and others
    Std(standard::Std),
    /// Print the records of a topic in a data directory
    Read(read::Read),
    /// Run a server: topics, functions and the HTTP API
    Up(up::Up),
    /// Deploy a function onto a server, live
    Deploy(deploy::Deploy),
    /// List the functions of a server
    Ls(ls::Ls),
    /// Show what a function of a server is doing
    Status(status::Status),
    /// Show the versions of a function, and what has happened to it
    Versions(versions::Versions),
    /// Take an earlier version of a function back, live
    Rollback(rollback::Rollback),
    /// Savepoints: the state of a function at a moment, to go back to
    Savepoint(savepoint::Savepoint),
    /// Run a function again over records that it has seen
    Replay(replay::Replay),
    /// Capsules: one call of a function in a file, to run it again anywhere
    Capsule(capsule::Capsule),
    /// Show where a function and its shadow differ
    Diff(diff::Diff),
    /// Make the canary or shadow of a function the version that runs, live
    Promote(promote::Promote),
    /// Pipelines: functions that are deployed and versioned together
    Pipeline(pipeline::Pipeline),
    /// Pause a function: its records wait, its state stays
    Pause(pause::Pause),
    /// Let a paused function go on
    Resume(pause::Resume),
    /// Remove a function from a server
    Rm(rm::Rm),
    /// Print what a function of a server has logged
    Logs(logs::Logs),
    /// Watch what goes into a function of a server, and what comes of it
    Tap(tap::Tap),
    /// Tell why windows have fired or not, what holds time back, and what became of a record
    Explain(explain::Explain),
    /// Look into the state of a function of a server
    State(state::State),
    /// Dead letters: what a function could not get past, and why
    Dlq(dlq::Dlq),
    /// Topics of a server
    Topic(topic::Topic),
    /// Consumer groups of a server: how far they have read
    Group(group::Group),
    /// Develop a function: build, swap live and watch it with every save
    Dev(dev::DevCommand),
    /// Append records to a topic of a server
    Produce(produce::Produce),
    /// Print the records of a topic of a server
    Consume(consume::Consume),
    /// Export the records of a topic to files: Parquet or JSON lines
    Export(export::Export),
    /// Tokens: who may call a server
    Token(token::Token),
    /// Make a backup of a server, or of a data directory
    Backup(backup::Backup),
    /// Restore a backup into a new data directory
    Restore(restore::Restore),
    /// Replicas: how far one is behind, and making it lead
    Replica(replica::Replica),
    /// Say what is wrong with machine, data directory, tools and server, and what to do
    Doctor(doctor::Doctor),
    /// Print the completions for a shell
    Completions(completions::Completions),
    /// Print the JSON schema of pelton.toml, for editors
    Schema(schema::Schema),
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
        Command::Test(command) => command.run(ui),
        Command::Invoke(command) => command.run(ui),
        Command::Std(command) => command.run(ui),
        Command::Read(command) => command.run(ui),
        Command::Up(command) => command.run(ui),
        Command::Deploy(command) => command.run(ui),
        Command::Ls(command) => command.run(ui),
        Command::Status(command) => command.run(ui),
        Command::Versions(command) => command.run(ui),
        Command::Rollback(command) => command.run(ui),
        Command::Savepoint(command) => command.run(ui),
        Command::Replay(command) => command.run(ui),
        Command::Capsule(command) => command.run(ui),
        Command::Diff(command) => command.run(ui),
        Command::Promote(command) => command.run(ui),
        Command::Pipeline(command) => command.run(ui),
        Command::Pause(command) => command.run(ui),
        Command::Resume(command) => command.run(ui),
        Command::Rm(command) => command.run(ui),
        Command::Logs(command) => command.run(ui),
        Command::Tap(command) => command.run(ui),
        Command::Explain(command) => command.run(ui),
        Command::State(command) => command.run(ui),
        Command::Dev(command) => command.run(ui),
        Command::Dlq(command) => command.run(ui),
        Command::Topic(command) => command.run(ui),
        Command::Group(command) => command.run(ui),
        Command::Produce(command) => command.run(ui),
        Command::Consume(command) => command.run(ui),
        Command::Export(command) => command.run(ui),
        Command::Token(command) => command.run(ui),
        Command::Backup(command) => command.run(ui),
        Command::Restore(command) => command.run(ui),
        Command::Replica(command) => command.run(ui),
        Command::Doctor(command) => command.run(ui),
        Command::Completions(command) => command.run(ui),
        Command::Schema(command) => command.run(ui),
        Command::Version(command) => command.run(ui),
    }
}
