//! The way from a task to its shadow: bounded, and never waited for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use super::tap::Heard;
use crate::task::Decisions;

/// Commits that may wait for a shadow; one more, and it has fallen behind.
pub const FEED_COMMITS_MAX: usize = 1_024;
/// Bytes of the calls and answers that may wait for a shadow.
pub const FEED_BYTES_MAX: usize = 64 << 20;

/// What a task's next step was.
pub(crate) enum Next {
    /// It has committed these calls.
    Commit(Vec<Arc<Heard>>),
    /// It has nothing to do.
    Rest,
}

/// One commit of the task, or that it rests, and what decided how it went.
pub struct Beat {
    /// The wall time that was recorded, ms.
    pub(crate) time_ms: i64,
    /// Where time stood; its watermark is that of the function's other tasks, where this one follows it.
    pub(crate) decided: Decisions,
    /// The inputs have ended.
    pub(crate) flushing: bool,
    pub(crate) next: Next,
}

impl Beat {
    fn bytes(&self) -> usize {
        match &self.next {
            Next::Commit(calls) => calls.iter().map(|call| call.bytes()).sum(),
            Next::Rest => 0,
        }
    }
}

/// What a shadow finds in its feed.
pub enum Fed {
    /// The next commit.
    Beat(Box<Beat>),
    /// It had fallen behind, and must begin anew: commits are missing from here on.
    Lost,
    /// The task has ended.
    Ended,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Beat>,
    bytes: usize,
    lost: bool,
    ended: bool,
    closed: bool,
    skipped: u64,
    waker: Option<Waker>,
}

/// Commits of a task that wait for its shadow. Clones are the same feed.
#[derive(Clone, Default)]
pub struct Feed(Arc<Mutex<Inner>>);

impl Feed {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a beat, or counts the commit as skipped where the shadow has fallen behind. Answers
    /// whether the feed is to be kept.
    pub(crate) fn push(&self, beat: Beat) -> bool {
        let bytes = beat.bytes();
        let mut inner = self.lock();
        if inner.closed {
            return false;
        }
        let full = inner.waiting.len() >= FEED_COMMITS_MAX || inner.bytes + bytes > FEED_BYTES_MAX;
        if full && !inner.waiting.is_empty() {
            inner.lost = true;
        }
        if inner.lost {
            inner.skipped += u64::from(matches!(beat.next, Next::Commit(_)));
        } else {
            inner.bytes += bytes;
            inner.waiting.push_back(beat);
        }
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// The next commit, once there is one.
    pub async fn next(&self) -> Fed {
        poll_fn(|context| {
            let mut inner = self.lock();
            if let Some(beat) = inner.waiting.pop_front() {
                inner.bytes -= beat.bytes();
                return Poll::Ready(Fed::Beat(Box::new(beat)));
            }
            if inner.lost || inner.ended {
                return Poll::Ready(if inner.lost { Fed::Lost } else { Fed::Ended });
            }
            inner.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Commits that were skipped since it was lost.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.lock().skipped
    }

    /// Commits that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether commits are not even to be made up any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// Nobody reads it any more: it has ended, and the task lets go of it with its next commit.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        (inner.lost, inner.bytes) = (false, 0);
        inner.waiting.clear();
        drop(inner);
        self.end();
    }

    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let waker = inner.waker.take();
        drop(inner);
        waker.into_iter().for_each(Waker::wake);
    }
}
