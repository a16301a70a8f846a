//! `pelton pipeline`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_core::manifest::parse_duration_ms;
use pelton_server::functions::{
    Event, FunctionStatus, PipelineReport, PipelineState, PipelineStatus, PipelineVersion,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use super::deploy::{COMPILE_TIME, ON_TRIAL, show_function};
use super::ls;
use super::versions::show_events;
use crate::client::ServerArgs;
use crate::confirm::confirm;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::{Style, Ui};

/// Pipelines: functions that are deployed and versioned together
///
/// A pelton.toml with [pipeline] describes several functions, wired by topics. `pelton deploy` deploys
/// them together: all are checked first, and where one does not pass its trial, all go back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton pipeline ls
  pelton pipeline status flights
  pelton pipeline rollback flights
  pelton pipeline rm flights --keep-state")]
pub(crate) struct Pipeline {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the pipelines of a server
    Ls(Ls),
    /// Show what a pipeline is doing: its functions, and the topics between them
    Status(One),
    /// Show the versions of a pipeline, and what has happened to it
    Versions(One),
    /// Take an earlier version of all its functions back, live; state and positions stay
    Rollback(Rollback),
    /// Pause all its functions: records wait, state stays
    Pause(One),
    /// Let all its functions go on
    Resume(One),
    /// Remove it with its functions; topics stay
    Rm(Rm),
}

#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct One {
    /// The pipeline
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Rollback {
    /// The pipeline
    name: String,
    /// The version; else the one that ran before the active one
    #[arg(long, value_name = "VERSION")]
    to: Option<u64>,
    /// How long to wait for the first commit of each task; at most 30s
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration_ms)]
    wait: i64,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Rm {
    /// The pipeline
    name: String,
    /// Keep positions and state for functions of these names
    #[arg(long)]
    keep_state: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct List {
    pipelines: Vec<PipelineStatus>,
}

#[derive(Serialize, Deserialize)]
struct History {
    active: u64,
    versions: Vec<PipelineVersion>,
    events: Vec<Event>,
}

impl Pipeline {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Ls(list) => list.run(ui)?,
            What::Status(one) => one.status(ui)?,
            What::Versions(one) => one.versions(ui)?,
            What::Rollback(rollback) => rollback.run(ui)?,
            What::Pause(one) => {
                one.change("pause", ui)?;
                ui.note(format!("paused the functions of {}", one.name));
                ui.next(format!("pelton pipeline resume {}", one.name));
            }
            What::Resume(one) => {
                one.change("resume", ui)?;
                ui.note(format!("the functions of {} go on", one.name));
            }
            What::Rm(remove) => remove.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

impl Ls {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let list: List = self.server.client()?.get(&["pipelines"])?;
        if ui.is_json() {
            return ui.json(&list.pipelines);
        }
        let mut table = Columns::new(&["pipeline", "state", ">version", ">lag", "functions"]);
        for status in &list.pipelines {
            let names: Vec<_> = status.functions.iter().map(|f| f.function.name()).collect();
            table.row(&[
                status.pipeline.name().to_owned(),
                state(status.state, ui),
                status.version.to_string(),
                text::thousands(status.functions.iter().map(|function| function.lag).sum()),
                names.join(", "),
            ]);
        }
        ui.line(table.to_string())?;
        if list.pipelines.is_empty() {
            ui.next("pelton deploy, in a folder whose pelton.toml has [pipeline]");
        }
        Ok(())
    }
}

impl One {
    fn status(self, ui: &mut Ui) -> Result<()> {
        let status: PipelineStatus = self.server.client()?.get(&["pipelines", &self.name])?;
        if ui.is_json() {
            return ui.json(&status);
        }
        ui.line(format!(
            "{}  {}  version {}\n",
            status.pipeline.name(),
            state(status.state, ui),
            status.version
        ))?;
        if let Some(error) = &status.error {
            ui.line(format!("{error}\n"))?;
        }
        show_functions(&status.functions, ui)?;
        let mut table = Columns::new(&["topic", ">partitions", "", "written by", "read by"]);
        for topic in &status.topics {
            table.row(&[
                text::short(&topic.topic.to_string()).to_owned(),
                topic.partitions.map_or_else(|| "missing".into(), |number| number.to_string()),
                match (topic.fused, topic.internal) {
                    (true, _) => {
                        format!("internal, {} handed on", text::thousands(topic.handed_on))
                    }
                    (false, true) => "internal".to_owned(),
                    (false, false) => String::new(),
                },
                topic.written_by.join(", "),
                topic.read_by.join(", "),
            ]);
        }
        ui.line(format!("\n{table}"))
    }

    fn versions(self, ui: &mut Ui) -> Result<()> {
        let parts = ["pipelines", &self.name, "versions"];
        let history: History = self.server.client()?.get(&parts)?;
        if ui.is_json() {
            return ui.json(&history);
        }
        let mut table = Columns::new(&[">version", "", "first deployed", "functions"]);
        for version in &history.versions {
            let of = |(name, function): (&String, &pelton_server::functions::PipelineFunction)| {
                format!("{name} {}", function.version)
            };
            table.row(&[
                version.number.to_string(),
                if version.number == history.active { "active" } else { "" }.to_owned(),
                text::time(version.created_ms),
                version.functions.iter().map(of).collect::<Vec<_>>().join(", "),
            ]);
        }
        ui.line(format!("{table}\n"))?;
        show_events(&history.events, ui)
    }

    fn change(&self, what: &str, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let call = client.call(Method::POST, &["pipelines", &self.name, what]);
        client.bytes(call.wait(COMPILE_TIME))?;
        match ui.is_json() {
            true => ui.json(&json!({ "pipeline": self.name, "done": what })),
            false => Ok(()),
        }
    }
}

impl Rollback {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let wait = Duration::from_millis(self.wait.unsigned_abs());
        let body = json!({ "to": self.to, "wait_ms": wait.as_millis() as u64 });
        let parts = ["pipelines", &self.name, "rollback"];
        let report = self.server.client()?.post(&parts, &body, COMPILE_TIME + wait)?;
        show_report(&report, ui)
    }
}

