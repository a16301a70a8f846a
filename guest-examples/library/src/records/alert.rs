//! `std:alert`.

use pelton_sdk::prelude::*;
use serde::Serialize;

use crate::field::Field;
use crate::settings::{Settings, fail};

/// Tells when a number of a key passes a limit, and when it is back.
pub(crate) struct Alert {
    /// Keys whose alert is on.
    on: Store<Vec<u8>, bool>,
    field: Field,
    above: Option<f64>,
    below: Option<f64>,
    margin: f64,
}

#[derive(Serialize)]
struct Told {
    state: &'static str,
    value: f64,
}

impl Alert {
    /// Whether the number is beyond a limit, which is moved inwards by `margin`.
    fn is_beyond(&self, number: f64, margin: f64) -> bool {
        self.above.is_some_and(|limit| number > limit - margin)
            || self.below.is_some_and(|limit| number < limit + margin)
    }
}

impl Process for Alert {
    fn open(setup: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("alert")?;
        let (above, below) = (settings.limit("above")?, settings.limit("below")?);
        if above.is_none() && below.is_none() {
            return fail("std:alert needs the configuration entry `above` or `below`".to_owned());
        }
        let margin = settings.number("margin", 0.0, f64::MAX)?;
        Ok(Self { on: setup.store("on"), field: settings.field()?, above, below, margin })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let Some(value) = self.field.number(record)? else { return Ok(()) };
        let key = record.key_bytes();
        let was_on = self.on.contains(ctx, key)?;
        let is_on = self.is_beyond(value, if was_on { self.margin } else { 0.0 });
        let state = match (was_on, is_on) {
            (false, true) => "on",
            (true, false) => "off",
            _ => return Ok(()),
        };
        if is_on {
            self.on.put(ctx, key, true)
        } else {
            self.on.delete(ctx, key)
        }
        OUT.emit(ctx, record.key(), Json(Told { state, value }))
    }
}
