//! Real data: the departures from New York's airports in two months of 2013. What windows and joins tell
//! of them is what a plain recomputation does: by sorting, grouping and looking back, without any of the
//! engine's ideas.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{Place, built, guest};

const MINUTE: i64 = 60_000;
/// 2013-01-01T00:00Z.
const START: i64 = 1_356_998_400_000;
/// The longest delay is most of a day.
const BOUND: &str = "22h";

struct Flight {
    carrier: String,
    origin: String,
    tail: String,
    /// Minutes since the start: when it was to depart, and when it did.
    scheduled: i64,
    departed: i64,
    delay: Option<i64>,
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().skip(1);
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn flights() -> Vec<Flight> {
    let flight = |row: Vec<String>| {
        let (scheduled, delay) = (row[4].parse().unwrap(), row[5].parse().ok());
        Flight {
            carrier: row[0].clone(),
            origin: row[1].clone(),
            tail: row[3].clone(),
            scheduled,
            departed: scheduled + delay.unwrap_or(0),
            delay,
        }
    };
    rows("../runtime/cli/data/flights.csv").into_iter().map(flight).collect()
}

/// In the order of departure, and in that of the schedule: out of order by the delays.
fn orders(flights: &[Flight]) -> [Vec<&Flight>; 2] {
    let departed: Vec<&Flight> = flights.iter().collect();
    let mut scheduled = departed.clone();
    scheduled.sort_by_key(|flight| flight.scheduled);
    assert!(scheduled.iter().zip(&departed).any(|(a, b)| a.departed != b.departed));
    [departed, scheduled]
}

/// The flights as JSON lines; their time is in a field of the value.
fn lines<'a>(flights: impl IntoIterator<Item = &'a Flight>, key: fn(&Flight) -> &str) -> String {
    let mut lines = String::new();
    for flight in flights {
        let at = START + flight.departed * MINUTE;
        let value = json!({ "carrier": flight.carrier, "delay": flight.delay, "departed": at });
        writeln!(lines, "{}", json!({ "topic": "flights", "key": key(flight), "value": value }))
            .unwrap();
    }
    lines
}

/// What a function tells of these lines.
fn told(module: &str, lines: &str, more: &str, flags: &[&str]) -> Vec<Value> {
    let place = Place::new();
    let input = |topic: &str| {
        format!(
            "[[input]]\ntopic = \"{topic}\"\nevent_time = \"/departed\"\nout_of_orderness = \"{BOUND}\"\n"
        )
    };
    let inputs = [input("flights"), more.to_owned()].concat();
    place.write("pelton.toml", format!("[function]\nname = \"proof\"\n{inputs}"));
    place.write("flights.jsonl", lines);
    let arguments = ["run", module, "-m", "pelton.toml", "--input", "flights.jsonl"];
    let ended = place.pelton(&[&arguments[..], flags].concat()).expect(0);
    ended.records()
}

fn number(record: &Value, field: &str) -> i64 {
    record["value"][field].as_i64().unwrap()
}

fn key(record: &Value) -> String {
    record["key"].as_str().unwrap().to_owned()
}

#[test]
fn departures_of_each_airport_and_hour() {
    let flights = flights();
    let mut expected: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for flight in &flights {
        let hour = START + flight.departed.div_euclid(60) * 60 * MINUTE;
        *expected.entry((flight.origin.clone(), hour)).or_default() += 1;
    }
    for order in orders(&flights) {
        let lines = lines(order, |flight| &flight.origin);
        let out = told(&guest("windowed_count"), &lines, "", &["--window", "1h"]);
        let found: Vec<_> = out
            .iter()
            .map(|record| ((key(record), number(record, "start")), number(record, "count")))
            .collect();
        assert_eq!(found.len(), expected.len(), "each hour once");
        assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), expected);
    }
}

