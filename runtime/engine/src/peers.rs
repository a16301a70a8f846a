//! What the tasks of a function know of each other's event time: a task whose inputs are idle
//! follows the lowest watermark of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The watermarks of a function's tasks. A task that is idle, ended or not running stands at
/// `i64::MAX` and holds nobody back.
#[derive(Debug, Clone)]
pub struct Peers(Arc<[AtomicI64]>);

impl Peers {
    /// A board for this many tasks, none of which has started.
    #[must_use]
    pub fn new(tasks: usize) -> Self {
        Self((0..tasks).map(|_| AtomicI64::new(i64::MAX)).collect())
    }

    /// Publishes a task's watermark, or that it is idle.
    pub fn publish(&self, task: usize, watermark: Option<i64>) {
        if let Some(slot) = self.0.get(task) {
            slot.store(watermark.unwrap_or(i64::MAX), Ordering::Release);
        }
    }

    /// The lowest watermark of the tasks that are not idle; `None` where all are (then time
    /// stands still: the policy `hold`).
    #[must_use]
    pub fn lowest(&self) -> Option<i64> {
        let lowest = self.0.iter().map(|slot| slot.load(Ordering::Acquire)).min();
        lowest.filter(|watermark| *watermark != i64::MAX)
    }
}
