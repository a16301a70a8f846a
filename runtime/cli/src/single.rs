//! The environment of a single call: no state, and logs on stderr.

use pelton_batch::{Batch, Kind, RecordsBuilder};
use pelton_core::{Environment, Fault, FaultKind, LogLevel};
use pelton_engine::Settings;

use crate::ui::Ui;

/// What a function finds that is called once, by hand.
pub(crate) struct SingleCall {
    settings: Settings,
    time_ms: i64,
}

impl SingleCall {
    /// The environment of a call whose record has this timestamp.
    pub(crate) fn new(settings: Settings, time_ms: i64) -> Self {
        Self { settings, time_ms }
    }
}

impl Environment for SingleCall {
    fn get_many(&self, _: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        let rows = Batch::parse(keys).map(|batch| batch.rows());
        let rows = rows.map_err(|error| Fault::new(FaultKind::Malformed, error.to_string()))?;
        let mut values = RecordsBuilder::new();
        for _ in 0..rows {
            values.push(None, None, 0);
        }
        Ok(values.finish_as(Kind::Values))
    }

    fn scan(&self, _: u16, _: &[u8], _: Option<&[u8]>, _: u32, _: bool) -> Result<Vec<u8>, Fault> {
        Ok(RecordsBuilder::new().finish_as(Kind::Entries))
    }

    fn now(&self, _: u32) -> i64 {
        self.time_ms
    }

    fn watermark(&self) -> i64 {
        self.time_ms
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        pelton_engine::random(0, u64::from(row), draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.settings.entries.get(name).cloned()
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.settings.entries.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.settings.secrets.get(name).cloned()
    }

    fn log(&self, level: LogLevel, message: &str) {
        Ui::log(&format!("{}: {message}", format!("{level:?}").to_lowercase()));
    }

    fn counter(&self, name: &str, amount: f64) {
        Ui::log(&format!("metric: {name} +{amount}"));
    }

    fn gauge(&self, name: &str, value: f64) {
        Ui::log(&format!("metric: {name} = {value}"));
    }
}
