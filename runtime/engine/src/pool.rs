//! Instances that wait for a call: shared by the tasks of one deployment on one worker.

use std::sync::{Arc, Mutex, PoisonError};

use pelton_core::{Fault, Guest, GuestFactory, SharedEnvironment};

/// Open instances of one deployment on one worker. An instance is taken out for a call and put
/// back after it; one that failed is dropped. Guest memory is a cache: which instance serves a call
/// makes no difference.
#[derive(Clone)]
pub struct GuestPool {
    factory: Arc<dyn GuestFactory>,
    waiting: Arc<Mutex<Vec<Box<dyn Guest>>>>,
    reuse: bool,
}

impl GuestPool {
    /// A pool without instances.
    #[must_use]
    pub fn new(factory: Arc<dyn GuestFactory>) -> Self {
        Self { factory, waiting: Arc::default(), reuse: true }
    }

    /// A pool that opens a fresh instance for every call: the test that guest memory is a cache.
    #[must_use]
    pub fn fresh_each_call(factory: Arc<dyn GuestFactory>) -> Self {
        Self { reuse: false, ..Self::new(factory) }
    }

    /// The factory.
    #[must_use]
    pub fn factory(&self) -> &Arc<dyn GuestFactory> {
        &self.factory
    }

    /// Whether an instance serves more than one call.
    pub(crate) fn reuses(&self) -> bool {
        self.reuse
    }

    pub(crate) async fn take(&self, env: SharedEnvironment) -> Result<Box<dyn Guest>, Fault> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match waiting {
            Some(guest) => Ok(guest),
            None => self.factory.instantiate(env).await,
        }
    }

    pub(crate) fn put_back(&self, guest: Box<dyn Guest>) {
        if self.reuse {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(guest);
        }
    }

    /// Drops the instances that wait.
    pub fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
