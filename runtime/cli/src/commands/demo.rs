//! `pelton demo`.

use clap::Args;
use serde_json::json;

use crate::demo::{self, Site, Told};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::text;
use crate::ui::Ui;

/// Differences that are told.
const DIFFERENCES_SHOWN: usize = 5;

/// Show Pelton at work on real flight records, and why streams decouple
///
/// Starts a server on loopback, its data in a temporary folder, and tells a story with the 51,955
/// flights from New York's airports in January and February 2013: a function keeps statistics by
/// carrier; an anomaly detector on its results and a report from the first record on are added while
/// it runs, and it does not notice. All results are checked against a plain recomputation. Then the
/// flights go on until Ctrl-C, and the server's console shows them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pelton demo
  pelton demo --once
  pelton demo --speed 86400 --port 8080")]
pub(crate) struct Demo {
    /// Stop behind the tables; else the flights then go on until Ctrl-C
    #[arg(long)]
    once: bool,
    /// How much faster than in 2013 the flights are replayed; 3600 is an hour each second
    #[arg(long, value_name = "TIMES", default_value_t = 3_600.0, value_parser = speed)]
    speed: f64,
    /// The port of 127.0.0.1 to listen on, 0 for a free one; else 7070, or a free one where that is taken
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
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
        let mut site = Site::start(self.port)?;
        if !ui.is_json() {
            ui.line(format!("Pelton is up. Its console, for your browser: {}", site.address()))?;
        }
        let bar = ui.progress(None, "starting");
        let told = demo::tell(&mut site, &flights, &bar, ui)?;
        let differences = told.results.differences(&demo::recompute(&flights));
        show(&told, differences.is_empty(), ui)?;
        if !differences.is_empty() {
            return Err(wrong(&differences));
        }
        if self.once || ui.is_json() {
            site.end()?;
            ui.next("pelton demo       # the same, and the flights go on: look at the console meanwhile");
            ui.next("pelton new hello  # make a function of your own");
            return Ok(Exit::Ok);
        }
        ui.note(format!(
            "\nThe flights go on, {} times as fast as they were: see the console. Ctrl-C ends.\n",
            self.speed
        ));
        let mut results = told.results;
        demo::replay(&mut site, &mut results, &flights, self.speed, ui)?;
        site.end()?;
        Ok(Exit::Ok)
    }
}

/// Shows what has come of it.
fn show(told: &Told, agrees: bool, ui: &mut Ui) -> Result<()> {
    if ui.is_json() {
        let Told { results, timings, first_function: [before, after] } = told;
        return ui.json(&json!({
            "results": results,
            "timings": timings,
            "first_function": { "before": before, "after": after },
            "agrees": agrees,
        }));
    }
    ui.line("")?;
    demo::show(&told.results, &told.timings, ui)?;
    if agrees {
        ui.line("")?;
        ui.line(demo::check_line(&told.results, ui))?;
    }
    Ok(())
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
