//! Tells on which days a carrier cancelled far more flights than it usually does. It reads running
//! statistics (`flights` and `cancelled` so far, as `flights-stats` sends them), so that whoever
//! makes them need not know of it.
//!
//! A day is judged once a record of a later one arrives, by its robust z-score (Iglewicz and
//! Hoaglin, 1993): its share of cancelled flights less the median of the days before, in units of
//! their median absolute deviation.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// Days that a carrier's usual share is taken from, the latest ones, and how many it takes at least.
const DAYS_MAX: usize = 28;
const DAYS_MIN: usize = 7;
/// Scores above this are anomalies, as the source proposes.
const SCORE_MAX: f64 = 3.5;
/// Makes the deviation of normally distributed values their standard deviation.
const NORMAL: f64 = 0.6745;
/// The least deviation that is taken for real: two of 100 flights.
const DEVIATION_MIN: f64 = 0.02;
const DAY_MS: i64 = 24 * 3_600_000;

/// What is read: totals since the beginning.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Totals {
    flights: u64,
    cancelled: u64,
}

/// A day on which far more was cancelled than is usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Start of the day, ms since the Unix epoch.
    pub day: i64,
    /// Flights of that day.
    pub flights: u64,
    /// Those that were cancelled.
    pub cancelled: u64,
    /// Their share, 0 to 1.
    pub share_cancelled: f64,
    /// The median share of the days before.
    pub usual_share: f64,
    /// The robust z-score of the day.
    pub score: f64,
}

/// What is known of a carrier.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Carrier {
    /// Number of the day under way; none before the first record.
    day: Option<i64>,
    /// The totals when it began, and now.
    before: Totals,
    now: Totals,
    /// Shares of the days that are over, oldest first.
    shares: Vec<f64>,
}

struct Anomalies {
    carriers: Store<String, Carrier>,
    /// A day with fewer flights says nothing.
    flights_min: u64,
    /// Local time less UTC.
    offset_ms: i64,
}

impl Process for Anomalies {
    fn open(setup: &mut Setup) -> Result<Self> {
        let flights_min = setup.config_or("flights-min", 30)?;
        let offset_ms = setup.config_or("utc-offset-minutes", 0i64)? * 60_000;
        Ok(Self { carriers: setup.store("carriers"), flights_min, offset_ms })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let (key, totals) = (record.key_text()?, record.json::<Totals>()?);
        let day = (record.timestamp() + self.offset_ms).div_euclid(DAY_MS);
        let found = self.carriers.update(ctx, key, |carrier| {
            let ended = carrier.advance(day);
            carrier.now = totals;
            ended.and_then(|(number, of_day)| {
                let start = number * DAY_MS - self.offset_ms;
                carrier.judge(start, of_day, self.flights_min)
            })
        })?;
        match found {
            Some(anomaly) => OUT.emit(ctx, key, Json(anomaly)),
            None => Ok(()),
        }
    }
}

pelton_sdk::process!(Anomalies);

impl Carrier {
    /// Goes on to `day`. Answers the number and the figures of the one that is over thereby; a
    /// record of a day before counts to the one under way.
    fn advance(&mut self, day: i64) -> Option<(i64, Totals)> {
        let current = *self.day.get_or_insert(day);
        if day <= current {
            return None;
        }
        self.day = Some(day);
        let of_day = Totals {
            flights: self.now.flights.saturating_sub(self.before.flights),
            cancelled: self.now.cancelled.saturating_sub(self.before.cancelled),
        };
        self.before = self.now;
        Some((current, of_day))
    }

    /// Judges a day, and remembers its share.
    fn judge(&mut self, day: i64, of_day: Totals, flights_min: u64) -> Option<Anomaly> {
        let Totals { flights, cancelled } = of_day;
        if flights < flights_min.max(1) {
            return None;
        }
        let share = cancelled as f64 / flights as f64;
        let score = self.score(share);
        self.shares.push(share);
        if self.shares.len() > DAYS_MAX {
            self.shares.remove(0);
        }
        let (usual_share, score) = score.filter(|(_, score)| *score > SCORE_MAX)?;
        Some(Anomaly { day, flights, cancelled, share_cancelled: share, usual_share, score })
    }

    /// The usual share, and how far from it `share` is; nothing before enough days are known.
    fn score(&self, share: f64) -> Option<(f64, f64)> {
        if self.shares.len() < DAYS_MIN {
            return None;
        }
        let usual = median(self.shares.clone());
        let deviations = self.shares.iter().map(|known| (known - usual).abs()).collect();
        Some((usual, NORMAL * (share - usual) / median(deviations).max(DEVIATION_MIN)))
    }
}

/// The median of at least one value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[cfg(test)]
mod tests;
