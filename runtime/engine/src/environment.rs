//! What a guest may ask for during a call.

use std::sync::Arc;

use pelton_batch::Batch;
use pelton_core::{Environment, Fault, FaultKind, LogLevel};
use pelton_state::{DueTimer, TaskState};

use crate::call::{PaneGroup, Work};
use crate::config::TaskConfig;
use crate::migrate::OldReads;
use crate::random::{random, seed};
use crate::reads::Reads;
use crate::slice::Slice;
use crate::telemetry::Telemetry;

/// The environment of one call. It holds the task's state only as long as the call.
pub(crate) struct TaskEnvironment {
    pub(crate) config: Arc<TaskConfig>,
    pub(crate) state: Arc<TaskState>,
    pub(crate) telemetry: Arc<dyn Telemetry>,
    pub(crate) slice: Slice,
    pub(crate) time_ms: i64,
    pub(crate) watermark: i64,
    /// Windows or timers, where the call is about those.
    pub(crate) units: Units,
    pub(crate) old_reads: Arc<OldReads>,
    pub(crate) reads: Option<Arc<Reads>>,
}

/// What the rows of a call without records stand for.
pub(crate) enum Units {
    None,
    Panes(Vec<PaneGroup>),
    Timers(Vec<DueTimer>),
}

impl Units {
    pub(crate) fn of(work: &Work) -> Self {
        match work {
            Work::Fire { panes, .. } => Self::Panes(panes.clone()),
            Work::Timers(_, timers) => Self::Timers(timers.clone()),
            _ => Self::None,
        }
    }

    /// Key and time of a unit.
    fn get(&self, row: usize) -> Option<(&[u8], i64)> {
        match self {
            Self::None => None,
            Self::Panes(panes) => {
                panes.get(row).map(|pane| (pane.key.as_deref().unwrap_or_default(), pane.time))
            }
            Self::Timers(timers) => {
                let timer = timers.get(row);
                timer.map(|timer| (timer.key.as_deref().unwrap_or_default(), timer.due))
            }
        }
    }
}

impl Environment for TaskEnvironment {
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        let malformed = |error: pelton_batch::FormatError| {
            Fault::new(FaultKind::Malformed, format!("keys of a multi-get: {error}"))
        };
        let batch = Batch::parse(keys).map_err(malformed)?;
        batch.validate().map_err(malformed)?;
        let keys = batch.records().map_err(malformed)?;
        let values = self.state.get_many(store, &keys).map_err(state_fault)?;
        self.old_reads.note(&self.state, store, &keys);
        if let Some(reads) = &self.reads {
            reads.note(store, &keys);
        }
        Ok(values)
    }

    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, Fault> {
        let entries = self.state.scan(store, start, end, limit as usize, reverse);
        let entries = entries.map_err(state_fault)?;
        self.old_reads.note_entries(&self.state, store, &entries);
        if let Some(reads) = &self.reads {
            reads.note_entries(store, &entries);
        }
        Ok(entries)
    }

    fn now(&self, row: u32) -> i64 {
        let unit = || self.units.get(row as usize).map(|(_, time)| time);
        self.slice.timestamp(row as usize).or_else(unit).unwrap_or(self.time_ms)
    }

    fn watermark(&self) -> i64 {
        self.watermark
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        match self.slice.locate(row as usize) {
            Some((piece, at)) => {
                let seed = input_seed(&self.config, piece.input);
                random(seed, piece.fetch.offsets.get(at), draw)
            }
            None => {
                let partition = self.config.id.partition.to_le_bytes();
                let (key, time) = self.units.get(row as usize).unwrap_or_default();
                let function = self.config.id.function.to_string();
                let seed = seed(&[function.as_bytes(), b"unit", &partition, key]);
                random(seed, time as u64, draw)
            }
        }
    }

    fn config(&self, name: &str) -> Option<String> {
        self.config.settings.entries.get(name).cloned()
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        self.config.settings.entries.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn secret(&self, name: &str) -> Option<String> {
        self.config.settings.secrets.get(name).cloned()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.telemetry.log(&self.config.id, level, message);
    }

    fn counter(&self, name: &str, amount: f64) {
        self.telemetry.counter(&self.config.id, name, amount);
    }

    fn gauge(&self, name: &str, value: f64) {
        self.telemetry.gauge(&self.config.id, name, value);
    }
}

/// The seed of the random numbers of the records of an input.
pub(crate) fn input_seed(config: &TaskConfig, input: usize) -> u64 {
    let input = &config.inputs[input].partition;
    seed(&[
        config.id.function.to_string().as_bytes(),
        input.cluster.as_bytes(),
        input.topic.to_string().as_bytes(),
        &input.partition.to_le_bytes(),
    ])
}

/// A state error as a fault of the guest.
pub(crate) fn state_fault(error: pelton_state::StateError) -> Fault {
    Fault::new(error.fault_kind(), error.to_string())
}
