//! `std:anomaly`.

use pelton_sdk::prelude::*;
use serde::Serialize;

use crate::field::Field;
use crate::settings::{Settings, fail};

/// Makes the median deviation of normally distributed values their standard deviation.
const NORMAL: f64 = 0.6745;

/// Tells of numbers far from those that a key had before, by the robust z-score (Iglewicz and
/// Hoaglin, 1993).
pub(crate) struct Anomaly {
    known: Store<Vec<u8>, Vec<f64>>,
    field: Field,
    most: usize,
    least: usize,
    score: f64,
    deviation: f64,
}

#[derive(Serialize)]
struct Told {
    value: f64,
    median: f64,
    score: f64,
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

impl Anomaly {
    fn judge(&self, known: &[f64], value: f64) -> Option<Told> {
        if known.len() < self.least {
            return None;
        }
        let usual = median(known.to_vec());
        let deviation = median(known.iter().map(|known| (known - usual).abs()).collect());
        let score = NORMAL * (value - usual) / deviation.max(self.deviation);
        (score.abs() > self.score).then_some(Told { value, median: usual, score })
    }
}

impl Process for Anomaly {
    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("anomaly")?;
        let (most, least) =
            (settings.number("values", 3, 10_000)?, settings.number("least", 3, 10_000)?);
        if least > most {
            return fail(format!("`least` ({least}) is more than `values` ({most}) are kept"));
        }
        let score = settings.number("score", 0.0, f64::MAX)?;
        let deviation = settings.number("deviation", f64::MIN_POSITIVE, f64::MAX)?;
        let field = settings.field()?;
        Ok(Self { known: setup.store("known"), field, most, least, score, deviation })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let Some(value) = self.field.number(record)? else { return Ok(()) };
        let told = self.known.update(ctx, record.key_bytes(), |known| {
            let told = self.judge(known, value);
            known.push(value);
            let over = known.len().saturating_sub(self.most);
            known.drain(..over);
            told
        })?;
        told.map_or(Ok(()), |told| OUT.emit(ctx, record.key(), Json(told)))
    }
}
