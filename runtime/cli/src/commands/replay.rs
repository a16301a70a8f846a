//! `pelton replay`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use pelton_core::{Limits, TimeFormat};
use pelton_server::functions::{Differences, ReplayState, ReplayStatus, StartKind};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::check::read_module;
use crate::client::{Client, ServerArgs};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::{Ui, printable};

/// Run a function again over records that it has seen
///
/// It begins at the newest state that is kept at or before the given place, and repeats what the
/// live function decided: where calls were cut, wall time, idle inputs. The live function goes on
/// untouched. The results go to a new topic, or are compared with what was emitted: the exit code
/// is 6 where something differs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton replay hello --from earliest --diff
  pelton replay hello --from 2026-03-01T08:00:00Z --diff --wasm fixed.wasm
  pelton replay hello --from 1000 --to hello-again
  pelton replay hello --ls
  pelton replay hello --cancel 3")]
pub(crate) struct Replay {
    /// The function
    name: String,
    /// Where to begin: earliest, an offset, or a time such as 2026-03-01T08:00:00Z
    #[arg(long, value_name = "PLACE", value_parser = place,
        required_unless_present_any = ["cancel", "ls"])]
    from: Option<Value>,
    /// Where to end: an offset or a time; else where the live function stands
    #[arg(long, value_name = "PLACE", value_parser = place)]
    until: Option<Value>,
    /// Send the results to this topic, which must be new
    #[arg(long, value_name = "TOPIC", conflicts_with = "diff")]
    to: Option<String>,
    /// Compare the results with what was emitted
    #[arg(long)]
    diff: bool,
    /// The version to run; else the active one
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    /// A module to run in place of that version's
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Cancel the replay of this number
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "until", "to", "diff"])]
    cancel: Option<u64>,
    /// List the function's replays, and how they ended
    #[arg(long, conflicts_with_all = ["from", "until", "to", "diff", "cancel", "version", "wasm"])]
    ls: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A module that is in no cache is compiled, and state is read.
const START_TIME: Duration = Duration::from_secs(300);

fn place(place: &str) -> std::result::Result<Value, String> {
    if place == "earliest" {
        return Ok(json!("earliest"));
    }
    if let Ok(offset) = place.parse::<u64>() {
        return Ok(json!({ "offset": offset }));
    }
    match TimeFormat::Auto.parse(place) {
        Ok(time) => Ok(json!({ "time-ms": time })),
        Err(_) => Err("write earliest, an offset, or a time such as 2026-03-01T08:00:00Z".into()),
    }
}

impl Replay {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        if self.ls {
            return list(&client, &self.name, ui);
        }
        if let Some(id) = self.cancel {
            let id = id.to_string();
            let parts = ["functions", &self.name, "replays", &id];
            let status: ReplayStatus = client.json(client.call(Method::DELETE, &parts))?;
            return show(&status, ui);
        }
        if !self.diff && self.to.is_none() {
            let text = "where are the results of the replay to go?";
            return Err(CliError::new("E-USAGE", Exit::Usage, text).next(
                "give --diff to compare them with what was emitted, or --to TOPIC to keep them in a \
                 new topic",
            ));
        }
        let digest = self.wasm.as_deref().map(|file| upload(&client, file)).transpose()?;
        let body = json!({ "from": self.from, "until": self.until, "to": self.to,
            "version": self.version, "digest": digest });
        let parts = ["functions", &self.name, "replays"];
        let mut status: ReplayStatus = client.post(&parts, &body, START_TIME)?;
        begun(&status, ui);
        let bar = ui.progress(Some(status.records), "records");
        let id = status.id.to_string();
        while status.state == ReplayState::Running {
            std::thread::park_timeout(LOOK_EVERY);
            status = client.get(&["functions", &self.name, "replays", &id])?;
            bar.set_position(status.records_in);
        }
        bar.finish_and_clear();
        show(&status, ui)
    }
}

#[derive(Deserialize)]
struct All {
    replays: Vec<ReplayStatus>,
}