impl Rm {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let status: PipelineStatus = client.get(&["pipelines", &self.name])?;
        let names: Vec<_> = status.functions.iter().map(|f| f.function.name()).collect();
        let names = names.join(", ");
        if !self.yes && !self.keep_state {
            let text = format!(
                "removing the pipeline {}: its functions ({names}) go with their versions, their \
                 positions and their state, its topics stay",
                self.name
            );
            confirm(&text, ui)?;
        }
        let call = client.call(Method::DELETE, &["pipelines", &self.name]);
        client.bytes(call.query("keep_state", self.keep_state))?;
        if ui.is_json() {
            ui.json(&json!({ "pipeline": self.name, "kept_state": self.keep_state }))?;
        }
        let state = if self.keep_state { "its state is kept" } else { "its state is gone" };
        ui.note(format!("removed {} with {names}; {state}, its topics stay", self.name));
        Ok(())
    }
}

/// The word for a state, as in JSON.
fn state(state: PipelineState, ui: &Ui) -> String {
    let (word, style) = match state {
        PipelineState::Running => ("running", Style::Green),
        PipelineState::OnTrial => ("on-trial", Style::Yellow),
        PipelineState::Changing => ("changing", Style::Yellow),
        PipelineState::Paused => ("paused", Style::Dim),
        PipelineState::PartlyPaused => ("partly-paused", Style::Yellow),
        PipelineState::Replica => ("replica", Style::Dim),
        PipelineState::Broken => ("broken", Style::Red),
    };
    ui.paint(word, style)
}

fn show_functions(functions: &[FunctionStatus], ui: &mut Ui) -> Result<()> {
    let mut table =
        Columns::new(&["function", "state", ">version", ">lag", ">in", ">out", ">faults", "error"]);
    for status in functions {
        table.row(&[
            status.function.name().to_owned(),
            ls::state(status.state, ui),
            status.version.to_string(),
            text::thousands(status.lag),
            text::thousands(status.records_in),
            text::thousands(status.records_out),
            text::thousands(status.faults),
            status.error.clone().unwrap_or_default(),
        ]);
    }
    ui.line(table.to_string())
}

/// Shows what deploying a pipeline, or rolling it back, did.
pub(super) fn show_report(report: &PipelineReport, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(report);
    }
    let name = report.pipeline.name();
    let before = report.before.filter(|before| *before != report.version);
    let before = before.map(|before| format!(" in place of {before}")).unwrap_or_default();
    let what = match (report.is_unchanged(), report.dry_run) {
        (true, _) => "runs already".to_owned(),
        (false, true) => format!("would go live{before}"),
        (false, false) => format!("is live{before}"),
    };
    ui.line(format!("pipeline {name} version {} {what}", report.version))?;
    for function in &report.functions {
        show_function(function, ui)?;
    }
    for function in &report.removed {
        let would = if report.dry_run { "would be" } else { "was" };
        ui.line(format!("{} {would} removed; its state is kept", function.name()))?;
    }
    if report.is_on_trial() && !report.dry_run {
        ui.note(ON_TRIAL);
    }
    match (report.dry_run, report.is_unchanged()) {
        (_, true) => {}
        (true, false) => ui.next("the same without --dry-run"),
        (false, false) => ui.next(format!("pelton pipeline status {name}")),
    }
    Ok(())
}
