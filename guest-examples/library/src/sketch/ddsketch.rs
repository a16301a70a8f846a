//! Quantiles with a relative error (Masson, Rim, Lee: DDSketch, 2019): counts of values in buckets
//! whose bounds are powers of one number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many values lie in each bucket.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DdSketch {
    above: BTreeMap<i32, u64>,
    below: BTreeMap<i32, u64>,
    zeros: u64,
}

/// The ratio of a bucket's bounds.
fn ratio(accuracy: f64) -> f64 {
    (1.0 + accuracy) / (1.0 - accuracy)
}

fn bucket(size: f64, accuracy: f64) -> i32 {
    (size.ln() / ratio(accuracy).ln()).ceil() as i32
}

/// The number in the middle of a bucket: no value of it is further away than the accuracy says.
fn middle(bucket: i32, accuracy: f64) -> f64 {
    let ratio = ratio(accuracy);
    // Of the largest numbers the middle is beyond what there is.
    (2.0 / (ratio + 1.0) * (f64::from(bucket) * ratio.ln()).exp())
        .clamp(f64::MIN_POSITIVE, f64::MAX)
}

impl DdSketch {
    pub(crate) fn add(&mut self, value: f64, accuracy: f64) {
        let size = value.abs();
        if size < f64::MIN_POSITIVE {
            self.zeros += 1;
            return;
        }
        let side = if value > 0.0 { &mut self.above } else { &mut self.below };
        *side.entry(bucket(size, accuracy)).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (side, others) in [(&mut self.above, other.above), (&mut self.below, other.below)] {
            for (bucket, count) in others {
                *side.entry(bucket).or_default() += count;
            }
        }
        self.zeros += other.zeros;
    }

    pub(crate) fn count(&self) -> u64 {
        self.zeros + self.above.values().chain(self.below.values()).sum::<u64>()
    }

    /// The value of which this share of all is no larger; 0 of none.
    pub(crate) fn quantile(&self, share: f64, accuracy: f64) -> f64 {
        let rank = (share * (self.count().saturating_sub(1)) as f64).floor() as u64;
        let below = self.below.iter().rev().map(|(at, n)| (-middle(*at, accuracy), *n));
        let above = self.above.iter().map(|(at, n)| (middle(*at, accuracy), *n));
        let mut seen = 0;
        for (value, count) in below.chain([(0.0, self.zeros)]).chain(above) {
            seen += count;
            if seen > rank {
                return value;
            }
        }
        0.0
    }
}
