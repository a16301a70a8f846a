//! What the host keeps beside each instance.

use std::cell::RefCell;

use pelton_core::{Fault, FaultKind, Limits, LogLevel, SharedEnvironment};

use crate::limiter::Limiter;
use crate::logs::LogBudget;

/// The data of a store.
pub(crate) struct HostState {
    environment: Option<SharedEnvironment>,
    pub(crate) limiter: Limiter,
    logs: RefCell<LogBudget>,
}

impl HostState {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            environment: None,
            limiter: Limiter::new(limits),
            logs: RefCell::new(LogBudget::new(limits)),
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
        if let Some(line) = self.logs.borrow_mut().admit(text) {
            environment.log(level, &line);
        }
        Ok(())
    }

    pub(super) fn start_call(&mut self, environment: SharedEnvironment) {
        self.limiter.start_call();
        self.environment = Some(environment);
    }

    /// Lets go of the environment, and tells it how many lines it did not get.
    pub(super) fn finish_call(&mut self) {
        let environment = self.environment.take();
        if let (Some(line), Some(environment)) = (self.logs.get_mut().finish_call(), environment) {
            environment.log(LogLevel::Warn, &line);
        }
    }
}
