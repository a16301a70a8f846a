//! The demo's tables.

use super::data::{DAYS, HOUR_MS, LOCAL_MS, airlines};
use super::results::{Anomaly, Carrier, Results};
use super::site::Timing;
use crate::error::Result;
use crate::table::Columns;
use crate::text::{self, percent, rate, seconds, thousands};
use crate::ui::{Style, Ui};

/// Length of the longest bar.
const BAR: u64 = 24;
/// Anomalies that are shown.
const ANOMALIES: usize = 8;

/// Shows everything.
pub(crate) fn show(results: &Results, timings: &[Timing], ui: &mut Ui) -> Result<()> {
    let title = |ui: &Ui, text: &str| ui.paint(text, Style::Bold);
    ui.line(title(ui, "Departures from New York by carrier, January and February 2013"))?;
    ui.line(carriers(results, usize::MAX).to_string())?;
    ui.line("")?;
    ui.line(title(ui, "Departures in an hour of the day, mean over the days (local time)"))?;
    ui.line(hours(results).to_string())?;
    if let Some(line) = busiest(results) {
        ui.line(ui.paint(&line, Style::Dim))?;
    }
    ui.line("")?;
    let count = text::count(results.anomaly_count(), "day");
    let of_all = format!("Cancelled far more than usual: {count} of a carrier, the most unusual");
    ui.line(title(ui, &of_all))?;
    ui.line(anomalies(results, ANOMALIES, |anomaly| -anomaly.score).to_string())?;
    ui.line("")?;
    ui.line(title(ui, "Throughput, exactly once, on disk"))?;
    ui.line(throughput(timings).to_string())
}

/// The line about the recomputation.
pub(crate) fn check_line(results: &Results, ui: &Ui) -> String {
    let hours: usize = results.hours.values().map(|hours| hours.len()).sum();
    format!(
        "{} {} flights of {} carriers, {}, {} and {}\nagree with a plain recomputation",
        ui.paint("checked:", Style::Green),
        thousands(results.flights()),
        results.carriers.len(),
        text::count(hours as u64, "hourly count"),
        text::count(results.departed, "departure"),
        text::count(results.anomaly_count(), "unusual day"),
    )
}

/// Carriers, those with most flights first, at most `limit` of them.
pub(super) fn carriers(results: &Results, limit: usize) -> Columns {
    let names = airlines();
    let mut carriers: Vec<_> = results.carriers.iter().collect();
    carriers.sort_by_key(|(code, carrier)| (std::cmp::Reverse(carrier.flights), *code));
    let mut table =
        Columns::new(&["", "carrier", ">flights", ">cancelled", ">mean delay", ">95 % within"]);
    for (code, carrier) in carriers.into_iter().take(limit) {
        let Carrier { flights, cancelled, mean_delay, p95_delay } = carrier;
        table.row(&[
            code.clone(),
            names.get(code.as_str()).copied().unwrap_or_default().to_owned(),
            thousands(*flights),
            percent(*cancelled, *flights),
            format!("{mean_delay:.1} min"),
            format!("{p95_delay:.0} min"),
        ]);
    }
    table
}

fn hours(results: &Results) -> Columns {
    let airports: Vec<&String> = results.hours.keys().collect();
    let mut titles = vec![">hour".to_owned()];
    titles.extend(airports.iter().map(|airport| format!(">{airport}")));
    titles.extend([">all".to_owned(), String::new()]);
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Columns::new(&titles);
    let sums: Vec<Vec<u64>> = (0..24)
        .map(|hour| airports.iter().map(|airport| departures(results, airport, hour)).collect())
        .collect();
    let most = sums.iter().map(|row| row.iter().sum::<u64>()).max().unwrap_or(1).max(1);
    for (hour, row) in sums.iter().enumerate() {
        let all: u64 = row.iter().sum();
        if all == 0 {
            continue;
        }
        let mut cells = vec![format!("{hour:02}:00")];
        let mean = |count: u64| format!("{:.1}", count as f64 / DAYS as f64);
        cells.extend(row.iter().map(|count| mean(*count)));
        cells.push(mean(all));
        // What is shown as nothing has no bar.
        cells.push(if mean(all) == mean(0) { String::new() } else { bar(BAR * all / most) });
        table.row(&cells);
    }
    table
}

