//! How `pelton dev` shows what happens: lines for people, events as JSON lines for programs.

use std::path::{Path, PathBuf};

use pelton_server::functions::{DeployReport, Outcome, PipelineReport};
use serde_json::{Value, json};

use super::tail::Role;
use crate::client::Consumed;
use crate::commands::dlq::Letter;
use crate::commands::logs::Line;
use crate::error::{CliError, Result};
use crate::text;
use crate::ui::{Style, Ui, printable};

/// Files that are named before the rest is counted.
const NAMED_MAX: usize = 3;

/// A record that went in or came out.
pub(crate) fn record(role: Role, topic: &str, record: Consumed, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let part = |json: &str| serde_json::from_str::<Value>(json).unwrap_or_default();
        let headers = record.headers.as_ref().map(|headers| part(headers.get()));
        return event(
            ui,
            &json!({
                "event": role.name(), "topic": topic, "partition": record.partition,
                "offset": record.offset, "timestamp": record.timestamp,
                "key": part(record.key.get()), "value": part(record.value.get()),
                "headers": headers,
            }),
        );
    }
    let (lead, style) = match role {
        Role::Input => ("in  ", Style::Dim),
        Role::Output => ("out ", Style::Green),
        Role::DeadLetter => ("dead", Style::Red),
    };
    let (lead, topic) = (ui.paint(lead, style), ui.paint(topic, Style::Dim));
    let mut line = format!("{lead} {topic} {} {}", record.key.get(), record.value.get());
    if role == Role::DeadLetter {
        let letter = Letter::new(record);
        let part = |name| letter.reason(name).unwrap_or_default();
        line += &format!("\n     {}: {}", part("code"), printable(&part("message")));
    }
    ui.line(line)
}

/// A line that a function has logged, with its name where there are several.
pub(crate) fn log(function: Option<&str>, line: &Line, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return event(
            ui,
            &json!({
                "event": "log", "time_ms": line.time_ms, "level": line.level,
                "partition": line.partition, "message": line.message, "function": function,
            }),
        );
    }
    let style = match line.level.as_str() {
        "error" => Style::Red,
        "warn" => Style::Yellow,
        _ => Style::Dim,
    };
    let lead = ui.paint(&format!("log  {}", line.level), style);
    let name = function.map(|name| format!("{} ", ui.paint(name, Style::Dim))).unwrap_or_default();
    ui.line(format!("{lead} {name}{}", printable(&line.message)))
}

/// That a build begins, and why.
pub(crate) fn building(folder: &Path, changes: &[PathBuf], ui: &mut Ui) -> Result<()> {
    let name = |path: &PathBuf| path.strip_prefix(folder).unwrap_or(path).display().to_string();
    let names: Vec<_> = changes.iter().map(name).collect();
    if ui.is_json() {
        return event(ui, &json!({ "event": "building", "changed": names }));
    }
    let more = names.len().saturating_sub(NAMED_MAX);
    let mut why = names.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ");
    if more > 0 {
        why += &format!(" and {more} more");
    }
    let what = if why.is_empty() { "building".to_owned() } else { format!("{why}: building") };
    ui.note(what);
    Ok(())
}

/// That a version has gone live. Times in seconds.
pub(crate) fn live(report: &DeployReport, build: f64, deploy: f64, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        return event(
            ui,
            &json!({
                "event": "live", "version": report.version, "before": report.before,
                "outcome": report.outcome, "changes": report.changes,
                "build_ms": (build * 1e3) as u64, "deploy_ms": (deploy * 1e3) as u64,
            }),
        );
    }
    let version = report.version;
    let what = match report.outcome {
        Outcome::Unchanged => format!("version {version} is the same and goes on"),
        Outcome::Started => format!("version {version} is live"),
        Outcome::Swapped | Outcome::Restarted => {
            let before = report.before.unwrap_or_default();
            format!("version {version} is live in place of {before}, state kept")
        }
        // Never asked for here.
        Outcome::Shadowed | Outcome::Canary => format!("version {version} runs beside another"),
    };
    let times = match report.outcome {
        Outcome::Unchanged => String::new(),
        _ => format!(" (built in {}, then {})", text::seconds(build), text::seconds(deploy)),
    };
    ui.note(format!("{what}{times}"));
    report.changes.iter().filter(|line| !line.starts_with("version:")).for_each(|line| {
        ui.note(format!("  {line}"));
    });
    Ok(())
}

/// That a version of a pipeline has gone live. Times in seconds.
pub(crate) fn live_pipeline(
    report: &PipelineReport,
    build: f64,
    deploy: f64,
    ui: &mut Ui,
) -> Result<()> {
    if ui.is_json() {
        return event(
            ui,
            &json!({
                "event": "live", "version": report.version, "before": report.before,
                "functions": report.functions, "removed": report.removed,
                "build_ms": (build * 1e3) as u64, "deploy_ms": (deploy * 1e3) as u64,
            }),
        );
    }
    let version = report.version;
    if report.is_unchanged() {
        ui.note(format!("version {version} is the same and goes on"));
        return Ok(());
    }
    let (built, swapped) = (text::seconds(build), text::seconds(deploy));
    ui.note(format!("version {version} is live (built in {built}, then {swapped})"));
    let changed = report.functions.iter().filter(|report| report.outcome != Outcome::Unchanged);
    for DeployReport { function, version, before, .. } in changed {
        let before = before.map(|before| format!(" in place of {before}")).unwrap_or_default();
        ui.note(format!("  {} version {version}{before}", function.name()));
    }
    for function in &report.removed {
        ui.note(format!("  {} is gone; its state is kept", function.name()));
    }
    Ok(())
}

/// That a build or a version has failed, and what runs.
pub(crate) fn failed(
    error: &CliError,
    running: Option<u64>,
    output: &[String],
    ui: &mut Ui,
) -> Result<()> {
    if ui.is_json() {
        return event(
            ui,
            &json!({
                "event": "failed", "code": error.code, "text": error.text, "next": error.next,
                "running": running, "output": output.join("\n"),
            }),
        );
    }
    ui.show_error(error);
    ui.note(match running {
        Some(version) => format!("version {version} goes on; save a file to build again"),
        None => "nothing runs yet; save a file to build again".to_owned(),
    });
    Ok(())
}

/// A line of JSON.
pub(crate) fn event(ui: &mut Ui, value: &Value) -> Result<()> {
    ui.line(value.to_string())
}
