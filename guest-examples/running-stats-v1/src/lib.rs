//! `running-stats` as it was in its first version: count, sum, mean, smallest and largest of each key,
//! in a store without versions. The version after it takes its state over.

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

struct RunningStats {
    stats: Store<String, Stats>,
}

impl Process for RunningStats {
    fn open(setup: &mut Setup) -> Result<Self> {
        Ok(Self { stats: setup.store("stats") })
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

/// What is known of a key.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stats {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
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
}

impl Stats {
    fn add(&mut self, number: f64) {
        let first = self.count == 0;
        self.count += 1;
        self.sum += number;
        self.min = if first { number } else { self.min.min(number) };
        self.max = if first { number } else { self.max.max(number) };
    }

    fn summary(&self) -> Summary {
        let Self { count, sum, min, max } = *self;
        Summary { count, sum, mean: sum / count as f64, min, max }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;
    use pelton_sdk::testing::Harness;

    #[test]
    fn statistics_run_by_key() {
        let plain = || Harness::new(crate::function);
        for mut test in [plain(), plain().batch(1).fresh_instances()] {
            test.push("a", "1", 1);
            test.push("b", "7", 2);
            test.push("a", "3", 3);
            let last = test.outputs("out")[2].json::<Summary>();
            assert_eq!(last, Summary { count: 2, sum: 4.0, mean: 2.0, min: 1.0, max: 3.0 });
        }
    }
}
