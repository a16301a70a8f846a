//! `pelton savepoint`.

use std::time::Duration;

use clap::{Args, Subcommand};
use pelton_server::functions::{RestoreReport, Savepoint as Made};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use crate::client::{Client, ServerArgs};
use crate::confirm::confirm;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Savepoints: the state of a function at a moment, to go back to
///
/// A savepoint holds positions, state, timers and open windows of all tasks. The function goes on
/// while it is made. Each swap to another version makes one by itself, called before-vVERSION.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton savepoint create hello before-the-fix
  pelton savepoint ls hello
  pelton savepoint restore hello before-the-fix")]
pub(crate) struct Savepoint {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a savepoint of a function
    Create(Create),
    /// List the savepoints of a function, oldest first
    Ls(List),
    /// Rewind a function to a savepoint
    Restore(Restore),
    /// Remove a savepoint
    Rm(Remove),
}

#[derive(Debug, Args)]
struct Create {
    /// The function
    function: String,
    /// Name of the savepoint; else sp-1, sp-2 and so on
    name: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct List {
    /// The function
    function: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Rewind a function to a savepoint
///
/// Positions, state, timers and windows of all tasks go back at once. Records behind the savepoint
/// are read again, and what they made the function emit is emitted again.
#[derive(Debug, Args)]
struct Restore {
    /// The function
    function: String,
    /// The savepoint
    name: String,
    /// Take the version back too that the savepoint was made by
    #[arg(long)]
    with_code: bool,
    /// Show what would happen, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
struct Remove {
    /// The function
    function: String,
    /// The savepoint
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// The answer to a listing.
#[derive(Serialize, Deserialize)]
struct All {
    savepoints: Vec<Made>,
}

/// Writing or reading a large state takes its time.
const STATE_TIME: Duration = Duration::from_secs(600);

impl Savepoint {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        match self.what {
            What::Create(create) => create.run(ui)?,
            What::Ls(list) => list.run(ui)?,
            What::Restore(restore) => restore.run(ui)?,
            What::Rm(remove) => remove.run(ui)?,
        }
        Ok(Exit::Ok)
    }
}

impl Create {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let parts = ["functions", &self.function, "savepoints"];
        let made: Made = client.post(&parts, &json!({ "name": self.name }), STATE_TIME)?;
        if ui.is_json() {
            return ui.json(&made);
        }
        let (tasks, size) = (made.tasks.len() as u64, size(&made));
        ui.line(format!(
            "{} of {} version {}: {}, {}",
            made.name,
            self.function,
            made.version,
            text::count(tasks, "task"),
            text::bytes(size)
        ))?;
        ui.next(format!("pelton savepoint restore {} {}", self.function, made.name));
        Ok(())
    }
}

fn size(savepoint: &Made) -> u64 {
    savepoint.tasks.iter().map(|task| task.size).sum()
}

/// The savepoints of a function.
pub(super) fn list(client: &Client, function: &str) -> Result<Vec<Made>> {
    let all: All = client.get(&["functions", function, "savepoints"])?;
    Ok(all.savepoints)
}

impl List {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let savepoints = list(&self.server.client()?, &self.function)?;
        if ui.is_json() {
            return ui.json(&All { savepoints });
        }
        let mut table = Columns::new(&["name", ">version", "made", "when", ">size", "positions"]);
        for savepoint in &savepoints {
            let positions = savepoint.tasks.iter().flat_map(|task| &task.positions);
            let positions = positions
                .map(|at| format!("{}:{}:{}", text::short(&at.topic), at.partition, at.next));
            table.row(&[
                savepoint.name.clone(),
                savepoint.version.to_string(),
                if savepoint.automatic { "by a swap" } else { "by hand" }.to_owned(),
                text::time(savepoint.created_ms),
                text::bytes(size(savepoint)),
                positions.collect::<Vec<_>>().join(", "),
            ]);
        }
        ui.line(table.to_string())
    }
}

impl Restore {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        if self.dry_run {
            let report = ask(&client, &self.function, &self.name, self.with_code, true)?;
            return show(&report, ui);
        }
        restore(&client, &self.function, &self.name, self.with_code, self.yes, ui)
    }
}

/// Rewinds a function, after it was confirmed.
pub(super) fn restore(
    client: &Client,
    function: &str,
    savepoint: &str,
    with_code: bool,
    yes: bool,
    ui: &mut Ui,
) -> Result<()> {
    if !yes {
        confirm(&plan(&ask(client, function, savepoint, with_code, true)?), ui)?;
    }
    show(&ask(client, function, savepoint, with_code, false)?, ui)
}

fn ask(
    client: &Client,
    function: &str,
    savepoint: &str,
    with_code: bool,
    dry_run: bool,
) -> Result<RestoreReport> {
    let parts = ["functions", function, "savepoints", savepoint, "restore"];
    let body = json!({ "with_code": with_code, "dry_run": dry_run });
    Ok(client.post(&parts, &body, STATE_TIME)?)
}

/// What a rewind would do.
fn plan(report: &RestoreReport) -> String {
    let code = match report.version == report.before {
        true => format!("version {} goes on from there", report.version),
        false => format!("version {} takes over from {}", report.version, report.before),
    };
    format!(
        "rewinding {} to {}: {code}, and {} will repeat",
        report.function.name(),
        report.savepoint,
        text::count(report.outputs_repeated, "output")
    )
}

fn show(report: &RestoreReport, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.json(report);
    }
    if report.dry_run {
        return ui.line(plan(report));
    }
    let name = report.function.name();
    ui.line(format!(
        "{name} is at savepoint {} and goes on with version {}; outputs that repeat: {}",
        report.savepoint,
        report.version,
        text::thousands(report.outputs_repeated)
    ))?;
    ui.next(format!("pelton status {name}"));
    Ok(())
}

impl Remove {
    fn run(self, ui: &mut Ui) -> Result<()> {
        let client = self.server.client()?;
        let parts = ["functions", &self.function, "savepoints", &self.name];
        client.bytes(client.call(Method::DELETE, &parts))?;
        if ui.is_json() {
            return ui.json(&json!({ "function": self.function, "savepoint": self.name }));
        }
        ui.note(format!("removed savepoint {} of {}", self.name, self.function));
        Ok(())
    }
}