#[test]
fn the_mean_delay_of_each_carrier_over_three_hours_every_quarter() {
    let flights = flights();
    let mut expected: BTreeMap<(String, i64), (i64, i64)> = BTreeMap::new();
    for flight in &flights {
        let quarter = flight.departed.div_euclid(15) + 1;
        for end in quarter..quarter + 12 {
            let place = (flight.carrier.clone(), START + end * 15 * MINUTE);
            let (departed, minutes) = expected.entry(place).or_default();
            *departed += i64::from(flight.delay.is_some());
            *minutes += flight.delay.unwrap_or(0);
        }
    }
    for order in orders(&flights) {
        let lines = lines(order, |flight| &flight.carrier);
        let out = told(&built("rolling_delay"), &lines, "", &[]);
        assert_eq!(out.len(), expected.len(), "each window once");
        for record in &out {
            let (departed, minutes) = expected[&(key(record), number(record, "end"))];
            assert_eq!((number(record, "flights"), number(record, "minutes")), (departed, minutes));
            let mean = if departed == 0 { 0.0 } else { minutes as f64 / departed as f64 };
            let told = record["value"]["mean"].as_f64().unwrap();
            assert!((told - mean).abs() < 1e-9, "{told} {mean}");
        }
    }
}

#[test]
fn what_an_aircraft_does_until_it_rests_for_twelve_hours() {
    let mut flights = flights();
    flights.retain(|flight| !flight.tail.is_empty());
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for flight in &flights {
        times.entry(flight.tail.clone()).or_default().push(START + flight.departed * MINUTE);
    }
    let mut expected = Vec::new();
    for (tail, mut times) in times {
        times.sort_unstable();
        for at_work in times.chunk_by(|one, next| next - one <= 12 * 60 * MINUTE) {
            let (first, last) = (at_work[0], at_work[at_work.len() - 1]);
            expected.push((tail.clone(), first, last, at_work.len() as i64));
        }
    }
    assert!(expected.iter().any(|session| session.3 > 3), "some fly back and forth");
    for order in orders(&flights) {
        let lines = lines(order, |flight| &flight.tail);
        let out = told(&built("visits"), &lines, "", &["--gap", "12h"]);
        let mut found: Vec<_> = out
            .iter()
            .map(|record| {
                let number = |field| number(record, field);
                (key(record), number("first"), number("last"), number("records"))
            })
            .collect();
        found.sort();
        assert!(found == expected, "{} sessions, {} expected", found.len(), expected.len());
    }
}

#[test]
fn flights_with_the_weather_that_had_been_observed_last() {
    let flights = flights();
    let mut weather: BTreeMap<(String, i64), [Option<f64>; 2]> = BTreeMap::new();
    let mut observed = String::new();
    for row in rows("data/weather.csv") {
        let hour: i64 = row[1].parse().unwrap();
        let [wind, visibility] = [row[2].parse().ok(), row[3].parse().ok()];
        weather.insert((row[0].clone(), hour), [wind, visibility]);
        let value = json!({ "wind_mph": wind, "visibility_miles": visibility,
            "departed": START + hour * MINUTE });
        writeln!(observed, "{}", json!({ "topic": "weather", "key": row[0], "value": value }))
            .unwrap();
    }
    let mut expected: Vec<String> = flights
        .iter()
        .map(|flight| {
            let (from, to) =
                ((flight.origin.clone(), i64::MIN), (flight.origin.clone(), flight.departed));
            let last = weather.range(from..=to).next_back();
            let [wind, visibility] = last.map_or([None; 2], |(_, weather)| *weather);
            let since = last.map(|((_, hour), _)| START + hour * MINUTE);
            json!([
                flight.origin,
                START + flight.departed * MINUTE,
                flight.carrier,
                flight.delay,
                since,
                wind,
                visibility
            ])
            .to_string()
        })
        .collect();
    expected.sort();
    let table = format!(
        "[[input]]\ntopic = \"weather\"\nevent_time = \"/departed\"\nout_of_orderness = \"{BOUND}\"\n"
    );
    for order in orders(&flights) {
        let lines = [lines(order, |flight| &flight.origin), observed.clone()].concat();
        let out = told(&built("flight_weather"), &lines, &table, &[]);
        let mut found: Vec<String> = out
            .iter()
            .map(|record| {
                let value = &record["value"];
                json!([
                    record["key"],
                    record["timestamp"],
                    value["carrier"],
                    value["delay"],
                    value["observed"],
                    value["wind_mph"],
                    value["visibility_miles"]
                ])
                .to_string()
            })
            .collect();
        found.sort();
        assert_eq!(found.len(), expected.len());
        let differ = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differ, None);
    }
}
