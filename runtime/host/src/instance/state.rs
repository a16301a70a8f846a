//! What the host keeps beside each instance.

use std::borrow::Cow;
use std::cell::RefCell;

use pelton_core::{Fault, FaultKind, Limits, LogLevel, SharedEnvironment};

use crate::limiter::Limiter;
use crate::logs::LogBudget;
use crate::wasi::{Output, WasiState};

/// The data of a store.
pub(crate) struct HostState {
    environment: Option<SharedEnvironment>,
    pub(crate) limiter: Limiter,
    pub(crate) wasi: WasiState,
    logs: RefCell<LogBudget>,
    log_line_bytes: usize,
    /// What the guest said of a panic in this call: the trap that follows does not.
    panic: RefCell<Option<String>>,
}

/// How a panic of Rust begins, as its hook tells it; the message stands on the next line.
const PANICKED: &str = "panicked at ";

impl HostState {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            environment: None,
            limiter: Limiter::new(limits),
            wasi: WasiState::default(),
            logs: RefCell::new(LogBudget::new(limits)),
            log_line_bytes: limits.log_line_bytes.value as usize,
            panic: RefCell::default(),
        }
    }

    /// The environment of the call that runs.
    pub(crate) fn environment(&self) -> wasmtime::Result<&SharedEnvironment> {
        self.environment.as_ref().ok_or_else(|| {
            let text = "the guest called its host while no call was under way";
            wasmtime::Error::new(Fault::new(FaultKind::Host, text))
        })
    }

    /// Logs a line within the limits of the call.
    pub(crate) fn log(&self, level: LogLevel, text: &str) -> wasmtime::Result<()> {
        let environment = self.environment()?;
        let panicked = text.starts_with(PANICKED);
        let text = match panicked {
            true => Cow::Owned(text.replacen(":\n", ": ", 1)),
            false => Cow::Borrowed(text),
        };
        if let Some(line) = self.logs.borrow_mut().admit(&text) {
            environment.log(level, &line);
            if panicked {
                *self.panic.borrow_mut() = Some(line);
            }
        }
        Ok(())
    }

    /// What the guest said of a panic in the call that has just ended.
    pub(super) fn take_panic(&mut self) -> Option<String> {
        self.panic.get_mut().take()
    }

    /// Logs what the guest writes to a stream, line by line, within the limits of the call.
    pub(crate) fn print(&mut self, output: Output, bytes: &[u8]) -> wasmtime::Result<()> {
        let mut wasi = std::mem::take(&mut self.wasi);
        let emit = |line: &str| self.log(output.level(), line);
        let written = wasi.write(output, bytes, self.log_line_bytes, emit);
        self.wasi = wasi;
        written
    }

    pub(super) fn start_call(&mut self, environment: SharedEnvironment) {
        self.limiter.start_call();
        self.wasi.start_row(0);
        *self.panic.get_mut() = None;
        self.environment = Some(environment);
    }

    /// Lets go of the environment, gives it the lines that have no end, and tells it how many it
    /// did not get.
    pub(super) fn finish_call(&mut self) {
        let unfinished: Vec<_> = self.wasi.take_unfinished().collect();
        for (output, line) in unfinished {
            // Without an environment there is nobody to tell.
            let _ = self.log(output.level(), &line);
        }
        let environment = self.environment.take();
        if let (Some(line), Some(environment)) = (self.logs.get_mut().finish_call(), environment) {
            environment.log(LogLevel::Warn, &line);
        }
    }
}
