//! Running statistics for each key: count, sum, mean, smallest, largest and 95th percentile of the
//! numbers that are the records' values.
//!
//! Its first version (`running-stats-v1`) kept no histogram. This one takes over from it while it
//! runs: see [`StatsV0`].

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

struct RunningStats {
    stats: Store<String, Stats>,
}

impl Process for RunningStats {
    fn open(setup: &mut Setup) -> Result<Self> {
        let schema = Schema::version(1).migrate(0, |old: StatsV0| Stats::from(old));
        Ok(Self { stats: setup.store_with("stats", schema) })
    }

    fn record(&mut self, record: &Record, ctx: &mut Context) -> Result<()> {
        let (key, number) = (record.key_text()?, record.json::<f64>()?);
        let summary = self.stats.update(ctx, key, |stats| {
            stats.add(number);
            stats.summary()
        })?;
        OUT.emit(ctx, key, Json(summary))
    }
}

pelton_sdk::process!(RunningStats);

/// Upper bounds of the histogram's buckets; what is above the last falls into one more.
const BOUNDS: [f64; 16] = [
    -60.0, -30.0, -15.0, -5.0, 0.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 360.0,
    720.0,
];

/// What is known of a key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stats {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    histogram: [u64; BOUNDS.len() + 1],
}

/// What the first version kept.
#[derive(Debug, Deserialize)]
struct StatsV0 {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl From<StatsV0> for Stats {
    /// Where the old numbers lay is not known any more: all of them are taken for their mean, so that
    /// the percentile is right once there are enough new ones.
    fn from(StatsV0 { count, sum, min, max }: StatsV0) -> Self {
        let mut histogram = [0; BOUNDS.len() + 1];
        histogram[bucket(sum / count as f64)] = count;
        Self { count, sum, min, max, histogram }
    }
}

/// The bucket that a number falls into.
fn bucket(number: f64) -> usize {
    BOUNDS.partition_point(|bound| *bound < number)
}

/// What is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of records.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Their mean.
    pub mean: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The 95th percentile, to within a bucket of the histogram.
    pub p95: f64,
}

impl Stats {
    fn add(&mut self, number: f64) {
        let first = self.count == 0;
        self.count += 1;
        self.sum += number;
        self.min = if first { number } else { self.min.min(number) };
        self.max = if first { number } else { self.max.max(number) };
        self.histogram[bucket(number)] += 1;
    }

    fn summary(&self) -> Summary {
        let Self { count, sum, min, max, .. } = *self;
        Summary { count, sum, mean: sum / count as f64, min, max, p95: self.quantile(0.95) }
    }

    /// The upper bound of the bucket that holds the quantile, or the largest number where that is
    /// smaller.
    fn quantile(&self, quantile: f64) -> f64 {
        let rank = (quantile * self.count as f64).ceil() as u64;
        let mut seen = 0;
        let bucket = self.histogram.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        let bound = bucket.and_then(|bucket| BOUNDS.get(bucket)).copied();
        bound.unwrap_or(self.max).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use pelton_sdk::testing::Harness;

    #[test]
    fn statistics_run_by_key() {
        let mut test = Harness::new(crate::function);
        for number in 1..=100 {
            test.push("a", number.to_string(), number);
        }
        test.push("b", "-7.5", 101);
        test.push("b", "seven", 102);
        let out = test.outputs("out");
        let last = out[99].json::<Summary>();
        let expected =
            Summary { count: 100, sum: 5050.0, mean: 50.5, min: 1.0, max: 100.0, p95: 100.0 };
        assert_eq!(last, expected);
        let other = out[100].json::<Summary>();
        assert_eq!((other.count, other.mean, other.p95), (1, -7.5, -7.5));
        assert_eq!(test.rejected().len(), 1);
    }

    #[test]
    fn it_takes_over_from_its_first_version_in_the_middle() {
        let mut test = Harness::new(running_stats_v1::function);
        for (key, number) in [("a", "1"), ("a", "3"), ("quiet", "7")] {
            test.push(key, number, 1);
        }
        test.swap(crate::function);
        test.push("a", "100", 2);
        let last = test.outputs("out")[3].json::<Summary>();
        let expected =
            Summary { count: 3, sum: 104.0, mean: 104.0 / 3.0, min: 1.0, max: 100.0, p95: 100.0 };
        assert_eq!(last, expected);
        assert_eq!(test.unmigrated(), 0);
        let quiet: super::Stats = test.stored::<String, _>("stats", "quiet").unwrap();
        assert_eq!((quiet.count, quiet.summary().p95), (1, 7.0));
    }

    #[test]
    fn batches_and_fresh_instances_make_no_difference() {
        let run = |mut test: Harness| {
            for number in 0..50 {
                test.push(["a", "b", "c"][number % 3], (number * 7 % 11).to_string(), 0);
            }
            test.texts("out")
        };
        let all = run(Harness::new(crate::function));
        assert_eq!(run(Harness::new(crate::function).batch(1).fresh_instances()), all);
        assert_eq!(run(Harness::new(crate::function).batch(7)), all);
    }
}