fn list(client: &Client, function: &str, ui: &mut Ui) -> Result<Exit> {
    let All { replays } = client.get(&["functions", function, "replays"])?;
    if ui.is_json() {
        ui.json(&replays)?;
        return Ok(Exit::Ok);
    }
    let mut table = Columns::new(&[">id", ">version", "state", ">read", ">emitted", "to"]);
    for replay in &replays {
        table.row(&[
            replay.id.to_string(),
            replay.version.to_string(),
            format!("{:?}", replay.state).to_lowercase(),
            format!("{}/{}", replay.records_in, replay.records),
            replay.records_out.to_string(),
            replay.to.as_deref().map_or_else(|| "-".into(), text::short),
        ]);
    }
    ui.line(table.to_string())?;
    for replay in &replays {
        if let Some(error) = &replay.error {
            ui.note(format!("{}: {error}", replay.id));
        }
    }
    Ok(Exit::Ok)
}

/// Uploads a module; answers its digest.
fn upload(client: &Client, file: &Path) -> Result<Value> {
    let wasm = read_module(file, &Limits::default())?;
    let call = client.call(Method::PUT, &["artefacts"]).body("application/wasm", &wasm);
    let answer: Value = client.json(call)?;
    Ok(answer["digest"].clone())
}

/// Says where the replay begins, and what that means.
fn begun(status: &ReplayStatus, ui: &mut Ui) {
    for task in &status.began {
        let with = match task.with {
            StartKind::Commit => "with the state of a commit, repeating every decision since",
            StartKind::Savepoint => "with a savepoint; up to the last snapshot, calls are cut anew",
            StartKind::Empty => "empty; up to the last snapshot, calls are cut anew",
        };
        let at = if task.at.is_empty() { "the beginning".into() } else { task.at.join(", ") };
        ui.note(format!("replay {}: task {} begins at {at}, {with}", status.id, task.partition));
    }
}

fn show(status: &ReplayStatus, ui: &mut Ui) -> Result<Exit> {
    if ui.is_json() {
        ui.json(status)?;
    }
    if let Some(error) = &status.error {
        let (code, text) = error.split_once(": ").unwrap_or(("E-REPLAY", error));
        let code = if code.starts_with("E-") { code } else { "E-REPLAY" };
        return Err(CliError::new(code, Exit::Failure, text));
    }
    let differs = status
        .differences
        .as_ref()
        .is_some_and(|found| found.changed + found.missing + found.extra > 0 || found.reordered);
    let exit = if differs { Exit::DeadLetters } else { Exit::Ok };
    if ui.is_json() {
        return Ok(exit);
    }
    let (read, out) =
        (text::count(status.records_in, "record"), text::count(status.records_out, "output"));
    match (status.state, &status.to, &status.differences) {
        (ReplayState::Done, _, Some(found)) => table(found, ui)?,
        (ReplayState::Done, Some(topic), _) => {
            ui.line(format!("{read} read, {out} in {}", text::short(topic)))?;
            ui.next(format!("pelton consume {}", text::short(topic)));
        }
        (ReplayState::Running, ..) => ui.note("it ends behind the call that is under way"),
        _ => ui.note(format!("cancelled after {read}; {out} made")),
    }
    Ok(exit)
}

fn table(found: &Differences, ui: &mut Ui) -> Result<()> {
    let mut table = Columns::new(&["topic", "key", "time", "emitted", "replayed"]);
    for one in &found.first {
        let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
        table.row(&[
            format!("{} {}", text::short(&one.topic), one.partition),
            text(&one.key),
            text::time(one.timestamp),
            text(&one.emitted),
            text(&one.replayed),
        ]);
    }
    if !found.first.is_empty() {
        ui.line(format!("{table}\n"))?;
    }
    let order = if found.reordered { ", in another order" } else { "" };
    ui.line(format!(
        "{} the same{order}, {} changed, {} missing, {} extra",
        text::count(found.same, "output"),
        text::thousands(found.changed),
        text::thousands(found.missing),
        text::thousands(found.extra)
    ))
}
