//! Shadows: another version of a function beside the one that runs, on the same input and its own copy
//! of state. It writes nothing; what differs is counted and told.

mod follow;
mod manage;
mod status;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pelton_engine::Feed;

pub use status::{ShadowState, ShadowStatus};

use super::lock;
use crate::compare::Board;

/// A shadow at work: one for all tasks of a function.
pub(super) struct ShadowRun {
    version: u64,
    board: Board,
    stopped: AtomicBool,
    /// How often a task's state was copied, over all tasks.
    copies: AtomicU64,
    /// Commits that no shadow has seen, since it had fallen behind.
    skipped: AtomicU64,
    tasks: Vec<Mutex<ShadowTask>>,
}

/// The shadow of one task.
#[derive(Default)]
struct ShadowTask {
    feed: Option<Feed>,
    /// When its state was copied, ms.
    since_ms: Option<i64>,
    error: Option<String>,
}

impl ShadowRun {
    fn new(version: u64, tasks: u32) -> Self {
        Self {
            version,
            board: Board::default(),
            stopped: AtomicBool::new(false),
            copies: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            tasks: (0..tasks).map(|_| Mutex::default()).collect(),
        }
    }

    /// Ends it: the running version is told of nothing.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        for task in &self.tasks {
            if let Some(feed) = lock(task).feed.take() {
                feed.close();
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn task(&self, partition: u32) -> std::sync::MutexGuard<'_, ShadowTask> {
        lock(&self.tasks[partition as usize])
    }
}

impl Drop for ShadowRun {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A shadow, shared with the futures that follow the tasks.
pub(super) type SharedShadow = Arc<ShadowRun>;
