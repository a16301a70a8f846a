//! `pelton explain`.

use clap::Args;
use pelton_server::functions::{
    Explanation, FunctionState, RecordExplained, TaskExplained, WindowExplained,
};
use ureq::http::Method;

use super::ls;
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// Tell why windows have fired or not, what holds time back, and what became of a record
///
/// Without a key or a record: where each task stands, and what it waits for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton explain hourly
  pelton explain hourly --key JFK
  pelton explain hourly --key JFK --at 2013-01-01T05:00:00Z
  pelton explain hourly --record flights:0:41")]
pub(crate) struct Explain {
    /// The function
    name: String,
    /// The windows of this key
    #[arg(short, long, value_name = "TEXT")]
    key: Option<String>,
    /// Only the windows that this time belongs to: RFC 3339, or ms since 1970
    #[arg(long, value_name = "TIME", requires = "key")]
    at: Option<String>,
    /// What became of this record
    #[arg(long, value_name = "TOPIC:PARTITION:OFFSET", conflicts_with_all = ["key", "at"])]
    record: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Explain {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let client = self.server.client()?;
        let mut call = client.call(Method::GET, &["functions", &self.name, "explain"]);
        let asked = [("key", &self.key), ("at", &self.at), ("record", &self.record)];
        for (name, value) in asked {
            if let Some(value) = value {
                call = call.query(name, value);
            }
        }
        let told: Explanation = client.json(call)?;
        if ui.is_json() {
            ui.json(&told)?;
            return Ok(Exit::Ok);
        }
        if let Some(record) = &told.record {
            show_record(record, ui)?;
        }
        if !matches!(told.state, FunctionState::Running | FunctionState::OnTrial) {
            ui.line(format!("{} is {}", told.function.name(), ls::state(told.state, ui)))?;
        }
        let asks_for_windows = self.key.is_some() || self.record.is_some();
        match &told.windows {
            Some(windows) => ui.line(format!("windows: {windows}"))?,
            None if asks_for_windows => {
                ui.line(format!("{} has no windows", told.function.name()))?;
            }
            None => {}
        }
        for task in &told.tasks {
            show_task(task, asks_for_windows && told.windows.is_some(), ui)?;
        }
        Ok(Exit::Ok)
    }
}

fn show_record(record: &RecordExplained, ui: &mut Ui) -> Result<()> {
    let key = record.key.as_ref().map_or("no key".to_owned(), |key| format!("key {key:?}"));
    let at = match record.event_time_ms {
        Some(at) => format!("of {}", text::time(at)),
        None => "which does not say when it happened".to_owned(),
    };
    let fate = serde_json::to_value(record.fate).unwrap_or_default();
    let fate = fate.as_str().unwrap_or_default().replace('-', " ");
    ui.line(format!("{}: {key}, {at}", record.place))?;
    ui.line(format!("  {fate}: {}", record.why))
}

fn show_task(task: &TaskExplained, with_windows: bool, ui: &mut Ui) -> Result<()> {
    let watermark = match task.watermark_ms {
        Some(i64::MAX) => "at the end".to_owned(),
        Some(ms) => text::time(ms),
        None => "none yet".to_owned(),
    };
    ui.line(format!("partition {}: watermark {watermark}", task.partition))?;
    ui.line(format!("  held by {}", task.held))?;
    for input in task.inputs.iter().filter(|input| input.end > input.next) {
        let waiting = text::count(input.end - input.next, "record");
        let topic = text::short(&input.topic);
        ui.line(format!("  {waiting} of {topic}:{} not read yet", input.partition))?;
    }
    match (with_windows, task.windows.is_empty()) {
        (true, true) => ui.line("  no window of the key is kept"),
        (true, false) => show_windows(&task.windows, ui),
        _ => Ok(()),
    }
}

fn show_windows(windows: &[WindowExplained], ui: &mut Ui) -> Result<()> {
    let time = |ms: Option<i64>| ms.map_or("-".to_owned(), text::time);
    for window in windows {
        let records = text::count(window.records, "record");
        let (start, end) = (time(window.start_ms), time(window.end_ms));
        ui.line(format!("  {start} to {end}: {records}"))?;
        ui.line(format!("    {}", window.why))?;
    }
    Ok(())
}
