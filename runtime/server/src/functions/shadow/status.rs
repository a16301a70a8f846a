//! What a shadow is doing.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ShadowRun;
use crate::compare::{Counts, DifferenceEntry};
use crate::functions::lock;

/// Whether a shadow follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ShadowState {
    /// The state of some task is being copied.
    Starting,
    /// It follows every task.
    Following,
    /// It has stopped by itself: `error` tells why.
    Failed,
    /// The function does not run: it begins anew when that does.
    Waiting,
}

/// What a shadow is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShadowStatus {
    /// The version that it runs.
    pub version: u64,
    /// Whether it follows.
    pub state: ShadowState,
    /// Why it has stopped.
    pub error: Option<String>,
    /// Since when it follows: when the state of the last task was copied, ms. Everything before is
    /// not compared: after a start of the server it begins with a new copy and counts from 0.
    pub since_ms: Option<i64>,
    /// How often a task's state was copied: once for each task, and again where it had fallen behind
    /// or another version went live.
    pub copies: u64,
    /// Commits that wait for it.
    pub waiting: u64,
    /// Commits that were not compared, since it had fallen behind.
    pub skipped: u64,
    /// What was counted.
    pub counts: Counts,
}

impl ShadowRun {
    pub(in crate::functions) fn status(&self) -> ShadowStatus {
        let (mut error, mut since_ms, mut waiting, mut ready) = (None, None, 0, true);
        let mut behind = 0;
        for task in &self.tasks {
            let task = lock(task);
            error = error.or_else(|| task.error.clone());
            since_ms = since_ms.max(task.since_ms);
            ready &= task.since_ms.is_some();
            if let Some(feed) = &task.feed {
                waiting += feed.waiting() as u64;
                behind += feed.skipped();
            }
        }
        ShadowStatus {
            version: self.version,
            state: match (&error, ready) {
                (Some(_), _) => ShadowState::Failed,
                (None, true) => ShadowState::Following,
                (None, false) => ShadowState::Starting,
            },
            error,
            since_ms,
            copies: self.copies.load(Ordering::Relaxed),
            waiting,
            skipped: self.skipped.load(Ordering::Relaxed) + behind,
            counts: self.board.counts(),
        }
    }

    pub(in crate::functions) fn differences(&self, after: u64) -> Vec<DifferenceEntry> {
        self.board.differences(after)
    }
}

impl ShadowStatus {
    /// Of a shadow whose function does not run.
    pub(in crate::functions) fn at_rest(version: u64) -> Self {
        Self {
            version,
            state: ShadowState::Waiting,
            error: None,
            since_ms: None,
            copies: 0,
            waiting: 0,
            skipped: 0,
            counts: Counts::default(),
        }
    }
}
