//! `std:count`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::Serialize;

use super::tell;
use crate::settings::Settings;

/// Counts the records of a key and window.
pub(crate) struct Count;

#[derive(Serialize)]
struct Counted {
    count: u64,
}

impl Aggregate for Count {
    type Accumulator = u64;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("count")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        Ok(Self)
    }

    fn add(&self, count: &mut u64, _: &Record<'_>) -> Result<()> {
        *count += 1;
        Ok(())
    }

    fn merge(&self, count: &mut u64, other: u64) -> Result<()> {
        *count += other;
        Ok(())
    }

    fn finish(&mut self, window: &Fired<'_>, count: u64, ctx: &mut Context<'_>) -> Result<()> {
        tell(window, Counted { count }, ctx)
    }
}
