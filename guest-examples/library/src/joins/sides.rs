//! What is sent of two values that belong together.

use pelton_sdk::{Error, Result};
use serde_json::{Map, Value};

use crate::settings::Settings;

/// How two values become one.
pub(super) enum Sides {
    /// The fields of both in one object; those of the second have this in front of their names.
    Merged(String),
    /// Each under the name of its side, null for none.
    Apart([&'static str; 2]),
}

impl Sides {
    pub(super) fn of(settings: Settings, names: [&'static str; 2]) -> Result<Self> {
        let prefix = settings.text("prefix").unwrap_or_default();
        settings.get("value", |text| match text {
            "merged" => Some(Self::Merged(prefix)),
            "apart" => Some(Self::Apart(names)),
            _ => None,
        })
    }

    /// # Errors
    /// Where fields are to be merged, and a value is no object.
    pub(super) fn value(&self, first: Option<Value>, second: Option<Value>) -> Result<Value> {
        match self {
            Self::Apart([one, other]) => {
                let side = |value: Option<Value>| value.unwrap_or(Value::Null);
                let sides = [(*one, side(first)), (*other, side(second))];
                Ok(sides.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }
            Self::Merged(prefix) => {
                let mut fields = object(first)?;
                let added = object(second)?.into_iter();
                fields.extend(added.map(|(name, value)| (format!("{prefix}{name}"), value)));
                Ok(Value::Object(fields))
            }
        }
    }
}

fn object(value: Option<Value>) -> Result<Map<String, Value>> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(Error::reject(
            "the value is no JSON object, whose fields could be merged: see `value`",
        )),
    }
}
