//! `pelton demo`.

use clap::Args;
use serde_json::json;

use crate::demo::{self, Pipeline, Results};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// Differences that are told.
const DIFFERENCES_SHOWN: usize = 5;

/// Show Pelton at work on real flight records
///
/// Runs three WebAssembly functions over the 51,955 flights from New York's airports in January and
/// February 2013, in a journal in a temporary folder: statistics by carrier, a router, and hourly
/// counts of what the router sends. Their results are checked against a plain recomputation.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Stop behind the tables; else the flights are then replayed until Ctrl-C
    #[arg(long)]
    once: bool,
    /// How much faster than in 2013 the flights are replayed; 3600 is an hour each second
    #[arg(long, value_name = "TIMES", default_value_t = 3_600.0, value_parser = speed)]
    speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    let times: f64 = text.parse().map_err(|_| "use a number, such as 3600".to_owned())?;
    match times {
        times if times > 0.0 && times <= 10_000_000.0 => Ok(times),
        _ => Err("use a number above 0 and up to 10000000".into()),
    }
}

impl Demo {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let flights = demo::flights()?;
        ui.note(format!(
            "Running three functions over {}.",
            text::count(flights.len() as u64, "flight")
        ));
        let bar = ui.progress(Some(flights.len() as u64), "loading");
        let mut pipeline = Pipeline::new()?;
        let timings = pipeline.run(&flights, &bar)?;
        let mut results = Results::default();
        pipeline.collect(&mut results)?;
        drop(pipeline);
        let differences = results.differences(&demo::recompute(&flights));
        if ui.is_json() {
            let agrees = differences.is_empty();
            ui.json(&json!({ "results": results, "timings": timings, "agrees": agrees }))?;
        } else {
            demo::show(&results, &timings, ui)?;
        }
        if !differences.is_empty() {
            return Err(wrong(&differences));
        }
        if !ui.is_json() {
            ui.line("")?;
            ui.line(demo::check_line(&results, ui))?;
        }
        if self.once || ui.is_json() {
            ui.next("pelton new hello   # make a function of your own");
            return Ok(Exit::Ok);
        }
        ui.note(format!("\nNow live, {} times as fast as it was. Ctrl-C ends.\n", self.speed));
        demo::replay(&flights, self.speed, ui)?;
        Ok(Exit::Ok)
    }
}

fn wrong(differences: &[String]) -> CliError {
    let shown = &differences[..differences.len().min(DIFFERENCES_SHOWN)];
    let text = format!(
        "{} differ from a plain recomputation:\n{}",
        text::count(differences.len() as u64, "result"),
        shown.join("\n")
    );
    CliError::new("E-DEMO-CHECK", Exit::Failure, text)
        .next("this is a bug of Pelton's: please report it")
}
