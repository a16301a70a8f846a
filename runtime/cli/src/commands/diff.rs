//! `pelton diff`.

use std::time::Duration;

use clap::Args;
use pelton_server::compare::{CauseKind, ComparedRecord, Counts, DifferenceEntry, DifferenceWay};
use pelton_server::functions::ShadowStatus;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ureq::http::Method;

use crate::client::{Client, ServerArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::{Style, Ui, printable};

/// How often more differences are asked for.
const POLL: Duration = Duration::from_millis(500);

/// Show where a function and its shadow differ
///
/// What both sent is paired by its cause: the record, window or timer that it was sent for. The newest
/// 100 differences are kept, while the server runs. The exit code is 0 whether they differ or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton deploy --shadow && pelton diff hello
  pelton diff hello --follow
  pelton diff hello -o json")]
pub(crate) struct Diff {
    /// The function
    name: String,
    /// Go on with differences to come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    counts: Counts,
    differences: Vec<DifferenceEntry>,
}

impl Diff {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        if self.follow {
            return self.follow(&client, ui);
        }
        let answer = self.ask(&client, 0)?;
        if ui.is_json() {
            ui.json(&answer)?;
            return Ok(Exit::Ok);
        }
        let shadow: ShadowStatus = client.get(&["functions", &self.name, "shadow"])?;
        answer.differences.iter().try_for_each(|entry| show(entry, ui))?;
        show_counts(&shadow, ui)?;
        Ok(Exit::Ok)
    }

    fn ask(&self, client: &Client, after: u64) -> Result<Answer> {
        let parts = ["functions", self.name.as_str(), "shadow", "differences"];
        Ok(client.json(client.call(Method::GET, &parts).query("after", after))?)
    }

    fn follow(&self, client: &Client, ui: &mut Ui) -> Result<Exit> {
        let mut after = 0;
        loop {
            let answer = self.ask(client, after)?;
            // A shadow that has begun anew counts from 1 again.
            for entry in &answer.differences {
                after = entry.number;
                match ui.is_json() {
                    true => ui.line(serde_json::to_string(entry).unwrap_or_default())?,
                    false => show(entry, ui)?,
                }
            }
            if ui.reader_gone() {
                return Ok(Exit::Ok);
            }
            std::thread::park_timeout(POLL);
        }
    }
}

/// A difference for people.
fn show(entry: &DifferenceEntry, ui: &mut Ui) -> Result<()> {
    let cause = &entry.cause;
    let topic = cause.topic.as_deref().map(text::short).unwrap_or_default();
    let place = match cause.kind {
        CauseKind::Record => {
            format!("{topic}:{}:{}", cause.partition, cause.offset.unwrap_or_default())
        }
        CauseKind::Window => {
            let time = |ms: Option<i64>| ms.map_or_else(String::new, text::time);
            format!("window {} to {}", time(cause.start_ms), time(cause.end_ms))
        }
        CauseKind::Timer => format!(
            "timer {} of {}",
            cause.timer.as_deref().unwrap_or_default(),
            cause.due_ms.map_or_else(String::new, text::time)
        ),
    };
    let key =
        if cause.key.is_null() { String::new() } else { format!(", key {}", plain(&cause.key)) };
    let what = match entry.way {
        DifferenceWay::Different => "differs",
        DifferenceWay::OnlyOld => "only the running version sent something",
        DifferenceWay::OnlyNew => "only the shadow sent something",
        DifferenceWay::Fault => "the shadow failed",
    };
    ui.line(format!("{place}{key}: {what}"))?;
    if entry.fields.is_empty() {
        sent("-", Style::Red, &entry.old, ui)?;
        sent("+", Style::Green, &entry.new, ui)?;
    }
    for field in &entry.fields {
        let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".into(), plain);
        let old = ui.paint(&value(&field.old), Style::Red);
        let new = ui.paint(&value(&field.new), Style::Green);
        ui.line(format!("  {}: {old} -> {new}", printable(&field.path)))?;
    }
    match &entry.fault {
        Some(fault) => ui.line(format!("  {}", printable(fault))),
        None => Ok(()),
    }
}

fn sent(mark: &str, style: Style, records: &[ComparedRecord], ui: &mut Ui) -> Result<()> {
    for record in records {
        let topic = text::short(&record.topic);
        let line = format!("{mark} {topic} {}={}", plain(&record.key), plain(&record.value));
        let line = ui.paint(&line, style);
        ui.line(format!("  {line}"))?;
    }
    Ok(())
}

/// A value as a person reads it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Null => "null".into(),
        other => printable(&other.to_string()),
    }
}

/// What was compared, in a few lines.
pub(super) fn show_counts(shadow: &ShadowStatus, ui: &mut Ui) -> Result<()> {
    let Counts { compared, equal, different, only_old, only_new, faults, state } = shadow.counts;
    ui.line(format!(
        "compared {} with version {}: {} equal, {} different, {} only old, {} only new, {}",
        text::thousands(compared),
        shadow.version,
        text::thousands(equal),
        text::thousands(different),
        text::thousands(only_old),
        text::thousands(only_new),
        text::count(faults, "fault"),
    ))?;
    if state > 0 {
        ui.note(format!(
            "{} of the equal ones changed state in another way",
            text::thousands(state)
        ));
    }
    if shadow.skipped > 0 {
        ui.note(format!(
            "{} skipped, since the shadow had fallen behind; it has begun anew with a copy of the \
             state",
            text::count(shadow.skipped, "commit")
        ));
    }
    if let Some(error) = &shadow.error {
        ui.warn(format!("the shadow has stopped: {error}"));
    }
    Ok(())
}
