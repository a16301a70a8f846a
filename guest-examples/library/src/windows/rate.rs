//! `std:rate`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::Serialize;

use super::tell;
use crate::settings::{Settings, fail};

/// Records per second, of all windows or of those beyond a limit.
pub(crate) struct Rate {
    above: Option<f64>,
    below: Option<f64>,
}

#[derive(Serialize)]
struct Told {
    count: u64,
    per_second: f64,
}

impl Aggregate for Rate {
    type Accumulator = u64;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("rate")?;
        settings.windows(setup, Windows::tumbling(Duration::from_mins(1)))?;
        let (above, below) = (settings.limit("above")?, settings.limit("below")?);
        if let (Some(above), Some(below)) = (above, below)
            && below > above
        {
            return fail(format!("`below` ({below}) is larger than `above` ({above})"));
        }
        Ok(Self { above, below })
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
        if window.end() == i64::MAX || window.start() == i64::MIN {
            return ctx.reject("a window without an end has no rate: set `size` in [window]");
        }
        let seconds = window.end().abs_diff(window.start()) as f64 / 1_000.0;
        let per_second = count as f64 / seconds;
        let is_free = self.above.is_none() && self.below.is_none();
        let is_beyond = self.above.is_some_and(|limit| per_second > limit)
            || self.below.is_some_and(|limit| per_second < limit);
        if is_free || is_beyond { tell(window, Told { count, per_second }, ctx) } else { Ok(()) }
    }
}