/// At most `limit` anomalies, those first for which `order` is least.
pub(super) fn anomalies(
    results: &Results,
    limit: usize,
    order: impl Fn(&Anomaly) -> f64,
) -> Columns {
    let names = airlines();
    let mut all: Vec<_> = results
        .anomalies
        .iter()
        .flat_map(|(code, days)| days.values().map(move |anomaly| (code, anomaly)))
        .collect();
    all.sort_by(|(_, a), (_, b)| order(a).total_cmp(&order(b)));
    let titles = ["", "carrier", "day", ">flights", ">cancelled", ">usually", ">z-score"];
    let mut table = Columns::new(&titles);
    for (code, anomaly) in all.into_iter().take(limit) {
        let Anomaly { day, flights, cancelled, usual_share, score } = anomaly;
        table.row(&[
            code.clone(),
            names.get(code.as_str()).copied().unwrap_or_default().to_owned(),
            local_date(*day),
            thousands(*flights),
            percent(*cancelled, *flights),
            format!("{:.1} %", usual_share * 100.0),
            format!("{score:.1}"),
        ]);
    }
    table
}

fn bar(length: u64) -> String {
    if length == 0 { "▏".into() } else { "▇".repeat(length as usize) }
}

/// Departures of an airport in an hour of the day, over all days.
fn departures(results: &Results, airport: &str, hour: i64) -> u64 {
    let hours = results.hours.get(airport).into_iter().flatten();
    let of_day = |start: i64| (start + LOCAL_MS).div_euclid(HOUR_MS).rem_euclid(24);
    hours.filter(|(start, _)| of_day(**start) == hour).map(|(_, count)| count).sum()
}

fn busiest(results: &Results) -> Option<String> {
    let all = results.hours.iter();
    let all = all.flat_map(|(airport, hours)| hours.iter().map(move |hour| (airport, hour)));
    let (airport, (start, count)) = all.max_by_key(|(_, (_, count))| **count)?;
    Some(format!(" Busiest: {airport} on {}, {count} departures in an hour", local_time(*start)))
}

/// `2013-02-08 06:00`, in New York's winter time.
pub(super) fn local_time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms + LOCAL_MS).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2013-02-08`, the day in New York.
pub(super) fn local_date(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms + LOCAL_MS).unwrap_or_default();
    time.strftime("%Y-%m-%d").to_string()
}

fn throughput(timings: &[Timing]) -> Columns {
    let mut table =
        Columns::new(&["step", ">records in", ">records out", ">time", ">records in a second"]);
    for Timing { step, records_in, records_out, seconds: time } in timings {
        table.row(&[
            step.clone(),
            thousands(*records_in),
            thousands(*records_out),
            seconds(*time),
            rate(*records_in, *time),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_is_shown_as_zero_has_no_bar() {
        let mut results = Results::default();
        let of_airport = results.hours.entry("JFK".into()).or_default();
        let at = |hour: i64| hour * HOUR_MS - LOCAL_MS;
        of_airport.extend([(at(1), 1), (at(5), 6), (at(6), 5_900)]);
        let table = hours(&results).to_string();
        let row = |hour: &str| {
            let row = table.lines().find(|line| line.trim_start().starts_with(hour));
            row.unwrap().to_owned()
        };
        assert!(row("01:00").ends_with("0.0"), "{table}");
        assert!(row("05:00").ends_with('\u{258f}'), "{table}");
        assert!(row("06:00").ends_with(&"\u{2587}".repeat(24)), "{table}");
    }
}
