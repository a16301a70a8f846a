//! `pelton logs`.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use clap::Args;
use pelton_server::functions::FunctionStatus;
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use crate::client::{Client, Event, ServerArgs};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::{Style, Ui, printable};

/// Print what a function of a server has logged
///
/// The newest 1,000 lines are kept, while the server runs. With -f it goes on when the server is started
/// again. Why a function does not run is told on stderr.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton logs hello
  pelton logs hello -f")]
pub(crate) struct Logs {
    /// The function
    name: String,
    /// Go on with lines to come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A line that a function has logged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Ms since the Unix epoch.
    pub time_ms: i64,
    /// Such as `info`.
    pub level: String,
    /// The partition whose task logged it.
    pub partition: u32,
    /// What it says.
    pub message: String,
}

#[derive(Deserialize)]
struct List {
    lines: Vec<Line>,
}

impl Logs {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        let parts = ["functions", self.name.as_str(), "logs"];
        if self.follow {
            return self.follow(&client, ui);
        }
        let list: List = client.get(&parts)?;
        list.lines.iter().try_for_each(|line| show(line, ui))?;
        if list.lines.is_empty() {
            ui.note(format!("{} has logged nothing since the server was started", self.name));
        }
        self.tell_halt(&client, ui)?;
        Ok(Exit::Ok)
    }

    /// Goes on over restarts of the server: what was shown before is not shown again.
    fn follow(&self, client: &Client, ui: &mut Ui) -> Result<Exit> {
        let parts = ["functions", self.name.as_str(), "logs"];
        self.tell_halt(client, ui)?;
        let (ui, shown_ms, before_ms) =
            (RefCell::new(ui), Cell::new(i64::MIN), Cell::new(i64::MIN));
        let call = || {
            before_ms.set(shown_ms.get());
            client.call(Method::GET, &parts)
        };
        let each = |Event { kind, data }: Event| {
            if !kind.is_empty() {
                return Err(odd(&data));
            }
            let line: Line = serde_json::from_str(&data).map_err(|_| odd(&data))?;
            let ui = &mut *ui.borrow_mut();
            if line.time_ms > before_ms.get() {
                shown_ms.set(line.time_ms.max(shown_ms.get()));
                show(&line, ui)?;
            }
            Ok(if ui.reader_gone() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let lost = |why: &str| ui.borrow_mut().warn(format!("{why}; waiting"));
        client.follow(call, each, lost)?;
        Ok(Exit::Ok)
    }

    /// A function that has stopped logs nothing of it: the host knows why.
    fn tell_halt(&self, client: &Client, ui: &mut Ui) -> Result<()> {
        let status: FunctionStatus = client.get(&["functions", &self.name])?;
        if let Some(error) = status.error {
            ui.warn(format!("{} does not run: {error}", self.name));
        }
        Ok(())
    }
}

/// A line for people, or a line of JSON.
fn show(line: &Line, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return ui.line(serde_json::to_string(line).unwrap_or_default());
    }
    let style = match line.level.as_str() {
        "error" => Style::Red,
        "warn" => Style::Yellow,
        _ => Style::Dim,
    };
    let level = ui.paint(&format!("{:5}", line.level), style);
    let message = printable(&line.message);
    ui.line(format!("{} {level} {} {message}", text::time(line.time_ms), line.partition))
}

/// What the server sent and nobody expected.
pub(super) fn odd(data: &str) -> CliError {
    let text = format!("the server sent what this pelton cannot read: {data}");
    CliError::new("E-SERVER-ANSWER", Exit::Failure, text).next("use the pelton of its version")
}
