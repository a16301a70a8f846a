//! Running statistics of flights for each carrier: flights, share cancelled, mean and 95th
//! percentile of the departure delay. The key of a record is its carrier.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The fields of a flight that count.
#[derive(Deserialize)]
struct Flight {
    dep_delay: Option<f64>,
}

struct FlightStats {
    carriers: Store<String, Carrier>,
}

impl Process for FlightStats {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { carriers: setup.store("carriers") })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let (key, flight) = (record.key_text()?, record.json::<Flight>()?);
        let summary = self.carriers.update(ctx, key, |carrier| {
            carrier.add(&flight);
            carrier.summary()
        })?;
        OUT.emit(ctx, key, Json(summary))
    }
}

pelton_sdk::process!(FlightStats);

/// What is known of a carrier.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Carrier {
    flights: u64,
    cancelled: u64,
    delay_sum: f64,
    delay_max: f64,
    /// Delays in minutes, up to the next whole one, each with its number of flights; in order.
    delays: Vec<(i32, u32)>,
}

/// What is told of it. Delays are in minutes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of flights, those cancelled among them.
    pub flights: u64,
    /// Number of flights cancelled.
    pub cancelled: u64,
    /// Share of flights that were cancelled, 0 to 1.
    pub share_cancelled: f64,
    /// Mean departure delay of the flights that departed; 0 where none did.
    pub mean_delay: f64,
    /// Departure delay that 95 % of them did not exceed, by nearest rank: exact of delays in whole
    /// minutes, else less than a minute too large; 0 where none departed.
    pub p95_delay: f64,
}

impl Carrier {
    fn add(&mut self, flight: &Flight) {
        self.flights += 1;
        let Some(delay) = flight.dep_delay else {
            self.cancelled += 1;
            return;
        };
        let first = self.departed() == 1;
        self.delay_sum += delay;
        self.delay_max = if first { delay } else { self.delay_max.max(delay) };
        let minutes = delay.ceil() as i32;
        match self.delays.binary_search_by_key(&minutes, |(minutes, _)| *minutes) {
            Ok(at) => self.delays[at].1 += 1,
            Err(at) => self.delays.insert(at, (minutes, 1)),
        }
    }

    fn departed(&self) -> u64 {
        self.flights - self.cancelled
    }

    fn summary(&self) -> Summary {
        Summary {
            flights: self.flights,
            cancelled: self.cancelled,
            share_cancelled: self.cancelled as f64 / self.flights as f64,
            mean_delay: self.delay_sum / self.departed().max(1) as f64,
            p95_delay: self.delay_quantile(0.95),
        }
    }

    fn delay_quantile(&self, quantile: f64) -> f64 {
        if self.departed() == 0 {
            return 0.0;
        }
        let rank = (quantile * self.departed() as f64).ceil() as u64;
        // From the longest on, as the ranks asked for are high.
        let mut above = self.departed();
        let found = self.delays.iter().rev().find(|(_, flights)| {
            above -= u64::from(*flights);
            above < rank
        });
        found.map_or(self.delay_max, |(minutes, _)| f64::from(*minutes).min(self.delay_max))
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use pelton_sdk::testing::Harness;

    #[test]
    fn flights_are_summed_up_by_carrier() {
        let mut test = Harness::new(crate::function);
        for delay in ["-3", "0", "12", "null", "100", "7.5"] {
            let flight = format!(r#"{{"carrier":"UA","origin":"EWR","dep_delay":{delay}}}"#);
            test.push("UA", flight, 1);
        }
        test.push("AA", r#"{"dep_delay":null}"#, 2);
        let out = test.outputs("out");
        let expected = Summary {
            flights: 6,
            cancelled: 1,
            share_cancelled: 1.0 / 6.0,
            mean_delay: 116.5 / 5.0,
            p95_delay: 100.0,
        };
        assert_eq!(out[5].json::<Summary>(), expected);
        let all_cancelled = out[6].json::<Summary>();
        assert_eq!((all_cancelled.share_cancelled, all_cancelled.mean_delay), (1.0, 0.0));
        assert_eq!(all_cancelled.p95_delay, 0.0);
    }

    #[test]
    fn the_95th_percentile_is_that_of_the_nearest_rank() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            for delay in (1..=200).rev() {
                test.push("UA", format!(r#"{{"dep_delay":{}}}"#, delay - 50), 1);
            }
            test.push("AA", r#"{"dep_delay":7.5}"#, 2);
            let out = test.outputs("out");
            assert_eq!(out[199].json::<Summary>().p95_delay, 140.0);
            assert_eq!(out[200].json::<Summary>().p95_delay, 7.5, "never above the largest");
        }
    }
}
