//! `std:flatten`.

use pelton_sdk::prelude::*;
use serde_json::{Map, Value};

use super::send;
use crate::field::{Field, pointer};
use crate::settings::Settings;

/// Makes nested objects flat, or a list into a record for each element.
pub(crate) struct Flatten {
    each: Option<Field>,
    separator: String,
}

impl Flatten {
    fn put(&self, name: &str, value: Value, flat: &mut Map<String, Value>) -> Result<()> {
        let within = |inner: &str| format!("{name}{}{inner}", self.separator);
        match value {
            Value::Object(fields) if !fields.is_empty() => fields
                .into_iter()
                .try_for_each(|(inner, value)| self.put(&within(&inner), value, flat)),
            value => match flat.insert(name.to_owned(), value) {
                None => Ok(()),
                Some(_) => Err(Error::reject(format!("two fields are called {name} when flat"))),
            },
        }
    }
}

impl Process for Flatten {
    fn open(_: &mut Setup<'_>) -> Result<Self> {
        let settings = Settings::of("flatten")?;
        let separator = settings.get("separator", |text| Some(text.to_owned()))?;
        let missing = settings.missing()?;
        let each = settings.read("each", pointer)?.map(|pointer| Field { pointer, missing });
        Ok(Self { each, separator })
    }

    fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> Result<()> {
        let Some(each) = &self.each else {
            let mut flat = Map::new();
            return match record.json()? {
                Value::Object(fields) => {
                    fields
                        .into_iter()
                        .try_for_each(|(name, value)| self.put(&name, value, &mut flat))?;
                    send(record, Value::Object(flat), ctx)
                }
                _ => ctx.reject("the value is no JSON object"),
            };
        };
        match each.value(record)? {
            Some(Value::Array(elements)) => {
                elements.into_iter().try_for_each(|element| send(record, element, ctx))
            }
            Some(_) => ctx.reject(format!("the field {} is no list", each.pointer)),
            None => Ok(()),
        }
    }
}
