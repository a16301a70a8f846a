//! The command line of Pelton. The binary calls [`main`]; tests and benches may do the same.
//!
//! stdout carries data, stderr everything else. Each command is a file in `commands`.

mod bounded;
mod cli;
mod client;
mod clock;
mod commands;
mod confirm;
mod data_dir;
mod demo;
mod dev;
mod error;
mod exit;
mod export;
mod fixtures;
mod input;
mod interrupt;
mod loading;
mod observed;
mod operations;
mod output;
mod parquet;
mod project;
mod session;
mod settings;
mod shown;
mod single;
mod sink;
mod standard;
mod table;
mod text;
mod ui;
mod up;
mod usage;
mod windowed;
mod written;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use cli::Cli;
pub use error::CliError;
pub use exit::Exit;
pub use ui::Ui;

/// The first argument of a process that only compiles a module, for a parent that limits it.
const COMPILE_CHILD: &str = "compile-child";

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(COMPILE_CHILD) {
        return pelton_host::compile_child_main(arguments);
    }
    run(std::env::args_os(), &mut Ui::of_process()).into()
}

/// Runs a command line, its first argument the name of the program, against these streams.
pub fn run<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>, ui: &mut Ui) -> Exit {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return usage::show(&error, &args, ui),
    };
    ui.apply(&cli.global);
    project::use_profile(cli.global.profile.clone());
    match commands::run(cli.command, ui) {
        Ok(exit) => exit,
        Err(error) => ui.show_error(&error),
    }
}
