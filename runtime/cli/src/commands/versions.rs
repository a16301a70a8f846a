//! `pelton versions`.

use clap::Args;
use pelton_server::functions::{Event, Version};
use serde::{Deserialize, Serialize};

use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Show the versions of a function of a server, and what has happened to it
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton versions hello")]
pub(crate) struct Versions {
    /// The function
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// The versions of a function, and what has happened to it.
#[derive(Serialize, Deserialize)]
pub(crate) struct History {
    /// The version whose code runs.
    pub active: u64,
    before: Option<u64>,
    versions: Vec<Version>,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// Digits of a digest that are shown.
const DIGEST_DIGITS: usize = 12;

impl Versions {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let history: History = self.server.client()?.get(&["functions", &self.name, "versions"])?;
        if ui.is_json() {
            ui.json(&history)?;
            return Ok(Exit::Ok);
        }
        let mut table = Columns::new(&[">version", "", "first deployed", ">size", "code"]);
        for version in &history.versions {
            let mark = match version.number {
                number if number == history.active && history.before.is_some() => "on trial",
                number if number == history.active => "active",
                _ => "",
            };
            table.row(&[
                version.number.to_string(),
                mark.into(),
                text::time(version.created_ms),
                text::bytes(version.size),
                version.digest.chars().take(DIGEST_DIGITS).collect(),
            ]);
        }
        ui.line(format!("{table}\n"))?;
        show_events(&history.events, ui)?;
        Ok(Exit::Ok)
    }
}

/// Shows what has happened.
pub(super) fn show_events(events: &[Event], ui: &mut Ui) -> Result<()> {
    let mut table = Columns::new(&["when", "what", ">version", "more"]);
    for event in events {
        let kind = serde_json::to_value(event.kind).unwrap_or_default();
        table.row(&[
            text::time(event.time_ms),
            kind.as_str().unwrap_or_default().to_owned(),
            event.version.to_string(),
            event.message.clone().unwrap_or_default(),
        ]);
    }
    ui.line(table.to_string())
}
