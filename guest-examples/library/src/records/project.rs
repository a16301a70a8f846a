//! `std:project`.

use pelton_sdk::prelude::*;
use serde_json::{Map, Value};

use super::key_of;
use crate::field::{Missing, pointer};
use crate::settings::Settings;

/// Keeps some fields, by other names and under another key where that is asked for.
pub(crate) struct Project {
    /// New name and JSON pointer of each.
    fields: Vec<(String, String)>,
    key: Option<String>,
    missing: Missing,
}

/// `carrier=/carrier,delay=/departure/delay`; without a name, the last one of the pointer.
fn fields(text: &str) -> Option<Vec<(String, String)>> {
    let one = |text: &str| {
        let (name, place) = match text.trim().split_once('=') {
            Some((name, place)) => (name.trim(), place.trim()),
            None => (text.trim().rsplit('/').next()?, text.trim()),
        };
        (!name.is_empty()).then(|| Some((name.to_owned(), pointer(place)?)))?
    };
    text.split(',').map(one).collect()
}

impl Process for Project {
    fn open(_: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("project")?;
        let (fields, key) = (settings.get("fields", fields)?, settings.read("key", pointer)?);
        Ok(Self { fields, key, missing: settings.missing()? })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let value = record.json::<Value>()?;
        let mut kept = Map::new();
        for (name, place) in &self.fields {
            match (value.pointer(place), self.missing) {
                (Some(found), _) => drop(kept.insert(name.clone(), found.clone())),
                (None, Missing::Skip) => {}
                (None, Missing::Reject) => {
                    return ctx.reject(format!("the value has no field {place}"));
                }
            }
        }
        let new_key = match &self.key {
            None => return super::send(record, Value::Object(kept), ctx),
            Some(place) => value.pointer(place).filter(|found| !found.is_null()),
        };
        match new_key {
            Some(key) => {
                OUT.draft().headers_of(record).emit(ctx, &*key_of(key), Json(Value::Object(kept)))
            }
            None => ctx.reject("the value has no field that the configuration entry `key` names"),
        }
    }
}
