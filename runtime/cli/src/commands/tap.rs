//! `pelton tap`.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use clap::Args;
use pelton_server::compare::{CauseKind, ComparisonCause};
use pelton_server::functions::{TapSample, TapSide};
use serde::Deserialize;
use ureq::http::Method;

use super::diff::plain;
use super::logs::odd;
use crate::client::{Event, ServerArgs};
use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::{Style, Ui, printable};

/// Watch what goes into a function of a server, and what comes of it
///
/// From now on, until Ctrl-C: each record, window or timer, what was sent for it and how often state
/// was changed, as soon as that is durable. It goes on over new versions, pauses and restarts of the server. The
/// function never waits: what cannot be shown in time is left out, and counted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton tap hello
  pelton tap hello --key kitchen
  pelton tap hello --max 10 -o json")]
pub(crate) struct Tap {
    /// The function
    name: String,
    /// Only what has this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Missed {
    missed: u64,
}

impl Tap {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        ui.note(format!("watching {}; Ctrl-C ends it", self.name));
        let (ui, left) = (RefCell::new(ui), Cell::new(self.max));
        let mut version = None;
        let call = || {
            let call = client.call(Method::GET, &["functions", self.name.as_str(), "tap"]);
            call.query_if("key", self.key.as_ref()).query_if("max", left.get())
        };
        let each = |Event { kind, data }: Event| {
            let ui = &mut *ui.borrow_mut();
            match kind.as_str() {
                "" => {
                    sample(&data, &mut version, ui)?;
                    left.set(left.get().map(|left| left - 1));
                }
                "missed" => {
                    let Missed { missed } = read(&data)?;
                    let missed = text::thousands(missed);
                    ui.warn(format!("{missed} more came and went faster than could be shown"));
                }
                "error" => return Err(client.told(&data)),
                _ => return Err(odd(&data)),
            }
            let is_done = ui.reader_gone() || left.get() == Some(0);
            Ok(if is_done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let lost = |why: &str| ui.borrow_mut().warn(format!("{why}; waiting"));
        client.follow(call, each, lost)?;
        Ok(Exit::Ok)
    }
}

/// Shows a sample, and the version where that is another one than before.
fn sample(data: &str, version: &mut Option<u64>, ui: &mut Ui) -> Result<()> {
    let sample = read::<TapSample>(data)?;
    if ui.is_json() {
        return ui.line(data);
    }
    if version.replace(sample.version) != Some(sample.version) {
        ui.note(format!("version {}", sample.version));
    }
    show(&sample, ui)
}

/// A line for the cause, and one for each thing that came of it.
fn show(sample: &TapSample, ui: &mut Ui) -> Result<()> {
    let cause = &sample.cause;
    let key = if cause.key.is_null() { String::new() } else { plain(&cause.key) };
    let record = match cause.kind {
        CauseKind::Record => format!("{key}={}", plain(&sample.value)),
        CauseKind::Window | CauseKind::Timer => key,
    };
    let place = ui.paint(&place(cause), Style::Dim);
    let side = match sample.side {
        None => "",
        Some(TapSide::Stable) => "stable ",
        Some(TapSide::Canary) => "canary ",
    };
    ui.line(format!("{place} {}{record}", ui.paint(side, Style::Yellow)))?;
    for sent in &sample.sent {
        let line =
            format!("-> {} {}={}", text::short(&sent.topic), plain(&sent.key), plain(&sent.value));
        let line = ui.paint(&line, Style::Green);
        ui.line(format!("  {line}"))?;
    }
    if sample.changes > 0 {
        ui.line(format!("  {}", text::count(sample.changes as u64, "state change")))?;
    }
    if sample.late {
        ui.line(format!("  {}", ui.paint("late", Style::Yellow)))?;
    }
    if let Some(fault) = &sample.fault {
        let line = format!("given up: {}", printable(fault));
        ui.line(format!("  {}", ui.paint(&line, Style::Red)))?;
    }
    Ok(())
}

fn place(cause: &ComparisonCause) -> String {
    let time = |ms: Option<i64>| ms.map_or_else(String::new, text::time);
    match cause.kind {
        CauseKind::Record => {
            let topic = cause.topic.as_deref().map(text::short).unwrap_or_default();
            format!("{topic}:{}:{}", cause.partition, cause.offset.unwrap_or_default())
        }
        CauseKind::Window => {
            format!("window {} to {}", time(cause.start_ms), time(cause.end_ms))
        }
        CauseKind::Timer => {
            format!(
                "timer {} of {}",
                cause.timer.as_deref().unwrap_or_default(),
                time(cause.due_ms)
            )
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(data: &str) -> Result<T> {
    serde_json::from_str(data).map_err(|_| odd(data))
}
