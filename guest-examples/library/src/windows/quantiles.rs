//! `std:quantiles`.

use std::collections::BTreeMap;
use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::Serialize;

use super::tell;
use crate::field::Field;
use crate::settings::Settings;
use crate::sketch::DdSketch;

/// Quantiles of a number, by a sketch.
pub(crate) struct Quantiles {
    field: Field,
    /// As they were written, and the share that each is.
    shares: Vec<(String, f64)>,
    accuracy: f64,
}

#[derive(Serialize)]
struct Figures {
    count: u64,
    quantiles: BTreeMap<String, f64>,
}

/// `0.5,0.99` and the like.
fn shares(text: &str) -> Option<Vec<(String, f64)>> {
    let share = |text: &str| {
        let share: f64 = text.trim().parse().ok()?;
        (0.0..=1.0).contains(&share).then(|| (text.trim().to_owned(), share))
    };
    text.split(',').map(share).collect()
}

impl Aggregate for Quantiles {
    type Accumulator = DdSketch;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("quantiles")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        let shares = settings.get("quantiles", shares)?;
        let accuracy = settings.number("accuracy", 0.001, 0.1)?;
        Ok(Self { field: settings.field()?, shares, accuracy })
    }

    fn add(&self, sketch: &mut DdSketch, record: &Record<'_>) -> Result<()> {
        if let Some(number) = self.field.number(record)? {
            sketch.add(number, self.accuracy);
        }
        Ok(())
    }

    fn merge(&self, sketch: &mut DdSketch, other: DdSketch) -> Result<()> {
        sketch.merge(other);
        Ok(())
    }

    fn finish(
        &mut self,
        window: &Fired<'_>,
        sketch: DdSketch,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        let count = sketch.count();
        if count == 0 {
            return Ok(());
        }
        let quantile =
            |(name, share): &(String, f64)| (name.clone(), sketch.quantile(*share, self.accuracy));
        tell(window, Figures { count, quantiles: self.shares.iter().map(quantile).collect() }, ctx)
    }
}
