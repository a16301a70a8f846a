//! How far the journal is durable, who waits for it, and whether it has stopped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

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
    waiters: Mutex<Waiters>,
    moved: Condvar,
    /// Ends the rest of the sync thread.
    asked: Condvar,
    /// Who waits for something to be appended hears of the end here.
    watched: Mutex<Vec<Weak<Waiting>>>,
}

/// Who waits for the watermark.
#[derive(Default)]
struct Waiters {
    /// By the commit that they wait for.
    wakers: BTreeMap<u64, Vec<Waker>>,
    /// Threads in [`Durability::wait`].
    threads: usize,
    /// The sync thread is in [`Durability::rest`].
    resting: bool,
}

impl Waiters {
    fn is_empty(&self) -> bool {
        self.threads == 0 && self.wakers.is_empty()
    }
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
        let later = waiters.wakers.split_off(&(seq + 1));
        let reached = std::mem::replace(&mut waiters.wakers, later);
        drop(waiters);
        reached.into_values().flatten().for_each(Waker::wake);
    }

    /// Stops the journal for good. The first reason stays.
    pub(crate) fn poison(&self, reason: &str) -> Error {
        let reason = Arc::clone(self.reason.get_or_init(|| reason.into()));
        if !self.poisoned.swap(true, Ordering::AcqRel) {
            tracing::error!(%reason, "the journal stopped");
        }
        let wakers = std::mem::take(&mut lock(&self.waiters).wakers);
        self.moved.notify_all();
        self.asked.notify_all();
        wakers.into_values().flatten().for_each(Waker::wake);
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
        waiters.wakers.entry(seq).or_default().extend(wakers);
        self.ask(&waiters);
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
        waiters.threads += 1;
        self.ask(&waiters);
        let reached = loop {
            if self.durable() >= seq {
                break Ok(());
            }
            if let Err(error) = self.check() {
                break Err(error);
            }
            waiters = self.moved.wait(waiters).unwrap_or_else(PoisonError::into_inner);
        };
        waiters.threads -= 1;
        reached
    }

    /// Lets the sync thread leave the disk and the processor to others: until somebody waits for
    /// the watermark, and not longer than `longest`.
    pub(crate) fn rest(&self, longest: Duration) {
        let mut waiters = lock(&self.waiters);
        if !waiters.is_empty() || self.check().is_err() {
            return;
        }
        waiters.resting = true;
        let waited = self.asked.wait_timeout_while(waiters, longest, |waiters| {
            waiters.is_empty() && self.check().is_ok()
        });
        waited.unwrap_or_else(PoisonError::into_inner).0.resting = false;
    }

    /// Somebody waits: the sync thread has rested enough.
    fn ask(&self, waiters: &Waiters) {
        if waiters.resting {
            self.asked.notify_one();
        }
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
        let same = waiters.wakers.entry(seq).or_default();
        // Who asks twice in a row is woken once.
        if !same.last().is_some_and(|other| other.will_wake(waker)) {
            same.push(waker.clone());
        }
        self.ask(&waiters);
        Poll::Pending
    }
}
