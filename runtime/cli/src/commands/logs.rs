//! `pelton logs`.

use clap::Args;
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use crate::client::{Event, ServerArgs};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::{Style, Ui, printable};

/// Print what a function of a server has logged
///
/// The newest 1,000 lines are kept, while the server runs.
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
        if !self.follow {
            let list: List = client.get(&parts)?;
            list.lines.iter().try_for_each(|line| show(line, ui))?;
            return Ok(Exit::Ok);
        }
        let mut events = client.events(client.call(Method::GET, &parts))?;
        while let Some(Event { kind, data }) = events.next()? {
            match kind.as_str() {
                "" => show(&serde_json::from_str(&data).map_err(|_| odd(&data))?, ui)?,
                "end" => break,
                _ => return Err(odd(&data)),
            }
            if ui.reader_gone() {
                return Ok(Exit::Ok);
            }
        }
        ui.note("the server has ended");
        Ok(Exit::Ok)
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
