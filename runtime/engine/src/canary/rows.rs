//! The environment of a call that has a part of the rows of another.

use std::sync::Arc;

use pelton_core::{Environment, Fault, LogLevel, SharedEnvironment};

use crate::config::Settings;

/// What a version sees that is given the rows `rows` of a call.
pub(super) struct RowsEnvironment {
    pub(super) whole: SharedEnvironment,
    pub(super) rows: Arc<[u32]>,
    /// Configuration and secrets, where they are not those of the whole call.
    pub(super) settings: Option<Arc<Settings>>,
}

impl RowsEnvironment {
    fn row(&self, row: u32) -> u32 {
        self.rows.get(row as usize).copied().unwrap_or(row)
    }
}

impl Environment for RowsEnvironment {
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        self.whole.get_many(store, keys)
    }

    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, Fault> {
        self.whole.scan(store, start, end, limit, reverse)
    }

    fn now(&self, row: u32) -> i64 {
        self.whole.now(self.row(row))
    }

    fn watermark(&self) -> i64 {
        self.whole.watermark()
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        self.whole.random(self.row(row), draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        match &self.settings {
            Some(settings) => settings.entries.get(name).cloned(),
            None => self.whole.config(name),
        }
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        match &self.settings {
            Some(settings) => {
                settings.entries.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
            }
            None => self.whole.config_entries(),
        }
    }

    fn secret(&self, name: &str) -> Option<String> {
        match &self.settings {
            Some(settings) => settings.secrets.get(name).cloned(),
            None => self.whole.secret(name),
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.whole.log(level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.whole.counter(name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.whole.gauge(name, value);
    }
}
