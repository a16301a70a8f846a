//! Waking a task: its number goes to its worker, once until it is polled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Wake;

use super::worker::Shared;

pub(super) struct TaskWaker {
    pub(super) id: u64,
    pub(super) worker: Weak<Shared>,
    /// Whether the task is in a queue already.
    pub(super) queued: AtomicBool,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(worker) = self.worker.upgrade() {
            worker.woken(self.id);
        }
    }
}
