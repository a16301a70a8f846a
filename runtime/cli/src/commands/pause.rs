//! `pelton pause` and `pelton resume`.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use ureq::http::Method;

use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Stopping waits for calls that run, starting may compile.
const CHANGE_TIME: Duration = Duration::from_secs(150);

/// Pause a function of a server: its records wait, its state stays
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton pause hello")]
pub(crate) struct Pause {
    /// The function
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Let a function go on that was paused, or that has stopped by itself
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton resume hello")]
pub(crate) struct Resume {
    /// The function
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

impl Pause {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        change(&self.server, &self.name, "pause", ui)?;
        ui.note(format!("paused {}", self.name));
        ui.next(format!("pelton resume {}", self.name));
        Ok(Exit::Ok)
    }
}

impl Resume {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        change(&self.server, &self.name, "resume", ui)?;
        ui.note(format!("{} goes on", self.name));
        Ok(Exit::Ok)
    }
}

fn change(server: &ServerArgs, name: &str, what: &str, ui: &mut Ui) -> Result<()> {
    let client = server.client()?;
    let call = client.call(Method::POST, &["functions", name, what]);
    client.bytes(call.wait(CHANGE_TIME))?;
    if ui.is_json() {
        ui.json(&json!({ "function": name, "done": what }))?;
    }
    Ok(())
}
