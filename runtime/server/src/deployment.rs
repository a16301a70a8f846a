//! A deployment at work: its tasks on the node's workers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use pelton_core::{Declaration, Error, FunctionId, Result};
use pelton_engine::{Counters, Replacement, Task};
use tokio::sync::{Notify, oneshot};

use crate::control::{Control, OnSwap};
use crate::latency::{Durations, Latency};

/// What the tasks of a deployment have done so far, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Input records that are committed.
    pub records_in: u64,
    /// Output records that are committed.
    pub records_out: u64,
    /// Records that were too late for every window.
    pub late: u64,
    /// Records, groups and timers that were given up.
    pub poison: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Commits.
    pub commits: u64,
    /// Guest calls.
    pub calls: u64,
    /// Of [`Self::poison`]: those that went to a topic of dead letters.
    pub dead_letters: u64,
    /// Calls that are made again after a wait.
    pub retries: u64,
    /// CPU time of the calls, ns.
    pub cpu_ns: u64,
    /// The offsets that the inputs are read from next, added up.
    pub read_to: u64,
    /// Values that are of an older schema version.
    pub unmigrated: u64,
}

#[derive(Default)]
struct Outcome {
    running: usize,
    error: Option<Error>,
}

/// What the tasks share with whoever waits for them.
#[derive(Default)]
pub(crate) struct Shared {
    outcome: Mutex<Outcome>,
    changed: Condvar,
    /// A task has ended.
    ended: Notify,
    /// Of each start of a task, with its partition.
    counters: Mutex<Vec<(u32, Arc<Counters>)>>,
    latency: Arc<Latency>,
}

impl Shared {
    pub(crate) fn begin(&self, tasks: usize) {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner).running = tasks;
    }

    pub(crate) fn started(&self, partition: u32, counters: &Arc<Counters>) {
        let mut all = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        // What a task is at counts for its last start only, what it has done for all of them.
        for (_, earlier) in all.iter().filter(|(of, _)| *of == partition) {
            earlier.read_to.store(0, Ordering::Relaxed);
            earlier.unmigrated.store(0, Ordering::Relaxed);
        }
        all.push((partition, Arc::clone(counters)));
    }

    /// Takes how long calls take.
    pub(crate) fn latency(&self) -> Arc<Latency> {
        Arc::clone(&self.latency)
    }

    pub(crate) fn ended(&self, result: Result<()>) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.running -= 1;
        if let Err(error) = result {
            outcome.error.get_or_insert(error);
        }
        self.changed.notify_all();
        self.ended.notify_one();
    }

    /// Waits until a task has stopped by itself, and answers why; nothing where all end as they were
    /// asked to. To be waited for by one at a time.
    pub(crate) async fn failed(&self) -> Option<String> {
        loop {
            {
                let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(error) = &outcome.error {
                    return Some(error.to_string());
                }
                if outcome.running == 0 {
                    return None;
                }
            }
            self.ended.notified().await;
        }
    }
}

/// A deployment whose tasks run. Dropping it asks them to stop.
pub struct Deployment {
    pub(crate) function: FunctionId,
    pub(crate) first_worker: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Vec<Arc<Control>>,
}

impl Deployment {
    /// The function.
    #[must_use]
    pub fn function(&self) -> &FunctionId {
        &self.function
    }

    /// What the function declared, in the version that has committed last.
    #[must_use]
    pub fn declaration(&self) -> Declaration {
        self.tasks.first().map(|task| task.config().declaration.clone()).unwrap_or_default()
    }

    /// Number of tasks: the partitions of its inputs.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.tasks.len() as u32
    }

    /// Runs `look` on a task between two of its steps, on its thread: it must be quick. `None` where
    /// there is no such partition or the task has ended.
    pub async fn visit<R: Send + 'static>(
        &self,
        partition: u32,
        look: impl FnOnce(&mut Task) -> R + Send + 'static,
    ) -> Option<R> {
        let (answer, answered) = oneshot::channel();
        let task = self.tasks.get(partition as usize)?;
        task.visit(Box::new(move |task| drop(answer.send(look(task)))));
        answered.await.ok()
    }

    /// Hands each task to its replacement; `on_event` is told what becomes of it.
    pub(crate) fn swap(&self, replacements: Vec<Replacement>, on_event: &OnSwap) {
        for (task, replacement) in self.tasks.iter().zip(replacements) {
            task.swap(replacement, Arc::clone(on_event));
        }
    }

    /// Waits until all tasks have ended: the inputs of a bounded deployment have, or it was
    /// stopped, or a task failed (then the others are stopped).
    ///
    /// # Errors
    /// The first error of a task.
    pub fn wait(&self) -> Result<()> {
        let mut outcome = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        while outcome.running > 0 {
            if outcome.error.is_some() {
                self.tasks.iter().for_each(|task| task.stop());
            }
            outcome = self.shared.changed.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
        outcome.error.take().map_or(Ok(()), Err)
    }

    /// Whether no task has ended.
    pub(crate) fn is_whole(&self) -> bool {
        let outcome = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.running == self.tasks.len()
    }

    /// Puts what the tasks start with on trial; `on_event` is told what becomes of it. To be called
    /// before they run.
    pub(crate) fn try_alone(&self, on_event: &OnSwap) {
        self.tasks.iter().for_each(|task| task.try_alone(Arc::clone(on_event)));
    }

    /// Whether a task is still running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner).running > 0
    }

    /// Why a task has stopped by itself, if one has.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let outcome = self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        outcome.error.as_ref().map(ToString::to_string)
    }

    /// Asks all tasks to stop behind their next commit.
    pub fn stop(&self) {
        self.tasks.iter().for_each(|task| task.stop());
    }

    /// What the tasks have done so far.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let all = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = |field: fn(&Counters) -> &std::sync::atomic::AtomicU64| {
            all.iter().map(|(_, counters)| field(counters).load(Ordering::Relaxed)).sum()
        };
        Progress {
            records_in: sum(|c| &c.records_in),
            records_out: sum(|c| &c.records_out),
            late: sum(|c| &c.late),
            poison: sum(|c| &c.poison),
            faults: sum(|c| &c.faults),
            commits: sum(|c| &c.commits),
            calls: sum(|c| &c.calls),
            dead_letters: sum(|c| &c.dead_letters),
            retries: sum(|c| &c.retries),
            cpu_ns: sum(|c| &c.cpu_ns),
            read_to: sum(|c| &c.read_to),
            unmigrated: sum(|c| &c.unmigrated),
        }
    }

    /// Whether every task has started once.
    pub(crate) fn has_started(&self) -> bool {
        let all = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.partitions()).all(|partition| all.iter().any(|(of, _)| *of == partition))
    }

    /// How long calls have taken, each with its commit.
    pub(crate) fn durations(&self) -> Durations {
        self.shared.latency.seen()
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        self.stop();
    }
}
