//! `std:stats`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::tell;
use crate::field::Field;
use crate::settings::Settings;

/// Count, sum, mean, least and largest of a number.
pub(crate) struct Stats(Field);

/// What is known of the numbers so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Numbers {
    count: u64,
    sum: f64,
    /// What `sum` has lost to rounding (Neumaier, 1974).
    lost: f64,
    min: f64,
    max: f64,
}

#[derive(Serialize)]
struct Figures {
    count: u64,
    sum: f64,
    mean: f64,
    min: f64,
    max: f64,
}

impl Numbers {
    fn add_to_sum(&mut self, number: f64) {
        let sum = self.sum + number;
        let (large, small) =
            if self.sum.abs() >= number.abs() { (self.sum, number) } else { (number, self.sum) };
        self.lost += (large - sum) + small;
        self.sum = sum;
    }

    fn add(&mut self, number: f64) {
        let first = self.count == 0;
        self.min = if first { number } else { self.min.min(number) };
        self.max = if first { number } else { self.max.max(number) };
        self.count += 1;
        self.add_to_sum(number);
    }

    fn merge(&mut self, other: Self) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { other } else { *self };
            return;
        }
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.lost += other.lost;
        self.add_to_sum(other.sum);
    }
}

impl Aggregate for Stats {
    type Accumulator = Numbers;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("stats")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        Ok(Self(settings.field()?))
    }

    fn add(&self, numbers: &mut Numbers, record: &Record<'_>) -> Result<()> {
        if let Some(number) = self.0.number(record)? {
            numbers.add(number);
        }
        Ok(())
    }

    fn merge(&self, numbers: &mut Numbers, other: Numbers) -> Result<()> {
        numbers.merge(other);
        Ok(())
    }

    fn finish(
        &mut self,
        window: &Fired<'_>,
        numbers: Numbers,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        let Numbers { count, sum, lost, min, max } = numbers;
        if count == 0 {
            return Ok(());
        }
        let sum = sum + lost;
        if !sum.is_finite() {
            return ctx.reject("the sum is larger than a number can be");
        }
        tell(window, Figures { count, sum, mean: sum / count as f64, min, max }, ctx)
    }
}
