//! `pelton promote`.

use std::time::Duration;

use clap::Args;
use pelton_core::manifest::parse_duration_ms;
use pelton_server::functions::{DeployReport, FunctionStatus};
use serde_json::json;

use super::deploy::{COMPILE_TIME, show_report};
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::ui::Ui;

/// Make the canary or shadow of a function the version that runs, live
///
/// It takes over between two calls as with `pelton deploy`, on the state of the running version: the
/// copy that a shadow has worked on is dropped. If it fails before its first commit, the one before goes
/// on.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton deploy --shadow && pelton diff hello && pelton promote hello")]
pub(crate) struct Promote {
    /// The function
    name: String,
    /// How long to wait for the first commit of each task; at most 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration_ms)]
    wait: i64,
    #[command(flatten)]
    server: ServerArgs,
}

impl Promote {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let body = json!({ "wait_ms": wait.as_millis() as u64 });
        let parts = ["functions", &self.name, "promote"];
        let client = self.server.client()?;
        let status: FunctionStatus = client.get(&["functions", &self.name])?;
        let shadow = status.shadow.filter(|_| status.canary.is_none());
        if let Some(shadow) = shadow.filter(|shadow| shadow.counts.compared == 0) {
            ui.warn(format!(
                "version {} was a shadow and nothing has been compared with it: what it would have done \
                 differently is not known",
                shadow.version
            ));
        }
        let report: DeployReport = client.post(&parts, &body, COMPILE_TIME + wait)?;
        show_report(&report, ui)?;
        Ok(Exit::Ok)
    }
}
