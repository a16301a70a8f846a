//! What a test observes of a function.

use std::sync::{Mutex, PoisonError};

use pelton_batch::Record;
use pelton_core::{Fault, LogLevel, TaskId};
use pelton_engine::Telemetry;
use serde::de::DeserializeOwned;

use crate::log::Level;

/// A record that a function has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The timestamp, ms since the Unix epoch.
    pub timestamp: i64,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Emitted {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let headers = record.headers();
        Self {
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: record.timestamp(),
            headers: headers.map(|h| (h.name.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
        }
    }

    /// The key as text; empty for none.
    #[must_use]
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value as text; empty for a tombstone.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The value, read as JSON.
    ///
    /// # Panics
    /// Where it is not the JSON of a `T`.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// The value of the first header of this name, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let header = self.headers.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(header.1.as_deref().unwrap_or_default()).into_owned())
    }
}

/// A record, window or timer that went to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// What the dead letter holds.
    pub record: Emitted,
    /// Why.
    pub reason: String,
}

/// A log line of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How grave it is.
    pub level: Level,
    /// The line.
    pub message: String,
}

/// Keeps the log lines of a function.
#[derive(Default)]
pub(super) struct Lines(Mutex<Vec<LogLine>>);

impl Lines {
    pub(super) fn all(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Telemetry for Lines {
    fn log(&self, _: &TaskId, level: LogLevel, message: &str) {
        let level = match level {
            LogLevel::Trace => Level::Trace,
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        let line = LogLine { level, message: message.to_owned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn counter(&self, _: &TaskId, _: &str, _: f64) {}

    fn gauge(&self, _: &TaskId, _: &str, _: f64) {}

    fn fault(&self, _: &TaskId, _: &Fault, _: usize) {}
}
