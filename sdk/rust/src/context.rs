//! What a function does things with during a call.

use core::time::Duration;

use pelton_batch::{Batch, Groups, OpKind, Operation, OperationsBuilder, Records};

use crate::error::{Error, Outcome, Result};
use crate::host;
use crate::store::{Cache, ErasedCache, Schema, StoreValue};

/// What lives as long as an instance: memory that calls reuse, and the caches of the stores, which
/// hold nothing between calls.
#[derive(Default)]
pub struct Runtime {
    pub(crate) operations: OperationsBuilder,
    pub(crate) key_scratch: Vec<u8>,
    pub(crate) value_scratch: Vec<u8>,
    pub(crate) caches: Vec<Box<dyn ErasedCache>>,
}

impl Runtime {
    pub(crate) fn add_cache<V: StoreValue>(&mut self, index: u16, name: &str, schema: Schema<V>) {
        self.caches.push(Box::new(Cache::new(index, name, schema)));
    }

    /// Answers a batch of kind `Migrate`: stored values of other schema versions in that of the
    /// code, as the [`Schema`] of their store says.
    ///
    /// # Errors
    /// Where a value cannot be migrated.
    #[cold]
    pub fn migrate(&mut self, batch: Batch<'_>) -> Result<Vec<u8>> {
        self.clear();
        for value in batch.stored_values()?.iter() {
            let Some(cache) = self.caches.get_mut(usize::from(value.store)) else {
                return Err(Error::fail("called with state of a store that is not declared"));
            };
            cache.migrate(&value, &mut self.operations)?;
        }
        Ok(self.operations.finish())
    }

    /// Ends a call: the writes follow what else it did, and all of it is the answer.
    pub(crate) fn answer(&mut self) -> Result<Vec<u8>> {
        for cache in &mut self.caches {
            cache.flush(&mut self.operations)?;
        }
        Ok(self.operations.finish())
    }

    /// Forgets what an earlier call has left, where one failed.
    pub(crate) fn clear(&mut self) {
        self.operations.clear();
        for cache in &mut self.caches {
            cache.clear();
        }
    }
}

/// An operation of this kind with nothing in it.
pub(crate) fn operation(kind: OpKind) -> Operation<'static> {
    Operation {
        row: 0,
        kind,
        cause: 0,
        target: 0,
        key: None,
        value: None,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

/// What a call is about: what operations name as their cause.
#[derive(Clone, Copy)]
pub(crate) enum Units<'a> {
    Records(&'a Records<'a>),
    Timers(&'a Records<'a>),
    Groups(&'a Groups<'a>),
}

impl<'a> Units<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Records(records) | Self::Timers(records) => records.len(),
            Self::Groups(groups) => groups.len(),
        }
    }

    /// The key of a unit.
    #[inline]
    pub(crate) fn key(&self, unit: usize) -> Option<&'a [u8]> {
        match self {
            Self::Records(records) | Self::Timers(records) => records.key(unit),
            Self::Groups(groups) => groups.get(unit).key,
        }
    }
}

/// A call, as a function sees it: what it does goes through here. Handles ([`Output`], [`Store`],
/// [`Timer`]) take it as their first argument.
///
/// [`Output`]: crate::Output
/// [`Store`]: crate::Store
/// [`Timer`]: crate::Timer
pub struct Context<'a> {
    pub(crate) runtime: &'a mut Runtime,
    pub(crate) units: Units<'a>,
    pub(crate) cause: u32,
    draws: u32,
    mark: usize,
}

impl<'a> Context<'a> {
    pub(crate) fn new(runtime: &'a mut Runtime, units: Units<'a>) -> Self {
        runtime.clear();
        Self { runtime, units, cause: 0, draws: 0, mark: 0 }
    }

    #[inline]
    pub(crate) fn has_record(&self) -> bool {
        matches!(self.units, Units::Records(_))
    }

    /// Starts on the next record, group or timer.
    #[inline]
    pub(crate) fn begin(&mut self, cause: usize) {
        self.cause = cause as u32;
        self.draws = 0;
        self.mark = self.runtime.operations.len();
    }

    /// Ends it: keeps what it did, or takes it back. Answers whether to go on with the rest.
    ///
    /// # Errors
    /// The error itself, where the whole call fails.
    #[inline]
    pub(crate) fn end(&mut self, result: Result<()>) -> Result<bool> {
        match result {
            Ok(()) => {
                for cache in &mut self.runtime.caches {
                    cache.keep();
                }
                Ok(true)
            }
            Err(error) => self.take_back(error),
        }
    }

    #[cold]
    fn take_back(&mut self, error: Error) -> Result<bool> {
        let Runtime { operations, caches, .. } = &mut *self.runtime;
        operations.truncate(self.mark);
        for cache in caches {
            cache.take_back();
        }
        let (kind, ttl) = match error.outcome() {
            Outcome::Reject => (OpKind::Reject, 0),
            Outcome::Retry(after) => (OpKind::Retry, after),
            Outcome::Fail => return Err(error),
        };
        let value = Some(error.message().as_bytes());
        operations.push(&Operation { cause: self.cause, value, ttl, ..operation(kind) });
        Ok(kind != OpKind::Retry)
    }

    /// The time, the same on every replay: the timestamp of the record, the time that the timer was
    /// set to, or for a window the wall time recorded with the commit; ms since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        match self.units {
            Units::Records(rows) | Units::Timers(rows) => rows.timestamp(self.cause as usize),
            Units::Groups(_) => host::now(u32::MAX),
        }
    }

    /// The watermark before this call, ms since the Unix epoch: every record before it has arrived.
    /// It is `i64::MIN` before the first record. What a function makes of it depends on where the
    /// host cut its input into calls; timers and windows do not.
    #[must_use]
    pub fn watermark(&self) -> i64 {
        host::watermark()
    }

    /// The next random number of this record, the same on every replay. Not for secrets.
    pub fn random(&mut self) -> u64 {
        self.draws += 1;
        host::random(self.cause, self.draws - 1)
    }

    /// Sends the record (window, timer) at hand to the dead letters and takes back what it did:
    /// return this from the function.
    ///
    /// # Errors
    /// Always: that is what it does.
    pub fn reject<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(Error::reject(reason.into()))
    }

    /// Has the record (window, timer) at hand tried again after this time: return this from the
    /// function.
    ///
    /// # Errors
    /// Always: that is what it does.
    pub fn retry<T>(&self, reason: impl Into<String>, after: Duration) -> Result<T> {
        Err(Error::retry(reason.into()).after(after))
    }
}
