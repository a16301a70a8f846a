//! `std:lookup`.

use core::time::Duration;

use pelton_sdk::{
    Context, Function, Json, Looked, Lookup, OUT, Result, Setup, lookup_by, lookup_with,
};
use serde_json::Value;

use super::sides::Sides;
use crate::field::pointer;
use crate::settings::Settings;

/// Joins each record with what a table said about its key at its time.
pub(super) fn open(setup: &Setup<'_>) -> Result<Box<dyn Function>> {
    let settings = Settings::of("lookup")?;
    let [records, table] = super::inputs(settings, setup, ["records", "table"])?;
    let keep = Duration::from_millis(settings.number("keep-ms", 0, u64::MAX)?);
    let lookup = Lookup::of(&records, &table).keep(keep);
    let is_inner = settings.get("kind", |text| match text {
        "inner" => Some(true),
        "left" => Some(false),
        _ => None,
    })?;
    let sides = Sides::of(settings, ["record", "table"])?;
    let joined = move |record, said: Option<Value>, of: &Looked<'_>, ctx: &mut Context<'_>| {
        if is_inner && said.is_none() {
            return Ok(());
        }
        let value = sides.value(Some(record), said)?;
        OUT.emit(ctx, of.key(), Json(value))
    };
    let Some(place) = settings.read("key", pointer)? else {
        return Ok(Box::new(lookup_with(lookup, joined)));
    };
    let key = move |value: &Value| {
        let found = value.pointer(&place).filter(|found| !found.is_null());
        found.map(crate::records::key_of).unwrap_or_default()
    };
    Ok(Box::new(lookup_by(lookup, key, joined)))
}
