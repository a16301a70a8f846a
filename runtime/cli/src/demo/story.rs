//! The story: one function at work, and two that come later without it.

use indicatif::ProgressBar;
use serde::Serialize;

use super::data::{Flight, in_january};
use super::functions::{ANOMALY_DETECTOR, BY_AIRPORT, FLIGHTS_STATS, FUNCTIONS, HOURLY_COUNT};
use super::results::Results;
use super::site::{Site, Standing, Timing};
use crate::clock::Stopwatch;
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::table::Columns;
use crate::text::thousands;
use crate::ui::{Style, Ui};

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    /// Everything that the functions have answered.
    pub results: Results,
    /// How long each step took.
    pub timings: Vec<Timing>,
    /// The first function before the others came, and behind that.
    pub first_function: [Standing; 2],
}

/// Tells the story over all `flights`, and answers what the functions have made of them.
pub(crate) fn tell(
    site: &mut Site,
    flights: &[Flight],
    bar: &ProgressBar,
    ui: &mut Ui,
) -> Result<Told> {
    let (january, february) = flights.split_at(in_january(flights));
    let mut teller = Teller { site, bar, ui, results: Results::default(), timings: Vec::new() };
    teller.events_come_in(january)?;
    teller.a_function_works(january)?;
    let before = teller.site.standing(&FLIGHTS_STATS)?;
    teller.an_afterthought(january)?;
    teller.a_report_from_the_beginning(january)?;
    let after = teller.site.standing(&FLIGHTS_STATS)?;
    teller.nothing_has_changed(&before, &after)?;
    teller.more_events(flights, february)?;
    let Teller { results, timings, .. } = teller;
    Ok(Told { results, timings, first_function: [before, after] })
}

struct Teller<'a> {
    site: &'a mut Site,
    bar: &'a ProgressBar,
    ui: &'a mut Ui,
    results: Results,
    timings: Vec<Timing>,
}

