//! `pelton rollback`.

use std::time::Duration;

use clap::Args;
use pelton_core::manifest::parse_duration_ms;
use pelton_server::functions::{DeployReport, FunctionStatus, deployed_last};
use serde_json::json;

use super::deploy::show_report;
use super::savepoint;
use super::versions::History;
use crate::client::ServerArgs;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::ui::Ui;

/// Take an earlier version of a function back, live
///
/// Code and manifest go back; state and positions stay, as with a deployment. With --rewind they go
/// back too, to the savepoint that was made before the active version was swapped in: then what was
/// emitted since is emitted again. While there is a canary and no --to, that is ended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton rollback hello
  pelton rollback hello --to 3
  pelton rollback hello --rewind")]
pub(crate) struct Rollback {
    /// The function
    name: String,
    /// The version; else the one that ran before the active one
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// How long to wait for the first commit of each task; at most 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration_ms)]
    wait: i64,
    /// Rewind code, positions and state to where they were before the last deployment
    #[arg(long)]
    rewind: bool,
    /// With --rewind: do not ask
    #[arg(short, long, requires = "rewind")]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A module that is in no cache any more is compiled again.
const COMPILE_TIME: Duration = Duration::from_secs(150);

impl Rollback {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        if self.rewind {
            return self.rewind(ui);
        }
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let body = json!({ "to": self.to, "wait_ms": wait.as_millis() as u64 });
        let parts = ["functions", &self.name, "rollback"];
        let client = self.server.client()?;
        let report: DeployReport = client.post(&parts, &body, COMPILE_TIME + wait)?;
        show_report(&report, ui)?;
        Ok(Exit::Ok)
    }

    /// Goes back to the savepoint before the active version, code and state.
    fn rewind(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        let status: FunctionStatus = client.get(&["functions", &self.name])?;
        let history: History = client.get(&["functions", &self.name, "versions"])?;
        let undone = deployed_last(&history.events).unwrap_or(status.version);
        let name = format!("before-v{undone}");
        let found = savepoint::list(&client, &self.name)?.into_iter().find(|s| s.name == name);
        let fits = |version: u64| self.to.is_none_or(|to| to == version);
        if !found.as_ref().is_some_and(|savepoint| fits(savepoint.version)) {
            let text = match (found, self.to) {
                (Some(savepoint), Some(to)) => {
                    format!("savepoint {name} was made by version {}, not {to}", savepoint.version)
                }
                (None, _) if undone <= 1 => format!(
                    "version {undone} of {} took no other one's place, so that there is no savepoint \
                     before it",
                    self.name
                ),
                _ => format!("there is no savepoint {name} of {} any more", self.name),
            };
            return Err(CliError::new("E-SAVEPOINT-NOT-FOUND", Exit::NotFound, text)
                .next(format!("pelton savepoint ls {} shows what there is", self.name)));
        }
        savepoint::restore(&client, &self.name, &name, true, self.yes, ui)?;
        Ok(Exit::Ok)
    }
}
