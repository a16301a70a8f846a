//! Taps of functions, from one start of their tasks to the next.
//!
//! A task that starts attaches who taps its function before its first step, so that no record of it
//! goes by unseen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dashmap::DashMap;
use pelton_core::{Domain, Error, FunctionId, Result, TaskId};
use pelton_engine::{Task, WATCHES_MAX, Watch};

/// Who taps functions, whether these run or not.
#[derive(Default)]
pub(crate) struct Taps(DashMap<FunctionId, Vec<Weak<Attached>>>);

/// What a tap watches: of each partition the task that runs, and those before it that have told more
/// than was read.
#[derive(Default)]
pub(crate) struct Attached(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// With their partitions, in the order in which the tasks have started.
    watches: Vec<(u32, Arc<Watch>)>,
    refused: Option<Error>,
}

impl Taps {
    /// One more who taps a function: the tasks that start from here on are attached.
    ///
    /// # Errors
    /// `E-TAP-BUSY` (to be retried) where [`WATCHES_MAX`] tap it already.
    pub(crate) fn add(&self, function: &FunctionId) -> Result<Arc<Attached>> {
        let mut all = self.0.entry(function.clone()).or_default();
        all.retain(|tap| tap.strong_count() > 0);
        if all.len() >= WATCHES_MAX {
            let text = format!(
                "{function} has {WATCHES_MAX} taps, and no more are let in; end one of them"
            );
            return Err(Error::new("E-TAP-BUSY", Domain::External, text).retry());
        }
        let attached = Arc::<Attached>::default();
        all.push(Arc::downgrade(&attached));
        Ok(attached)
    }

    /// A task has started, and makes no step before this is done.
    pub(super) fn started(&self, id: &TaskId, task: &mut Task) {
        let Some(mut all) = self.0.get_mut(&id.function) else { return };
        all.retain(|tap| tap.strong_count() > 0);
        for tap in all.iter().filter_map(Weak::upgrade) {
            tap.attach(id.partition, task);
        }
        let is_left = all.is_empty();
        drop(all);
        if is_left {
            self.0.remove_if(&id.function, |_, all| all.is_empty());
        }
    }
}

impl Attached {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches a task, unless it is watched already. To be called between two of its steps.
    pub(crate) fn attach(&self, partition: u32, task: &mut Task) {
        let mut inner = self.lock();
        // A partition has one task at a time.
        let is_watched = |(of, watch): &(u32, Arc<Watch>)| *of == partition && watch.is_live();
        if inner.watches.iter().any(is_watched) {
            return;
        }
        match task.watch() {
            Ok(watch) => inner.watches.push((partition, watch)),
            Err(error) => inner.refused = Some(error),
        }
    }

    /// What there is to read, with the partitions; what has ended and was read is forgotten.
    ///
    /// # Errors
    /// `E-TAP-BUSY` where a task could not be watched.
    pub(crate) fn watches(&self) -> Result<Vec<(u32, Arc<Watch>)>> {
        let mut inner = self.lock();
        if let Some(error) = inner.refused.take() {
            return Err(error);
        }
        inner.watches.retain(|(_, watch)| !watch.is_over());
        Ok(inner.watches.clone())
    }
}