impl Teller<'_> {
    fn events_come_in(&mut self, january: &[Flight]) -> Result<()> {
        self.chapter(
            "1  Events come in",
            &[
                &format!(
                    "January's {} flights from New York go to the topic `flights`.",
                    thousands(january.len() as u64)
                ),
                "Why: a topic keeps its records. Whoever comes later can still begin at the first.",
            ],
        )?;
        self.bar.set_message("loading");
        let clock = Stopwatch::start();
        self.site.append(january, 0)?;
        self.site.sync()?;
        let records = january.len() as u64;
        self.timings.push(Timing {
            step: "load into `flights`".into(),
            records_in: records,
            records_out: records,
            seconds: clock.seconds(),
        });
        Ok(())
    }

    fn a_function_works(&mut self, january: &[Flight]) -> Result<()> {
        self.chapter(
            "2  A function works on them",
            &[
                "`flights-stats` keeps statistics by carrier and sends them to `carrier-statistics`.",
                "Why a topic: who reads the results need not know who makes them. A dashboard does:",
                &dashboard(
                    &self.site.address(),
                    "carrier-statistics/table?field=p95_delay&sort=-flights",
                ),
            ],
        )?;
        self.deploy(&FLIGHTS_STATS, january.len() as u64)
    }

    fn an_afterthought(&mut self, january: &[Flight]) -> Result<()> {
        self.chapter(
            "3  An afterthought, live",
            &[
                "Which days were out of the ordinary? `anomalies` is deployed while all else runs.",
                "It reads `carrier-statistics` from its first record and compares each day's share of",
                "cancelled flights with the median of the days before (robust z-score above 3.5).",
                "Why it is easy: the results were there to be read. Nobody had to plan for it. Dashboard:",
                &dashboard(&self.site.address(), "unusual-days/table?field=score&sort=-score"),
            ],
        )?;
        self.deploy(&ANOMALY_DETECTOR, january.len() as u64)?;
        self.collect()?;
        let found = self.results.anomaly_count();
        let told = format!("   January, looked at afterwards: {found} such days of a carrier.");
        self.line(&told)
    }

    fn a_report_from_the_beginning(&mut self, january: &[Flight]) -> Result<()> {
        self.chapter(
            "4  A report from the beginning",
            &[
                "How many flights leave each airport in an hour? `by-airport` and `hourly-count` replay",
                "`flights` from its first record, a month of them.",
                "Why it can: a reader has a position of its own. The past is not used up by reading it.",
            ],
        )?;
        self.deploy(&BY_AIRPORT, january.len() as u64)?;
        self.deploy(&HOURLY_COUNT, departed(january))
    }

    /// The proof that the first function knows of nothing.
    fn nothing_has_changed(&mut self, before: &Standing, after: &Standing) -> Result<()> {
        if before != after {
            let text = format!("`flights-stats` was touched: {before:?}, then {after:?}");
            return Err(CliError::new("E-DEMO-CHECK", Exit::Failure, text)
                .next("this is a bug of Pelton's: please report it"));
        }
        if self.ui.is_json() {
            return Ok(());
        }
        let mut table =
            Columns::new(&["   flights-stats", ">version", ">offset", ">commits", ">records out"]);
        for (when, standing) in [("before 3", before), ("after 4", after)] {
            let Standing { version, offset, commits, records_out } = standing;
            table.row(&[
                format!("   {when}"),
                version.to_string(),
                thousands(*offset),
                thousands(*commits),
                thousands(*records_out),
            ]);
        }
        self.line(&format!("\n{table}"))?;
        self.line(
            "   Not a restart, not a commit, not a record: the first function has not noticed.",
        )
    }

    fn more_events(&mut self, all: &[Flight], february: &[Flight]) -> Result<()> {
        self.chapter(
            "5  February comes",
            &[&format!(
                "Another {} flights. Nobody is told; all four functions follow.",
                thousands(february.len() as u64)
            )],
        )?;
        self.bar.set_message("February");
        let clock = Stopwatch::start();
        self.site.append(february, 0)?;
        let mut records_out = 0;
        for function in FUNCTIONS {
            let done =
                if function.name == HOURLY_COUNT.name { departed(all) } else { all.len() as u64 };
            records_out += self.site.settled(function.name, done)?.records_out;
        }
        let earlier: u64 = self.timings.iter().skip(1).map(|timing| timing.records_out).sum();
        self.timings.push(Timing {
            step: "February, through all four".into(),
            records_in: february.len() as u64,
            records_out: records_out - earlier,
            seconds: clock.seconds(),
        });
        self.bar.finish_and_clear();
        self.collect()?;
        let hit = self.results.on_the_worst_day();
        let told = hit.map(|(day, carriers)| {
            format!(
                "   The afterthought earns its keep: on {day} it rings for {carriers} carriers at once,\n   \
                 the snow storm that closed the airports."
            )
        });
        told.map_or(Ok(()), |told| self.line(&told))
    }

    fn deploy(&mut self, function: &super::functions::Function, records: u64) -> Result<()> {
        self.bar.set_message(function.name);
        let timing = self.site.deploy(function, records)?;
        self.timings.push(timing);
        Ok(())
    }

    fn collect(&mut self) -> Result<()> {
        self.site.collect(&mut self.results)
    }

    /// A title and what is to be said below it.
    fn chapter(&mut self, title: &str, lines: &[&str]) -> Result<()> {
        let title = self.ui.paint(title, Style::Bold);
        self.line(&format!("\n{title}"))?;
        lines.iter().try_for_each(|line| self.line(&format!("   {line}")))
    }

    fn line(&mut self, text: &str) -> Result<()> {
        if self.ui.is_json() {
            return Ok(());
        }
        self.bar.suspend(|| self.ui.line(text))
    }
}

/// A dashboard of the console: a topic, and how it is looked at.
fn dashboard(address: &str, table: &str) -> String {
    format!("{address}/#/topics/{table}")
}

fn departed(flights: &[Flight]) -> u64 {
    flights.iter().filter(|flight| flight.delay_min.is_some()).count() as u64
}
