//! `pelton ls`.

use clap::Args;
use pelton_server::functions::{FunctionState, FunctionStatus, ShadowStatus};
use serde::{Deserialize, Serialize};

use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::{Style, Ui};

/// List the functions of a server
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton ls")]
pub(crate) struct Ls {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize, Deserialize)]
struct List {
    functions: Vec<FunctionStatus>,
}

/// The word for a state, as in JSON.
pub(super) fn state(state: FunctionState, ui: &Ui) -> String {
    match state {
        FunctionState::Running => ui.paint("running", Style::Green),
        FunctionState::OnTrial => ui.paint("on-trial", Style::Yellow),
        FunctionState::Paused => ui.paint("paused", Style::Dim),
        FunctionState::Stopped => ui.paint("stopped", Style::Red),
        FunctionState::Replica => ui.paint("replica", Style::Dim),
    }
}

/// The word for what a shadow does, as in JSON.
pub(super) fn shadow_state(shadow: &ShadowStatus) -> String {
    let word = serde_json::to_value(shadow.state).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

/// The version that runs, and those beside it.
fn version(status: &FunctionStatus) -> String {
    let shadow = status.shadow.as_ref().map(|shadow| format!(" (shadow {})", shadow.version));
    let canary = status.canary.as_ref();
    let canary = canary.map(|canary| format!(" (canary {}: {}%)", canary.version, canary.percent));
    format!("{}{}{}", status.version, shadow.unwrap_or_default(), canary.unwrap_or_default())
}

impl Ls {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let list: List = self.server.client()?.get(&["functions"])?;
        if ui.is_json() {
            ui.json(&list.functions)?;
            return Ok(Exit::Ok);
        }
        let is_any_of_pipeline = list.functions.iter().any(|status| status.pipeline.is_some());
        let titles = [
            "function",
            "state",
            ">version",
            ">rate",
            ">p99",
            ">lag",
            ">in",
            ">out",
            ">faults",
            ">rejected",
            "reads",
        ];
        let more = is_any_of_pipeline.then_some("pipeline");
        let titles: Vec<&str> = titles.into_iter().chain(more).collect();
        let mut table = Columns::new(&titles);
        for status in &list.functions {
            let recent = status.recent;
            let pipeline = status.pipeline.as_ref().map(|pipeline| pipeline.name().to_owned());
            let mut row = vec![
                status.function.name().to_owned(),
                state(status.state, ui),
                version(status),
                recent.map_or_else(|| "-".into(), |r| text::rate_of(r.records_in_rate)),
                recent.and_then(|r| r.p99_us).map_or_else(|| "-".into(), text::micros),
                text::thousands(status.lag),
                text::thousands(status.records_in),
                text::thousands(status.records_out),
                text::thousands(status.faults),
                text::thousands(status.poison),
                status.inputs.iter().map(|topic| text::short(topic)).collect::<Vec<_>>().join(", "),
            ];
            row.extend(is_any_of_pipeline.then(|| pipeline.unwrap_or_default()));
            table.row(&row);
        }
        ui.line(table.to_string())?;
        if list.functions.is_empty() {
            ui.next("pelton deploy, in a project's folder");
        }
        Ok(Exit::Ok)
    }
}
