//! `pelton completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use crate::cli::Cli;
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(
    after_help = "For example: pelton completions bash > ~/.local/share/bash-completion/completions/pelton"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "pelton", &mut script);
        if ui.is_json() {
            let script = String::from_utf8_lossy(&script);
            ui.json(&json!({ "shell": self.shell.to_string(), "script": script }))?;
        } else {
            ui.data(&script)?;
        }
        Ok(Exit::Ok)
    }
}
