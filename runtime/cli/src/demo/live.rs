//! The demo's replay at a chosen speed, with results as they come.

use std::sync::mpsc;
use std::time::Duration;

use super::data::{DAYS, Flight, HOUR_MS};
use super::functions::FUNCTIONS;
use super::results::Results;
use super::site::Site;
use super::tables::{anomalies, carriers, local_time};
use crate::clock::Stopwatch;
use crate::error::Result;
use crate::interrupt;
use crate::table::Columns;
use crate::text::{rate, thousands};
use crate::ui::{Style, Ui};

/// How often records are appended, and how often the view is drawn anew.
const TICK: Duration = Duration::from_millis(50);
const TICKS_A_VIEW: u32 = 6;
/// Carriers, hours and anomalies in the view, such that it fits a terminal of 24 lines.
const CARRIERS: usize = 5;
const HOURS: usize = 3;
const ANOMALIES: usize = 3;
/// Where the view starts its next one: a terminal overwrites the last.
const ERASE_BELOW: &str = "\x1b[J";

/// Replays the flights again and again, `speed` times as fast as they were, until Ctrl-C.
pub(crate) fn replay(
    site: &mut Site,
    results: &mut Results,
    flights: &[Flight],
    speed: f64,
    ui: &mut Ui,
) -> Result<()> {
    let interrupted = interrupt::listen();
    let mut feed = Feed::new(flights, speed);
    let mut view = View { console: site.address(), lines: 0 };
    let clock = Stopwatch::start();
    let mut ticks = 0;
    while interrupted.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout)
        && !ui.reader_gone()
    {
        feed.advance(clock.seconds(), site)?;
        site.collect(results)?;
        ticks += 1;
        if ticks % TICKS_A_VIEW == 1 {
            site.check()?;
            view.draw(&feed, results, clock.seconds(), ui)?;
        }
    }
    view.draw(&feed, results, clock.seconds(), ui)?;
    ui.note(format!("Stopped after {}.", crate::text::count(feed.sent, "flight")));
    Ok(())
}

/// Hands out flights as their time comes, over and over.
struct Feed<'a> {
    flights: &'a [Flight],
    /// Event time for each second.
    speed: f64,
    next: usize,
    /// How often they have been handed out; once before it begins, by the story.
    rounds: i64,
    now_ms: i64,
    sent: u64,
}

impl<'a> Feed<'a> {
    fn new(flights: &'a [Flight], speed: f64) -> Self {
        Self { flights, speed, next: 0, rounds: 1, now_ms: 0, sent: 0 }
    }

    /// How much later than in the data the flights of this round are.
    fn shift_ms(&self) -> i64 {
        self.rounds * DAYS * 24 * HOUR_MS
    }

    /// Appends all flights up to the event time that `seconds` of replay come to.
    fn advance(&mut self, seconds: f64, site: &Site) -> Result<()> {
        let first = self.flights.first().map_or(0, Flight::event_ms);
        self.now_ms = first + DAYS * 24 * HOUR_MS + (seconds * self.speed * 1_000.0) as i64;
        loop {
            let shift = self.shift_ms();
            let rest = &self.flights[self.next..];
            let due = rest.partition_point(|flight| flight.event_ms() + shift <= self.now_ms);
            site.append(&rest[..due], shift)?;
            self.sent += due as u64;
            self.next += due;
            if self.next < self.flights.len() || due == 0 {
                return Ok(());
            }
            (self.next, self.rounds) = (0, self.rounds + 1);
        }
    }
}

/// The view on the terminal.
struct View {
    /// Where the console is.
    console: String,
    /// Lines of the last one.
    lines: usize,
}

impl View {
    fn draw(
        &mut self,
        feed: &Feed<'_>,
        results: &Results,
        seconds: f64,
        ui: &mut Ui,
    ) -> Result<()> {
        if !ui.is_terminal() {
            return ui.line(headline(feed, results, seconds));
        }
        let headline = ui.paint(&headline(feed, results, seconds), Style::Bold);
        let text = self.text(&headline, results);
        let up = if self.lines > 0 { format!("\x1b[{}A", self.lines) } else { String::new() };
        self.lines = text.lines().count();
        ui.data(format!("{up}\r{ERASE_BELOW}{text}").as_bytes())
    }

    fn text(&self, headline: &str, results: &Results) -> String {
        format!(
            "{headline}\nconsole: {}   Ctrl-C ends\n\n{}\n\n{}\n\n{}\n",
            self.console,
            carriers(results, CARRIERS),
            anomalies(results, ANOMALIES, |anomaly| -anomaly.day as f64),
            last_hours(results)
        )
    }
}

fn headline(feed: &Feed<'_>, results: &Results, seconds: f64) -> String {
    format!(
        "New York, {}   {} flights, {} cancelled   {} through {} functions",
        local_time(feed.now_ms),
        thousands(results.flights()),
        thousands(results.cancelled),
        rate(feed.sent, seconds),
        FUNCTIONS.len(),
    )
}

/// The newest hours that are complete, newest first.
fn last_hours(results: &Results) -> Columns {
    let airports: Vec<&String> = results.hours.keys().collect();
    let mut titles = vec!["departures in the hour from".to_owned()];
    titles.extend(airports.iter().map(|airport| format!(">{airport}")));
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Columns::new(&titles);
    let mut starts: Vec<i64> =
        results.hours.values().flat_map(|hours| hours.keys().rev().take(HOURS).copied()).collect();
    starts.sort_unstable_by(|a, b| b.cmp(a));
    starts.dedup();
    for start in starts.into_iter().take(HOURS) {
        let mut cells = vec![local_time(start)];
        cells.extend(airports.iter().map(|airport| {
            let count = results.hours.get(*airport).and_then(|hours| hours.get(&start));
            count.map_or("-".into(), u64::to_string)
        }));
        table.row(&cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_fits_a_terminal() {
        let flights = super::super::flights().unwrap();
        let results = super::super::recompute(&flights);
        let view = View { console: "http://127.0.0.1:65535".into(), lines: 0 };
        let mut feed = Feed::new(&flights, 3_600.0);
        feed.sent = 999_999_999;
        let text = view.text(&headline(&feed, &results, 1.0), &results);
        assert!(text.lines().count() < 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
