//! The demo's results, computed plainly from the data: what the functions must answer.

use std::collections::BTreeMap;

use super::data::{Flight, HOUR_MS};
use super::results::{Carrier, Results};

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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(all, 50_173);
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
