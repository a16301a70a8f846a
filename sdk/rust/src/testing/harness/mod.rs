//! The harness.

mod drive;
mod observe;
mod task;

use std::sync::Arc;

use pelton_core::{Declaration, EventTime, ManualClock};
use pelton_engine::memory::MemoryLog;
use pelton_engine::{Peers, Settings, Task};

use super::observed::Lines;
use crate::function::Function;

type Make = Arc<dyn Fn() -> Box<dyn Function> + Send + Sync>;

/// Runs a function over records that a test pushes, with a clock and a watermark that a test
/// controls.
///
/// Settings come first ([`Harness::config`], [`Harness::input`], ...), then records; what is
/// observed ([`Harness::outputs`], [`Harness::stored`], ...) is as after all records that were
/// pushed. Records that a function rejects go to the dead letters. A retry moves the clock.
///
/// # Panics
/// The methods panic where the function cannot be opened, a topic or store is not declared, or the
/// engine reports an error: a test is to fail then.
pub struct Harness {
    make: Make,
    inputs: Vec<String>,
    settings: Settings,
    out_of_orderness_ms: i64,
    event_time: Option<EventTime>,
    batch_records: Option<u64>,
    fresh: bool,
    clock: Arc<ManualClock>,
    log: MemoryLog,
    peers: Peers,
    lines: Arc<Lines>,
    running: Option<(Task, Declaration)>,
    /// What a swap has replaced, as long as it may come back, and why the last one did.
    before: Option<(Make, Declaration)>,
    swap_failed: Option<String>,
}

impl Harness {
    /// A harness for the function that `make` makes: the `function` that the macros of this crate
    /// define. It has one input, called `in`.
    #[must_use]
    pub fn new(make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            inputs: Vec::new(),
            settings: Settings::default(),
            out_of_orderness_ms: 0,
            event_time: None,
            batch_records: None,
            fresh: false,
            clock: Arc::new(ManualClock::new(0)),
            log: MemoryLog::new(),
            peers: Peers::new(2),
            lines: Arc::default(),
            running: None,
            before: None,
            swap_failed: None,
        }
    }

    /// Adds an input of this name. The first one takes the place of `in`.
    #[must_use]
    pub fn input(mut self, name: &str) -> Self {
        self.inputs.push(name.to_owned());
        self
    }

    /// Sets a configuration entry.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.settings.entries.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a secret.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.settings.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How far behind the newest a record may be, ms, before it counts as late; 0 by default.
    #[must_use]
    pub fn out_of_orderness_ms(mut self, ms: i64) -> Self {
        self.out_of_orderness_ms = ms;
        self
    }

    /// Takes the time of records from a field, as `event_time` and `event_time_format` of an input do in
    /// `pelton.toml`: a JSON pointer into the value or `header:NAME`; `auto`, `ms`, `s`, `rfc3339` or a
    /// pattern. By default records happened at their timestamps, or where the function says that they did
    /// ([`event_time`](crate::event_time())).
    ///
    /// # Panics
    /// Where that is no field or no format.
    #[must_use]
    pub fn event_time(mut self, field: &str, format: &str) -> Self {
        let field = field.parse().unwrap_or_else(|error| panic!("{error}"));
        let format = format.parse().unwrap_or_else(|error| panic!("{format:?}: {error}"));
        self.event_time = Some(EventTime { field, format });
        self
    }

    /// Calls the function with at most this many records. What it does must not depend on it.
    #[must_use]
    pub fn batch(mut self, records: u64) -> Self {
        self.batch_records = Some(records);
        self
    }

    /// Opens a fresh instance for each call, which takes up what the last one saved. What the
    /// function does must not depend on it.
    #[must_use]
    pub fn fresh_instances(mut self) -> Self {
        self.fresh = true;
        self
    }
}
