//! A field of a record's JSON value.

use pelton_sdk::{Error, Record, Result};
use serde_json::Value;

/// What becomes of a record that has no such field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Reject,
    Skip,
}

/// A place in a JSON value.
pub(crate) struct Field {
    /// A JSON pointer (RFC 6901).
    pub(crate) pointer: String,
    pub(crate) missing: Missing,
}

/// A text that is a JSON pointer: empty for the whole value, else `/` in front of each name.
pub(crate) fn pointer(text: &str) -> Option<String> {
    (text.is_empty() || text.starts_with('/')).then(|| text.to_owned())
}

impl Field {
    /// What is there; `None` where there is nothing and such records are passed over.
    pub(crate) fn value(&self, record: &Record<'_>) -> Result<Option<Value>> {
        self.or_missing(record.json::<Value>().and_then(|mut value| {
            match value.pointer_mut(&self.pointer).map(Value::take) {
                Some(found) if !found.is_null() => Ok(found),
                _ => Err(Error::reject(format!("the value has no field {}", self.pointer))),
            }
        }))
    }

    /// The finite number that is there.
    pub(crate) fn number(&self, record: &Record<'_>) -> Result<Option<f64>> {
        let Some(value) = self.value(record)? else { return Ok(None) };
        let number = value.as_f64().filter(|number| number.is_finite());
        self.or_missing(
            number.ok_or_else(|| Error::reject(format!("the field {} is no number", self.pointer))),
        )
    }

    fn or_missing<T>(&self, found: Result<T>) -> Result<Option<T>> {
        match (found, self.missing) {
            (Ok(found), _) => Ok(Some(found)),
            (Err(_), Missing::Skip) => Ok(None),
            (Err(error), Missing::Reject) => Err(error),
        }
    }
}
