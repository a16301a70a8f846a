//! `pelton rollback`.

use std::time::Duration;

use clap::Args;
use pelton_core::manifest::parse_duration_ms;
use pelton_server::functions::DeployReport;
use serde_json::json;

use super::deploy::show_report;
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Take an earlier version of a function back, live
///
/// Code and manifest go back; state and positions stay, as with a deployment. While there is a canary and
/// no --to, that is ended.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton rollback hello
  pelton rollback hello --to 3")]
pub(crate) struct Rollback {
    /// The function
    name: String,
    /// The version; else the one before the active one
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// How long to wait for the first commit of each task; at most 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration_ms)]
    wait: i64,
    #[command(flatten)]
    server: ServerArgs,
}

/// A module that is in no cache any more is compiled again.
const COMPILE_TIME: Duration = Duration::from_secs(150);

impl Rollback {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let body = json!({ "to": self.to, "wait_ms": wait.as_millis() as u64 });
        let parts = ["functions", &self.name, "rollback"];
        let client = self.server.client()?;
        let report: DeployReport = client.post(&parts, &body, COMPILE_TIME + wait)?;
        show_report(&report, ui)?;
        Ok(Exit::Ok)
    }
}
