//! One record through a function on windows: a bounded run, which closes them.

use pelton_core::Manifest;
use serde_json::{Value, json};

use crate::bounded::{Job, LoadFrom, Summary};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::input::{BadLine, Row, RowReader};
use crate::table::Columns;
use crate::ui::Ui;

/// An input of one record.
struct OneRow(Option<Row>);

impl RowReader for OneRow {
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine> {
        let next = self.0.take();
        let is_there = next.is_some();
        *row = next.unwrap_or_default();
        Ok(is_there)
    }
}

/// Runs the function over the record to the end, and shows the windows that it falls into and what
/// the function sends when they close.
pub(crate) fn invoke(wasm: &[u8], manifest: &Manifest, row: Row, ui: &mut Ui) -> Result<Exit> {
    let mut job = Job::open(wasm, manifest, None, ui)?;
    let time = row.timestamp.unwrap_or_default();
    let from = LoadFrom { file: "the record", ..LoadFrom::default() };
    job.load(&mut OneRow(Some(row)), &from)?;
    let progress = job.run(|manifest| ui.progress(None, manifest.function.name()))?;
    let mut lines = Vec::new();
    let mut summary = job.outputs(&mut |piece| {
        lines.extend_from_slice(piece);
        Ok(())
    })?;
    job.dead_letters(&mut summary, None)?;
    let sent = serde_json::Deserializer::from_slice(&lines).into_iter();
    let sent = sent.collect::<Result<Vec<Value>, _>>().map_err(|error| {
        CliError::new("E-INTERNAL", Exit::Failure, format!("an output is no JSON: {error}"))
    })?;
    let windows = job.window().map(|spec| spec.assigner.windows(time).collect::<Vec<_>>());
    let windows: Vec<_> =
        windows.unwrap_or_default().iter().map(|window| (window.start, window.end)).collect();
    show(&windows, &sent, &summary, ui)?;
    Ok(if progress.iter().all(|progress| progress.poison == 0) {
        Exit::Ok
    } else {
        Exit::DeadLetters
    })
}

fn show(windows: &[(i64, i64)], sent: &[Value], summary: &Summary, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let windows: Vec<_> =
            windows.iter().map(|(start, end)| json!({ "start": start, "end": end })).collect();
        let rejected = &summary.first_dead_letters;
        let rejected: Vec<_> = rejected
            .iter()
            .map(|letter| json!({ "code": letter.code, "message": letter.message }))
            .collect();
        return ui.json(&json!({ "windows": windows, "sent": sent, "rejected": rejected }));
    }
    let time = |ms| jiff::Timestamp::from_millisecond(ms).map_or("?".into(), |t| t.to_string());
    for (start, end) in windows {
        ui.note(format!("window {} to {}", time(*start), time(*end)));
    }
    for letter in &summary.first_dead_letters {
        ui.warn(format!("rejected: {} [{}]", letter.message, letter.code));
    }
    if sent.is_empty() {
        ui.note("The function sends nothing when it closes.");
        return Ok(());
    }
    let mut table = Columns::new(&["sent to", "key", "value", "timestamp", "headers"]);
    for record in sent {
        let text = |name: &str| record.get(name).map_or(String::new(), Value::to_string);
        let topic = record["topic"].as_str().unwrap_or_default().to_owned();
        table.row(&[topic, text("key"), text("value"), text("timestamp"), text("headers")]);
    }
    ui.line(table.to_string())
}
