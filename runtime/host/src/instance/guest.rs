//! An open instance as the engine sees it.

use pelton_core::{BoxFuture, Fault, FaultKind, Guest, Limits, SharedEnvironment};

use super::simple;
use super::start::{Exports, Live};
use crate::contract::Failure;
use crate::faults::{Facts, Phase, fault};
use crate::meter::{CallStats, metered};

/// An instance of a function. After a fault that is not a `failure` of the function's own, or a
/// call that was dropped before its end, its store is gone and every call answers a fault.
pub struct WasmGuest {
    live: Option<Live>,
    limits: std::sync::Arc<Limits>,
    stats: CallStats,
    /// A call has begun and not ended: if the next one finds it so, that call was dropped.
    busy: bool,
}

impl WasmGuest {
    pub(super) fn new(live: Live, limits: std::sync::Arc<Limits>, stats: CallStats) -> Self {
        Self { live: Some(live), limits, stats, busy: false }
    }

    /// The CPU time of this instance's calls; can be read while one runs.
    #[must_use]
    pub fn stats(&self) -> CallStats {
        self.stats.clone()
    }

    /// Linear memory of the instance, bytes; 0 once it is dead.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.live.as_ref().map_or(0, |live| live.store.data().limiter.memory_bytes())
    }

    /// Whether the instance can be called.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.live.is_some() && !self.busy
    }

    fn begin(&mut self, environment: SharedEnvironment) -> Result<&mut Live, Fault> {
        if self.busy {
            self.live = None;
        }
        let dead = || Fault::new(FaultKind::Host, "the instance is gone: make a fresh one");
        let live = self.live.as_mut().ok_or_else(dead)?;
        self.busy = true;
        live.store.data_mut().start_call(environment);
        live.store.set_epoch_deadline(1);
        self.stats.meter().start(self.limits.call_cpu_ms.value * 1_000_000);
        Ok(live)
    }

    /// Ends a call: a fault takes the store with it, a failure does not.
    fn end<T>(&mut self, answer: wasmtime::Result<Result<T, Failure>>) -> Result<T, Fault> {
        self.busy = false;
        let (refused, panic) = self.live.as_mut().map_or((None, None), |live| {
            let state = live.store.data_mut();
            state.finish_call();
            (state.limiter.refused(), state.take_panic())
        });
        match answer {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(failure)) => Err(failed(failure)),
            Err(error) => {
                self.live = None;
                let facts = Facts { phase: Phase::Call, refused, panic, limits: &self.limits };
                Err(fault(&error, facts))
            }
        }
    }

    async fn run(
        &mut self,
        input: &[u8],
        environment: SharedEnvironment,
    ) -> Result<Vec<u8>, Fault> {
        let limits = self.limits.clone();
        let Live { store, exports } = self.begin(environment)?;
        let answer = match exports {
            Exports::Function { process, .. } => {
                process.call_async(&mut *store, (input,)).await.map(|(answer,)| answer)
            }
            Exports::Simple(handle) => simple::run(store, handle, input, &limits).await,
        };
        let output = self.end(answer)?;
        let limit = &limits.output_bytes;
        if !limit.allows(output.len() as u64) {
            self.live = None;
            return Err(too_large(output.len() as u64, limit));
        }
        Ok(output)
    }

    async fn run_save(&mut self, environment: SharedEnvironment) -> Result<Option<Vec<u8>>, Fault> {
        let Live { store, exports } = self.begin(environment)?;
        let answer = match exports {
            Exports::Function { state: Some((save, _)), .. } => {
                save.call_async(&mut *store, ()).await.map(|(answer,)| answer)
            }
            _ => Ok(Ok(None)),
        };
        let saved = self.end(answer)?;
        // It goes into the journal as an answer does.
        let bytes = saved.as_ref().map_or(0, Vec::len) as u64;
        let limit = &self.limits.output_bytes;
        if !limit.allows(bytes) {
            self.live = None;
            let text = format!(
                "it saved {bytes} {}, but the limit `{}` is {}: keep less in its memory, and what \
                 belongs to a key in a store",
                limit.unit, limit.name, limit.value
            );
            return Err(Fault::new(FaultKind::OutputSize, text));
        }
        Ok(saved)
    }

    async fn run_restore(
        &mut self,
        saved: &[u8],
        environment: SharedEnvironment,
    ) -> Result<(), Fault> {
        let Live { store, exports } = self.begin(environment)?;
        let answer = match exports {
            Exports::Function { state: Some((_, restore)), .. } => {
                restore.call_async(&mut *store, (saved,)).await.map(|(answer,)| answer)
            }
            _ => {
                let text = "there is saved memory, but the function does not export `restore`";
                Err(wasmtime::Error::new(Fault::new(FaultKind::Open, text)))
            }
        };
        self.end(answer)
    }
}

impl Guest for WasmGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        Box::pin(metered(self.stats.meter().clone(), self.run(input, environment)))
    }

    fn cpu_ns(&self) -> u64 {
        self.stats.total_cpu_ns()
    }

    fn save<'a>(
        &'a mut self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(metered(self.stats.meter().clone(), self.run_save(environment)))
    }

    fn restore<'a>(
        &'a mut self,
        saved: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(metered(self.stats.meter().clone(), self.run_restore(saved, environment)))
    }
}

/// What the function said itself.
pub(super) fn failed(failure: Failure) -> Fault {
    let Failure { code, message, retryable } = failure;
    Fault { retryable, ..Fault::new(FaultKind::Failure, format!("`{code}`: {message}")) }
}

pub(super) fn too_large(bytes: u64, limit: &pelton_core::limits::Limit) -> Fault {
    let text = format!(
        "the call answered {bytes} {}, but the limit `{}` is {}",
        limit.unit, limit.name, limit.value
    );
    Fault::new(FaultKind::OutputSize, text)
}
