//! What the demo's functions answer, and the same computed plainly.

use std::collections::BTreeMap;

use pelton_batch::Record;
use serde::{Deserialize, Serialize};

/// Statistics of a carrier, as the function `flights-stats` sends them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Carrier {
    /// Flights, those cancelled among them.
    pub flights: u64,
    /// Flights that were cancelled.
    pub cancelled: u64,
    /// Mean delay of the departures in minutes.
    pub mean_delay: f64,
    /// Delay that 95 % of the departures did not exceed, rounded up to a bucket's bound.
    pub p95_delay: f64,
}

/// A count of a window, as the function `windowed-count` sends it.
#[derive(Debug, Deserialize)]
struct Count {
    start: i64,
    count: u64,
}

/// Everything that the demo shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Results {
    /// Statistics by carrier.
    pub carriers: BTreeMap<String, Carrier>,
    /// Departures by airport and start of the hour, ms since the Unix epoch.
    pub hours: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Flights that the router sent to `departed`.
    pub departed: u64,
    /// Flights that it sent to `cancelled`.
    pub cancelled: u64,
}

impl Results {
    /// Takes a record of the topic of statistics: the last one of a carrier counts.
    pub(super) fn take_carrier(&mut self, record: &Record<'_>) -> Result<(), String> {
        let carrier = parse::<Carrier>(record)?;
        self.carriers.insert(key(record), carrier);
        Ok(())
    }

    /// Takes a record of the topic of counts.
    pub(super) fn take_hour(&mut self, record: &Record<'_>) -> Result<(), String> {
        let count = parse::<Count>(record)?;
        self.hours.entry(key(record)).or_default().insert(count.start, count.count);
        Ok(())
    }

    /// Flights of all carriers.
    pub(super) fn flights(&self) -> u64 {
        self.carriers.values().map(|carrier| carrier.flights).sum()
    }

    /// What differs from `expected`, in words; nothing where they agree.
    pub(crate) fn differences(&self, expected: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: String, got: String, wanted: String| {
            if got != wanted {
                out.push(format!("{what}: {got}, but plainly computed {wanted}"));
            }
        };
        for name in expected.carriers.keys().chain(self.carriers.keys()) {
            let text = |results: &Self| {
                results.carriers.get(name).map_or("nothing".into(), |c| {
                    let Carrier { flights, cancelled, mean_delay, p95_delay } = c;
                    format!("{flights} {cancelled} {mean_delay:.6} {p95_delay}")
                })
            };
            compare(format!("carrier {name}"), text(self), text(expected));
        }
        for airport in expected.hours.keys().chain(self.hours.keys()) {
            let none = BTreeMap::new();
            let got = self.hours.get(airport).unwrap_or(&none);
            let wanted = expected.hours.get(airport).unwrap_or(&none);
            for hour in got.keys().chain(wanted.keys()) {
                let text = |hours: &BTreeMap<i64, u64>| format!("{:?}", hours.get(hour));
                compare(format!("{airport} at {hour}"), text(got), text(wanted));
            }
        }
        compare("departed".into(), self.departed.to_string(), expected.departed.to_string());
        compare("cancelled".into(), self.cancelled.to_string(), expected.cancelled.to_string());
        out.sort();
        out.dedup();
        out
    }
}

fn key(record: &Record<'_>) -> String {
    String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned()
}

fn parse<'a, T: Deserialize<'a>>(record: &Record<'a>) -> Result<T, String> {
    serde_json::from_slice(record.value().unwrap_or_default()).map_err(|error| error.to_string())
}
