//! `std:rekey`.

use pelton_sdk::prelude::*;
use serde_json::Value;

use super::key_of;
use crate::field::pointer;
use crate::settings::Settings;

/// Sends records under another key, as they are.
pub(crate) struct Rekey {
    key: String,
}

impl Process for Rekey {
    fn open(_: &mut Setup<'_>) -> Result<Self> {
        Ok(Self { key: Settings::of("rekey")?.get("key", pointer)? })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let value = record.json::<Value>()?;
        match value.pointer(&self.key).filter(|found| !found.is_null()) {
            Some(key) => OUT.draft().headers_of(record).emit(ctx, &*key_of(key), record.value()),
            None => ctx.reject(format!("the value has no field {}", self.key)),
        }
    }
}
