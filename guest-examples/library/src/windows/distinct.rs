//! `std:distinct`.

use std::collections::BTreeSet;
use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use super::tell;
use crate::field::Field;
use crate::settings::Settings;
use crate::sketch::{HyperLogLog, hash};

/// How many different values a field has.
pub(crate) struct Distinct {
    field: Field,
    /// Of the sketch; `None`: all values are kept.
    precision: Option<u32>,
}

/// The values, or a sketch of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Values {
    exact: BTreeSet<String>,
    sketch: HyperLogLog,
}

#[derive(Serialize)]
struct Counted {
    distinct: u64,
}

impl Aggregate for Distinct {
    type Accumulator = Values;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("distinct")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        let sketches = settings.get("method", |text| match text {
            "exact" => Some(false),
            "hyperloglog" => Some(true),
            _ => None,
        })?;
        let precision = settings.number("precision", 4, 16)?;
        Ok(Self { field: settings.field()?, precision: sketches.then_some(precision) })
    }

    fn add(&self, values: &mut Values, record: &Record<'_>) -> Result<()> {
        let Some(value) = self.field.value(record)? else { return Ok(()) };
        let text = value.to_string();
        match self.precision {
            Some(precision) => values.sketch.add(hash(text.as_bytes()), precision),
            None => drop(values.exact.insert(text)),
        }
        Ok(())
    }

    fn merge(&self, values: &mut Values, other: Values) -> Result<()> {
        values.exact.extend(other.exact);
        values.sketch.merge(&other.sketch);
        Ok(())
    }

    fn finish(&mut self, window: &Fired<'_>, values: Values, ctx: &mut Context<'_>) -> Result<()> {
        let distinct = match self.precision {
            Some(_) => values.sketch.estimate(),
            None => values.exact.len() as u64,
        };
        tell(window, Counted { distinct }, ctx)
    }
}
