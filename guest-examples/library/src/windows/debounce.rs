//! `std:debounce`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Passes the last record of each session.
pub(crate) struct Debounce;

/// The last record so far.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Last {
    timestamp: i64,
    value: Option<Vec<u8>>,
}

impl Aggregate for Debounce {
    type Accumulator = Option<Last>;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("debounce")?;
        let quiet = Duration::from_millis(settings.number("quiet-ms", 1, i64::MAX as u64)?);
        settings.windows(setup, Windows::session(quiet))?;
        Ok(Self)
    }

    fn add(&self, last: &mut Option<Last>, record: &Record<'_>) -> Result<()> {
        let value = record.value().map(<[u8]>::to_vec);
        self.merge(last, Some(Last { timestamp: record.timestamp(), value }))
    }

    fn merge(&self, last: &mut Option<Last>, other: Option<Last>) -> Result<()> {
        let time = |last: &Option<Last>| last.as_ref().map(|last| last.timestamp);
        if time(&other) >= time(last) {
            *last = other;
        }
        Ok(())
    }

    fn finish(
        &mut self,
        window: &Fired<'_>,
        last: Option<Last>,
        ctx: &mut Context<'_>,
    ) -> Result<()> {
        let Some(Last { timestamp, value }) = last else { return Ok(()) };
        match value {
            Some(value) => OUT.draft().timestamp(timestamp).emit(ctx, window.key(), value),
            None => OUT.draft().timestamp(timestamp).emit(ctx, window.key(), Null),
        }
    }
}
