//! The seam between the engine and whatever runs a function: wasm in production, native code in a
//! test.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::declaration::Declaration;
use crate::fault::Fault;

/// A boxed future that may move between threads between polls.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// For whoever debugs the function.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warn,
    /// Something failed.
    Error,
}

/// What a guest may ask its host for during a call. State reads see the state as it was before the
/// call; nothing here can fail the call except by an `Err`, which becomes a trap.
pub trait Environment: Send + Sync {
    /// Answers a batch of kind `Keys` for the store with this index by one of kind `Values`.
    ///
    /// # Errors
    /// A fault where the store is not declared or the keys are not a valid batch.
    fn get_many(&self, store: u16, keys: &[u8]) -> Result<Vec<u8>, Fault>;

    /// Entries of an ordered store with `start <= key < end` as a batch of kind `Entries`.
    ///
    /// # Errors
    /// A fault where the store is not declared or not ordered.
    fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: u32,
        reverse: bool,
    ) -> Result<Vec<u8>, Fault>;

    /// The timestamp of a row of the call's batch, or the commit's recorded time, ms.
    fn now(&self, row: u32) -> i64;
    /// The watermark before the call, ms.
    fn watermark(&self) -> i64;
    /// The random number of this row and draw.
    fn random(&self, row: u32, draw: u32) -> u64;
    /// A configuration entry.
    fn config(&self, name: &str) -> Option<String>;
    /// All configuration entries.
    fn config_entries(&self) -> Vec<(String, String)>;
    /// A secret that the manifest grants.
    fn secret(&self, name: &str) -> Option<String>;
    /// Takes a log line.
    fn log(&self, level: LogLevel, message: &str);
    /// Adds to a counter of the function.
    fn counter(&self, name: &str, amount: f64);
    /// Sets a gauge of the function.
    fn gauge(&self, name: &str, value: f64);
}

/// An environment as it is handed to a call: shared, so that a call that is cancelled lets go of it.
pub type SharedEnvironment = Arc<dyn Environment>;

/// An open instance of a function. After an `Err` from [`Guest::call`] whose fault is not
/// `Failure`, the instance is dead and must be dropped.
pub trait Guest: Send {
    /// Calls the function with a batch; the answer is a batch of kind `Operations`, not validated.
    /// The future may yield in the middle of guest code, and may be dropped to cancel the call:
    /// the instance is then dead.
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>>;

    /// CPU time that the calls of this instance have used so far, ns: what a call cost is the
    /// difference that it made. 0 where nothing is measured.
    fn cpu_ns(&self) -> u64 {
        0
    }

    /// Of an instance that is a canary: the units (records, groups, timers) of its last call that the new
    /// version has answered. `None` where there is one version only.
    fn canary_units(&self) -> Option<&[u32]> {
        None
    }

    /// What the instance wants kept, where it exports `save` and has changed.
    fn save<'a>(
        &'a mut self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>>;

    /// Gives a fresh instance what `save` answered last.
    fn restore<'a>(
        &'a mut self,
        saved: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>>;
}

/// A function that is ready to be instantiated: compiled, linked, checked.
pub trait GuestFactory: Send + Sync {
    /// What the function declared when it was first opened.
    fn declaration(&self) -> &Declaration;

    /// A fresh instance, opened.
    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>>;
}
