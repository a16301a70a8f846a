//! `std:mask`.

use pelton_sdk::prelude::*;
use serde_json::Value;

use super::send;
use crate::field::pointer;
use crate::settings::Settings;

/// Replaces fields by a text. A record without one of them passes as it is: nothing is to be hidden.
pub(crate) struct Mask {
    fields: Vec<String>,
    text: String,
}

impl Process for Mask {
    fn open(_: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("mask")?;
        let fields = |text: &str| -> Option<Vec<_>> {
            text.split(',').map(|place| pointer(place.trim())).collect()
        };
        let text = settings.get("with", |text| Some(text.to_owned()))?;
        Ok(Self { fields: settings.get("fields", fields)?, text })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let mut value = record.json::<Value>()?;
        for place in &self.fields {
            if let Some(found) = value.pointer_mut(place) {
                *found = Value::String(self.text.clone());
            }
        }
        send(record, value, ctx)
    }
}
