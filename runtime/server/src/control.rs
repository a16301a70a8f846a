//! What a running task is asked for from outside, between two of its steps: to stop, to let somebody
//! look at its state, to go over to another deployment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use pelton_core::Result;
use pelton_engine::{Replacement, Task, TaskConfig, Verdict};

/// Looks at a task, on its thread.
pub(crate) type Visit = Box<dyn FnOnce(&mut Task) + Send>;

/// What becomes of a swap, task by task.
#[derive(Debug)]
pub enum SwapEvent {
    /// The task runs the new deployment, on trial; or it cannot, and nothing has changed.
    Installed(Result<()>),
    /// How the trial ended.
    Judged(Verdict),
}

/// Takes the events of a swap, with the task's partition; called on the task's thread.
pub(crate) type OnSwap = Arc<dyn Fn(u32, SwapEvent) + Send + Sync>;

/// A deployment that is to take the task over.
struct Candidate {
    replacement: Replacement,
    on_event: OnSwap,
}

#[derive(Default)]
struct Requests {
    /// Waits for the task.
    candidate: Option<Candidate>,
    /// The task runs it, on trial.
    on_trial: Option<Candidate>,
    /// What the task has started with is on trial, with nothing to go back to.
    alone: Option<OnSwap>,
    visits: VecDeque<Visit>,
    /// The task has ended: nobody attends any more.
    is_closed: bool,
    waker: Option<Waker>,
}

/// The control of one task.
pub(crate) struct Control {
    stop: AtomicBool,
    /// How often it was asked to look around, and the last of those after which it found nothing.
    looks: AtomicU64,
    rested: AtomicU64,
    partition: u32,
    /// What the task starts with: the deployment that has committed.
    current: Mutex<Replacement>,
    requests: Mutex<Requests>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    pub(crate) fn new(partition: u32, current: Replacement) -> Self {
        let current = Mutex::new(current);
        Self {
            stop: AtomicBool::new(false),
            looks: AtomicU64::new(0),
            rested: AtomicU64::new(0),
            partition,
            current,
            requests: Mutex::default(),
        }
    }

    /// What the task is to start with.
    pub(crate) fn current(&self) -> Replacement {
        lock(&self.current).clone()
    }

    pub(crate) fn config(&self) -> Arc<TaskConfig> {
        Arc::clone(&lock(&self.current).config)
    }

    /// Asks the task to stop behind its next commit.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether it has been asked to.
    #[must_use]
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Asks the task to look around for work; [`Self::is_at_rest`] tells when it has found no more.
    pub(crate) fn look_around(&self) {
        self.looks.fetch_add(1, Ordering::AcqRel);
        self.visit(Box::new(|_| ()));
    }

    /// How often it was asked to, to be told [`Self::rests`] where the step that follows finds nothing.
    pub(crate) fn looks(&self) -> u64 {
        self.looks.load(Ordering::Acquire)
    }

    /// A step that began after so many looks found nothing to do but to wait.
    pub(crate) fn rests(&self, looks: u64) {
        self.rested.store(looks, Ordering::Release);
    }

    /// Whether it has found nothing more to do since it was last asked to look around, or has ended.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.rested.load(Ordering::Acquire) == self.looks() || lock(&self.requests).is_closed
    }

    /// Lets `visit` look at the task before its next step. It is dropped uncalled where the task has
    /// ended.
    pub(crate) fn visit(&self, visit: Visit) {
        let mut requests = lock(&self.requests);
        if !requests.is_closed {
            requests.visits.push_back(visit);
        }
        drop(requests);
        self.wake();
    }

    /// Hands the task to another deployment before its next step. A swap that is still under way is
    /// given up for it. Where the task has ended, `on_event` is dropped uncalled.
    pub(crate) fn swap(&self, replacement: Replacement, on_event: OnSwap) {
        let mut requests = lock(&self.requests);
        if !requests.is_closed {
            requests.candidate = Some(Candidate { replacement, on_event });
        }
        drop(requests);
        self.wake();
    }

    /// Puts what the task starts with on trial, with nothing to go back to: where it fails, the task
    /// ends.
    pub(crate) fn try_alone(&self, on_event: OnSwap) {
        lock(&self.requests).alone = Some(on_event);
    }

    /// Whether that trial is still on.
    pub(crate) fn is_alone_on_trial(&self) -> bool {
        lock(&self.requests).alone.is_some()
    }

    /// Drops what nobody will attend to any more, now and later.
    pub(crate) fn close(&self) {
        let closed = Requests { is_closed: true, ..Requests::default() };
        let requests = std::mem::replace(&mut *lock(&self.requests), closed);
        drop(requests);
    }

    /// The task is about to start anew with [`Self::current`].
    pub(crate) fn restarted(&self) {
        let mut requests = lock(&self.requests);
        let again = requests.on_trial.take();
        requests.candidate = requests.candidate.take().or(again);
    }

    pub(crate) fn register(&self, waker: &Waker) {
        lock(&self.requests).waker = Some(waker.clone());
    }

    fn wake(&self) {
        let waker = lock(&self.requests).waker.take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Whether there is anything that a task which waits should be woken for.
    pub(crate) fn wants_attention(&self) -> bool {
        let requests = lock(&self.requests);
        self.is_stopped() || !requests.visits.is_empty() || requests.candidate.is_some()
    }

    /// Does what is asked for.
    pub(crate) fn attend(&self, task: &mut Task) {
        while let Some(visit) = { lock(&self.requests).visits.pop_front() } {
            visit(task);
        }
        let Some(candidate) = lock(&self.requests).candidate.take() else { return };
        let installed = task.replace(candidate.replacement.clone());
        let on_event = Arc::clone(&candidate.on_event);
        let mut requests = lock(&self.requests);
        match &installed {
            Err(error) if error.retryable => {
                requests.candidate.get_or_insert(candidate);
                return;
            }
            Err(_) => {}
            Ok(()) => requests.on_trial = Some(candidate),
        }
        drop(requests);
        on_event(self.partition, SwapEvent::Installed(installed));
    }

    /// Passes on how a trial has ended.
    pub(crate) fn judge(&self, task: &mut Task) {
        let Some(verdict) = task.take_verdict() else { return };
        let (on_trial, alone) = {
            let mut requests = lock(&self.requests);
            (requests.on_trial.take(), requests.alone.take())
        };
        let Some(Candidate { replacement, on_event }) = on_trial else {
            alone
                .into_iter()
                .for_each(|told| told(self.partition, SwapEvent::Judged(verdict.clone())));
            return;
        };
        if verdict == Verdict::Passed {
            *lock(&self.current) = replacement;
        }
        on_event(self.partition, SwapEvent::Judged(verdict));
    }
}
