//! An environment that answers by rule and remembers what it was asked.

use std::sync::Mutex;

use pelton_core::{Environment, Fault, FaultKind, LogLevel};

#[derive(Default)]
pub(crate) struct Recorder {
    pub lines: Mutex<Vec<(LogLevel, String)>>,
    pub asked: Mutex<Vec<String>>,
}

impl Recorder {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

impl Environment for Recorder {
    /// The keys reversed; store 9 is a fault.
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        self.note(format!("get-many {store} {keys:?}"));
        if store == 9 {
            return Err(Fault::new(FaultKind::UnknownTarget, "there is no store 9"));
        }
        Ok(keys.iter().rev().copied().collect())
    }

    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, Fault> {
        self.note(format!("scan {store} {start:?} {end:?} {limit} {reverse}"));
        Ok(b"entries".to_vec())
    }

    fn now(&self, row: u32) -> i64 {
        1_000 + i64::from(row)
    }

    fn watermark(&self) -> i64 {
        -5
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        u64::from(row) << 32 | u64::from(draw)
    }

    fn config(&self, name: &str) -> Option<String> {
        (name == "known").then(|| "value".into())
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        vec![("known".into(), "value".into())]
    }

    fn secret(&self, name: &str) -> Option<String> {
        (name == "token").then(|| "s3cret".into())
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.lines.lock().unwrap().push((level, message.into()));
    }

    fn counter(&self, name: &str, amount: f64) {
        self.note(format!("add {name} {amount}"));
    }

    fn gauge(&self, name: &str, value: f64) {
        self.note(format!("set {name} {value}"));
    }
}
