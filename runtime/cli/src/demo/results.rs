//! What the demo's functions answer, and the same computed plainly.

use std::collections::BTreeMap;

use pelton_batch::Record;
use serde::{Deserialize, Serialize};

use super::tables::local_date;

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

/// A day on which a carrier cancelled far more than is usual, as the function `anomalies` sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Anomaly {
    /// Start of the day in New York, ms since the Unix epoch.
    pub day: i64,
    /// Its flights.
    pub flights: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// The median share of the days before, 0 to 1.
    pub usual_share: f64,
    /// How unusual it is: the robust z-score.
    pub score: f64,
}

/// Everything that the demo shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Results {
    /// Statistics by carrier.
    pub carriers: BTreeMap<String, Carrier>,
    /// Departures by airport and start of the hour, ms since the Unix epoch.
    pub hours: BTreeMap<String, BTreeMap<i64, u64>>,
    /// Days with far more cancelled flights than usual, by carrier and start.
    pub anomalies: BTreeMap<String, BTreeMap<i64, Anomaly>>,
    /// Flights that `by-airport` sent to `departures`.
    pub departed: u64,
    /// Flights that it sent to `cancellations`.
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

    /// Takes a record of the topic of anomalies.
    pub(super) fn take_anomaly(&mut self, record: &Record<'_>) -> Result<(), String> {
        let anomaly = parse::<Anomaly>(record)?;
        self.anomalies.entry(key(record)).or_default().insert(anomaly.day, anomaly);
        Ok(())
    }

    /// How many anomalies there are.
    pub(crate) fn anomaly_count(&self) -> u64 {
        self.anomalies.values().map(|days| days.len() as u64).sum()
    }

    /// The day with anomalies of most carriers, and how many they are.
    pub(super) fn on_the_worst_day(&self) -> Option<(String, usize)> {
        let mut days: BTreeMap<i64, usize> = BTreeMap::new();
        for day in self.anomalies.values().flat_map(BTreeMap::keys) {
            *days.entry(*day).or_default() += 1;
        }
        let (day, carriers) = days.into_iter().max_by_key(|(_, carriers)| *carriers)?;
        Some((local_date(day), carriers))
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
        for carrier in expected.anomalies.keys().chain(self.anomalies.keys()) {
            let none = BTreeMap::new();
            let got = self.anomalies.get(carrier).unwrap_or(&none);
            let wanted = expected.anomalies.get(carrier).unwrap_or(&none);
            for day in got.keys().chain(wanted.keys()) {
                let text = |days: &BTreeMap<i64, Anomaly>| {
                    days.get(day).map_or("nothing".into(), |anomaly| {
                        let Anomaly { flights, cancelled, usual_share, score, .. } = anomaly;
                        format!("{flights} {cancelled} {usual_share:.6} {score:.6}")
                    })
                };
                compare(format!("anomaly of {carrier} at {day}"), text(got), text(wanted));
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
