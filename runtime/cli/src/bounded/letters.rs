//! Records that a function could not do.

use pelton_batch::Record;
use serde::Serialize;

use super::short;
use crate::input::Places;

/// A record that the function could not do.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DeadLetter {
    /// The code of the fault.
    pub code: String,
    /// What went wrong.
    pub message: String,
    /// Which record: topic, partition and offset, or key.
    pub place: String,
    /// Where it stood in the input of this run, `file:line`.
    pub input: Option<String>,
}

impl DeadLetter {
    pub(super) fn of(record: &Record<'_>, file: &str, places: &Places) -> Self {
        let text =
            |name| record.header(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let key = record.key().map(|key| String::from_utf8_lossy(key).into_owned());
        let (place, line) = match (text("pelton-topic"), text("pelton-offset")) {
            (Some(topic), Some(offset)) => {
                let partition = text("pelton-partition").unwrap_or_default();
                let numbers = partition.parse().ok().zip(offset.parse().ok());
                let line = numbers.and_then(|(number, at)| places.line(&topic, number, at));
                (format!("{}:{partition}:{offset}", short(&topic)), line)
            }
            _ => (format!("key {}", key.unwrap_or_else(|| "null".into())), None),
        };
        Self {
            code: text("pelton-code").unwrap_or_default(),
            message: text("pelton-message").unwrap_or_default(),
            place,
            input: line.map(|line| format!("{file}:{line}")),
        }
    }
}
