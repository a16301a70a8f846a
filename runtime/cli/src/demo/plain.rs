//! The demo's results, computed plainly from the data: what the functions must answer.

use std::collections::BTreeMap;

use super::data::{Flight, HOUR_MS, LOCAL_MS};
use super::results::{Anomaly, Carrier, Results};

const DAY_MS: i64 = 24 * HOUR_MS;
/// What a day is judged by: as many days before it at most and at least, flights, the least
/// deviation that counts, and the score that is too high.
const DAYS: std::ops::RangeInclusive<usize> = 7..=28;
const FLIGHTS_MIN: usize = 30;
const DEVIATION_MIN: f64 = 0.02;
const SCORE_MAX: f64 = 3.5;

/// What the functions must answer.
pub(crate) fn recompute(flights: &[Flight]) -> Results {
    let mut results = Results::default();
    let mut by_carrier: BTreeMap<&str, Vec<Option<i32>>> = BTreeMap::new();
    for flight in flights {
        by_carrier.entry(flight.carrier).or_default().push(flight.delay_min);
        let Some(departed) = flight.departed_ms() else {
            results.cancelled += 1;
            continue;
        };
        results.departed += 1;
        let hour = departed - departed.rem_euclid(HOUR_MS);
        *results.hours.entry(flight.origin.into()).or_default().entry(hour).or_default() += 1;
    }
    // An hour is counted once a flight has departed behind it.
    let last = flights.iter().filter_map(Flight::departed_ms).max().unwrap_or(0);
    results.hours.values_mut().for_each(|hours| hours.retain(|hour, _| hour + HOUR_MS <= last));
    results.anomalies = anomalies(flights);
    let carriers = by_carrier.into_iter();
    results.carriers = carriers.map(|(name, delays)| (name.to_owned(), carrier(&delays))).collect();
    results
}

fn carrier(delays: &[Option<i32>]) -> Carrier {
    let mut departed: Vec<i32> = delays.iter().copied().flatten().collect();
    departed.sort_unstable();
    let sum: f64 = departed.iter().map(|delay| f64::from(*delay)).sum();
    // Nearest rank, of all the values.
    let rank = (0.95 * departed.len() as f64).ceil() as usize;
    let p95_delay = rank.checked_sub(1).map_or(0.0, |index| f64::from(departed[index]));
    Carrier {
        flights: delays.len() as u64,
        cancelled: (delays.len() - departed.len()) as u64,
        mean_delay: sum / departed.len().max(1) as f64,
        p95_delay,
    }
}

/// The days that are over on which far more was cancelled than on the days before.
fn anomalies(flights: &[Flight]) -> BTreeMap<String, BTreeMap<i64, Anomaly>> {
    let mut days: BTreeMap<&str, BTreeMap<i64, Vec<bool>>> = BTreeMap::new();
    for flight in flights {
        let day = (flight.event_ms() + LOCAL_MS).div_euclid(DAY_MS) * DAY_MS - LOCAL_MS;
        let of_carrier = days.entry(flight.carrier).or_default();
        of_carrier.entry(day).or_default().push(flight.delay_min.is_none());
    }
    let found = days.into_iter().map(|(carrier, mut days)| {
        days.pop_last();
        days.retain(|_, flights| flights.len() >= FLIGHTS_MIN);
        (carrier.to_owned(), unusual(&days.into_iter().collect::<Vec<_>>()))
    });
    found.filter(|(_, unusual)| !unusual.is_empty()).collect()
}

/// Which of the days are unusual; each with whether its flights were cancelled.
fn unusual(days: &[(i64, Vec<bool>)]) -> BTreeMap<i64, Anomaly> {
    let cancelled = |flights: &[bool]| flights.iter().filter(|cancelled| **cancelled).count();
    let share = |flights: &[bool]| cancelled(flights) as f64 / flights.len() as f64;
    let mut out = BTreeMap::new();
    for (index, (day, flights)) in days.iter().enumerate().skip(*DAYS.start()) {
        let before = &days[index.saturating_sub(*DAYS.end())..index];
        let shares: Vec<f64> = before.iter().map(|(_, flights)| share(flights)).collect();
        let usual_share = median(shares.clone());
        let deviation = median(shares.iter().map(|share| (share - usual_share).abs()).collect());
        let score = 0.6745 * (share(flights) - usual_share) / deviation.max(DEVIATION_MIN);
        if score > SCORE_MAX {
            let (flights, cancelled) = (flights.len() as u64, cancelled(flights) as u64);
            let anomaly = Anomaly { day: *day, flights, cancelled, usual_share, score };
            out.insert(*day, anomaly);
        }
    }
    out
}

/// The mean of the two in the middle, which are the same one where their number is odd.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Departures in the hour that no later one ends.
    const IN_THE_LAST_HOUR: u64 = 4;

    /// The snow storm of 8 and 9 February.
    #[test]
    fn the_storm_is_found() {
        let anomalies = recompute(&super::super::flights().unwrap()).anomalies;
        let storm = 1_356_998_400_000 + 38 * DAY_MS - LOCAL_MS;
        let hit = anomalies.values().filter(|days| days.contains_key(&storm)).count();
        assert_eq!(hit, 9, "{anomalies:?}");
        let delta = &anomalies["DL"][&storm];
        assert_eq!((delta.flights, delta.cancelled), (126, 77));
    }

    /// Figures of the data set that were counted with other tools.
    #[test]
    fn the_recomputation_is_right_about_known_figures() {
        let results = recompute(&super::super::flights().unwrap());
        assert_eq!((results.departed, results.cancelled), (50_173, 1_782));
        assert_eq!(results.carriers.len(), 16);
        let p95 = |carrier: &str| results.carriers[carrier].p95_delay;
        let of_them = ["EV", "B6", "F9", "HA", "YV"].map(p95);
        assert_eq!(of_them, [122.0, 76.0, 123.0, 186.0, 83.0]);
        let all: u64 = results.hours.values().flat_map(BTreeMap::values).sum();
        assert_eq!(all, 50_173 - IN_THE_LAST_HOUR);
        assert_eq!(results.hours.keys().collect::<Vec<_>>(), ["EWR", "JFK", "LGA"]);
    }

    #[test]
    fn a_difference_names_what_differs() {
        let flights = super::super::flights().unwrap();
        let expected = recompute(&flights);
        assert!(expected.differences(&expected).is_empty());
        let differences = recompute(&flights[1..]).differences(&expected);
        assert!(differences.iter().any(|text| text.starts_with("carrier UA: ")), "{differences:?}");
        assert!(differences.iter().any(|text| text.starts_with("EWR at ")), "{differences:?}");
        assert!(differences.iter().any(|text| text.starts_with("departed: 50172")));
    }
}
