//! How far the journal is durable, who waits for it, and whether it has stopped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};
use std::task::{Poll, Waker};

use crate::error::{Error, Result};
use crate::locks::lock;
use crate::topic::Waiting;

#[derive(Default)]
pub(crate) struct Durability {
    /// What was really synced.
    synced: AtomicU64,
    /// What counts as durable: the same, unless the mode is `none`.
    durable: AtomicU64,
    poisoned: AtomicBool,
    reason: OnceLock<Arc<str>>,
    /// By the commit that they wait for.
    waiters: Mutex<BTreeMap<u64, Vec<Waker>>>,
    moved: Condvar,
    /// Who waits for something to be appended hears of the end here.
    watched: Mutex<Vec<Weak<Waiting>>>,
}

impl Durability {
    pub(crate) fn new(seq: u64) -> Durability {
        let durability = Durability::default();
        durability.synced.store(seq, Ordering::Release);
        durability.durable.store(seq, Ordering::Release);
        durability
    }

    pub(crate) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_synced(&self, seq: u64) {
        self.synced.fetch_max(seq, Ordering::AcqRel);
        self.set_durable(seq);
    }

    /// Moves the watermark and wakes those it has reached.
    pub(crate) fn set_durable(&self, seq: u64) {
        if self.durable.fetch_max(seq, Ordering::AcqRel) >= seq {
            return;
        }
        let mut waiters = lock(&self.waiters);
        self.moved.notify_all();
        let later = waiters.split_off(&(seq + 1));
        let reached = std::mem::replace(&mut *waiters, later);
        drop(waiters);
        reached.into_values().flatten().for_each(Waker::wake);
    }

    /// Stops the journal for good. The first reason stays.
    pub(crate) fn poison(&self, reason: &str) -> Error {
        let reason = Arc::clone(self.reason.get_or_init(|| reason.into()));
        if !self.poisoned.swap(true, Ordering::AcqRel) {
            tracing::error!(%reason, "the journal stopped");
        }
        let waiters = std::mem::take(&mut *lock(&self.waiters));
        self.moved.notify_all();
        waiters.into_values().flatten().for_each(Waker::wake);
        let watched = lock(&self.watched).clone();
        watched.iter().filter_map(Weak::upgrade).for_each(|waiting| waiting.wake_all());
        Error::Poisoned { reason }
    }

    /// Wakes those who wait in `waiting` once the journal has stopped.
    pub(crate) fn watch(&self, waiting: Weak<Waiting>) {
        let mut watched = lock(&self.watched);
        if watched.len() == watched.capacity() {
            watched.retain(|waiting| waiting.strong_count() > 0);
        }
        watched.push(waiting);
    }

    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        lock(&self.watched).len()
    }

    /// Wakes all of these once `seq` is durable or never will be; answers those for whom that is
    /// so already.
    pub(crate) fn wake_at(&self, seq: u64, wakers: Vec<Waker>) -> Vec<Waker> {
        let mut waiters = lock(&self.waiters);
        // The mark moves, and the journal stops, before the mover takes this lock.
        if self.durable() >= seq || self.check().is_err() {
            return wakers;
        }
        waiters.entry(seq).or_default().extend(wakers);
        Vec::new()
    }

    /// Lets nothing follow a shutdown.
    pub(crate) fn close(&self) {
        self.poisoned.store(true, Ordering::Release);
        self.poison("it was shut down");
    }

    /// # Errors
    /// [`Error::Poisoned`].
    pub(crate) fn check(&self) -> Result<()> {
        if !self.poisoned.load(Ordering::Acquire) {
            return Ok(());
        }
        let reason = self.reason.get().cloned().unwrap_or_else(|| "unknown".into());
        Err(Error::Poisoned { reason })
    }

    pub(crate) fn wait(&self, seq: u64) -> Result<()> {
        let mut waiters = lock(&self.waiters);
        while self.durable() < seq {
            self.check()?;
            waiters = self.moved.wait(waiters).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        Ok(())
    }

    pub(crate) fn poll(&self, seq: u64, waker: &Waker) -> Poll<Result<()>> {
        if self.durable() >= seq {
            return Poll::Ready(Ok(()));
        }
        let mut waiters = lock(&self.waiters);
        // The mark moves before its mover takes this lock: looking again under it is enough.
        if self.durable() >= seq {
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = self.check() {
            return Poll::Ready(Err(error));
        }
        let waiters = waiters.entry(seq).or_default();
        // Who asks twice in a row is woken once.
        if !waiters.last().is_some_and(|other| other.will_wake(waker)) {
            waiters.push(waker.clone());
        }
        Poll::Pending
    }
}
