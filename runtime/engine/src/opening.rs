//! The environment in which a function is opened for the first time, before it has a task.

use std::sync::Arc;

use pelton_core::{Environment, Fault, FaultKind, LogLevel, TaskId};

use crate::config::Settings;
use crate::telemetry::Telemetry;

/// Gives configuration and takes logs; there is no state and no record yet.
pub struct OpenEnvironment {
    /// Who the log lines are of.
    pub task: TaskId,
    /// Configuration and secrets.
    pub settings: Settings,
    /// Where log lines and metrics go.
    pub telemetry: Arc<dyn Telemetry>,
    /// The recorded time, ms.
    pub time_ms: i64,
}

fn no_state() -> Fault {
    Fault::new(FaultKind::Open, "state cannot be read while the function is opened")
}

impl Environment for OpenEnvironment {
    fn get_many(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, Fault> {
        Err(no_state())
    }

    fn scan(&self, _: u16, _: &[u8], _: Option<&[u8]>, _: u32, _: bool) -> Result<Vec<u8>, Fault> {
        Err(no_state())
    }

    fn now(&self, _: u32) -> i64 {
        self.time_ms
    }

    fn watermark(&self) -> i64 {
        i64::MIN
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        crate::random::random(0, u64::from(row), draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        self.settings.entries.get(name).cloned()
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.settings.entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.settings.secrets.get(name).cloned()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.telemetry.log(&self.task, level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.telemetry.counter(&self.task, name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.telemetry.gauge(&self.task, name, value);
    }
}
