//! `std:session`.

use std::time::Duration;

use pelton_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Sessions of a key: from when to when, and of how many records.
pub(crate) struct Session;

/// What is known of a session.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Span {
    first: i64,
    last: i64,
    count: u64,
}

#[derive(Serialize)]
struct Told {
    first: i64,
    last: i64,
    duration_ms: u64,
    count: u64,
}

impl Aggregate for Session {
    type Accumulator = Span;

    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("session")?;
        settings.windows(setup, Windows::session(Duration::from_mins(30)))?;
        Ok(Self)
    }

    fn add(&self, span: &mut Span, record: &Record<'_>) -> Result<()> {
        let time = record.timestamp();
        self.merge(span, Span { first: time, last: time, count: 1 })
    }

    fn merge(&self, span: &mut Span, other: Span) -> Result<()> {
        *span = match span.count {
            0 => other,
            count => Span {
                first: span.first.min(other.first),
                last: span.last.max(other.last),
                count: count + other.count,
            },
        };
        Ok(())
    }

    fn finish(&mut self, window: &Fired<'_>, span: Span, ctx: &mut Context<'_>) -> Result<()> {
        let Span { first, last, count } = span;
        let told = Told { first, last, duration_ms: last.abs_diff(first), count };
        OUT.emit(ctx, window.key(), Json(told))
    }
}
