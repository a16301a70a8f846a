//! `pelton status`.

use clap::Args;
use pelton_server::functions::{FunctionState, FunctionStatus, TaskStatus};

use super::ls;
use crate::client::ServerArgs;
use crate::error::Result;
use crate::exit::Exit;
use crate::table::Columns;
use crate::text;
use crate::ui::Ui;

/// Show what a function of a server is doing
///
/// Counts are since its tasks were started. The exit code is 4 where it should run and does not.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pelton status hello")]
pub(crate) struct Status {
    /// The function
    name: String,
    #[command(flatten)]
    server: ServerArgs,
}

impl Status {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let status: FunctionStatus = self.server.client()?.get(&["functions", &self.name])?;
        if ui.is_json() {
            ui.json(&status)?;
        } else {
            show(&status, ui)?;
        }
        Ok(match status.state {
            FunctionState::Stopped => Exit::Function,
            _ => Exit::Ok,
        })
    }
}

fn show(status: &FunctionStatus, ui: &mut Ui) -> Result<()> {
    let name = status.function.name();
    let state = ls::state(status.state, ui);
    ui.line(format!("{name} version {}: {state}", status.version))?;
    if let Some(error) = &status.error {
        ui.line(format!("  why      {error}"))?;
    }
    let topics = |topics: &mut dyn Iterator<Item = &String>| {
        topics.map(|topic| text::short(topic)).collect::<Vec<_>>().join(", ")
    };
    ui.line(format!("  reads    {}", topics(&mut status.inputs.iter())))?;
    ui.line(format!("  writes   {}", topics(&mut status.outputs.values())))?;
    ui.line(format!(
        "  records  {} in, {} out, {} late, {} rejected, {} waiting",
        text::thousands(status.records_in),
        text::thousands(status.records_out),
        text::thousands(status.late),
        text::thousands(status.poison),
        text::thousands(status.lag),
    ))?;
    if let Some(recent) = &status.recent {
        let (taken, sent) = (recent.records_in_rate, recent.records_out_rate);
        ui.line(format!("  rate     {} in, {} out", text::rate_of(taken), text::rate_of(sent)))?;
    }
    ui.line(format!(
        "  calls    {}, {}, {}, {}",
        text::thousands(status.calls),
        text::count(status.faults, "fault"),
        if status.retries == 1 { "1 retry".into() } else { format!("{} retries", status.retries) },
        text::count(status.commits, "commit"),
    ))?;
    if let (Some(p50), Some(p99)) = (status.p50_us, status.p99_us) {
        ui.line(format!(
            "  took     {} in the median, {} at the 99th percentile, each with its commit; {} of CPU \
             time in all",
            text::micros(p50),
            text::micros(p99),
            text::micros(status.cpu_us),
        ))?;
    }
    if status.unmigrated > 0 {
        let values = text::count(status.unmigrated, "value");
        ui.line(format!("  state    {values} of an older schema version"))?;
    }
    if let Some(until) = status.breaker_until_ms {
        let is_open = |task: &&TaskStatus| task.breaker_until_ms.is_some();
        let open = status.tasks.iter().filter(is_open).count() as u64;
        ui.line(format!(
            "  breaker  open on {} until {}: too many records in a row failed, each goes as \
             [delivery] says, and the next one is tried then",
            text::count(open, "partition"),
            text::time(until),
        ))?;
    }
    if let Some(fault) = &status.last_fault {
        ui.line(format!("  last     {fault}"))?;
    }
    if let Some(shadow) = &status.shadow {
        let since = shadow.since_ms.map(|since| format!(" since {}", text::time(since)));
        let state = ls::shadow_state(shadow) + &since.unwrap_or_default();
        ui.line(format!("  shadow   version {}: {state}", shadow.version))?;
        super::diff::show_counts(shadow, ui)?;
    }
    if let Some(canary) = &status.canary {
        super::canary::show(canary, ui)?;
    }
    if !status.tasks.is_empty() {
        ui.line(tasks(&status.tasks).to_string())?;
    }
    match status.state {
        FunctionState::Paused => ui.next(format!("pelton resume {name}")),
        FunctionState::Stopped => ui.next(format!("pelton logs {name}; pelton resume {name}")),
        FunctionState::Replica => {
            ui.note("it runs on the server that this one follows; `pelton replica status` tells how far");
        }
        _ if status.shadow.is_some() => ui.next(format!("pelton diff {name}")),
        _ if status.poison > 0 => ui.next(format!("pelton dlq ls {name}")),
        _ => {}
    }
    Ok(())
}

fn tasks(tasks: &[TaskStatus]) -> Columns {
    let mut table =
        Columns::new(&[">partition", ">version", ">lag", "watermark", "reads next", "state"]);
    for task in tasks {
        let stores = task.stores.iter().map(|store| {
            format!(
                "{}: {} ({})",
                store.name,
                text::thousands(store.entries),
                text::bytes(store.bytes)
            )
        });
        let inputs =
            task.inputs.iter().map(|input| format!("{} {}", text::short(&input.topic), input.next));
        let trial = if task.on_trial { " on trial" } else { "" };
        table.row(&[
            task.partition.to_string(),
            format!("{}{trial}", task.version),
            text::thousands(task.lag),
            task.watermark_ms.map_or_else(|| "-".into(), text::time),
            inputs.collect::<Vec<_>>().join(", "),
            stores.collect::<Vec<_>>().join(", "),
        ]);
    }
    table
}
