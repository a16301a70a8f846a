//! What a task's calls came to, for whoever compares.

use std::sync::Arc;

use bytes::Bytes;
use pelton_core::Fault;

use super::feed::{Beat, Feed, Next};
use super::watch::{WATCHES_MAX, Watch, Watched};
use crate::call::{Call, Work};
use crate::config::TaskConfig;
use crate::task::Decisions;

/// One call that was committed.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) work: Work,
    pub(crate) batches: Vec<Bytes>,
    pub(crate) answers: Vec<Vec<u8>>,
    /// Why its one unit was given up, where it was.
    pub(crate) fault: Option<Fault>,
    /// Where it was a canary: the units that its new version has answered.
    pub(crate) canary: Option<Vec<u32>>,
}

impl Heard {
    /// About what it holds, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let batches: usize = self.batches.iter().map(Bytes::len).sum();
        batches + self.answers.iter().map(Vec::len).sum::<usize>()
    }
}

/// A commit, as the task made it.
pub(crate) struct Committed<'a> {
    /// The inputs have ended.
    pub(crate) flushing: bool,
    pub(crate) sequence: u64,
    pub(crate) config: &'a Arc<TaskConfig>,
}

/// Hears a task's calls. Only a task that is watched, has a shadow or is one, has it.
#[derive(Default)]
pub(crate) struct Tap {
    /// Where commits are told to a shadow.
    feed: Option<Feed>,
    /// Where they are told to those who watch.
    watches: Vec<Arc<Watch>>,
    /// It is a shadow's own: what it hears waits to be taken.
    keeps: bool,
    /// What the commit under way is made of.
    calls: Vec<Arc<Heard>>,
    /// Records, windows and timers of the commit under way.
    units: u64,
    answers: Vec<Vec<u8>>,
    fault: Option<Fault>,
    canary: Option<Vec<u32>>,
    begun: Option<(i64, Decisions)>,
    /// The feed is lost and no watch has room: nothing is kept for them.
    deaf: bool,
    rested: bool,
}

impl Tap {
    /// The tap of a task that is a shadow.
    pub(crate) fn keeping() -> Self {
        let mut tap = Self::default();
        tap.keeps = true;
        tap
    }

    /// Commits are told to `feed` from here on.
    pub(crate) fn tell(&mut self, feed: Feed) {
        (self.feed, self.rested) = (Some(feed), false);
    }

    pub(crate) fn has_shadow(&self) -> bool {
        self.feed.is_some()
    }

    /// Ends the feed. Answers whether the tap is still wanted.
    pub(crate) fn end_shadow(&mut self) -> bool {
        self.feed.take().iter().for_each(Feed::end);
        self.is_wanted()
    }

    /// One more who watches, if there may be one more.
    pub(crate) fn watch(&mut self) -> Option<Arc<Watch>> {
        self.drop_unread();
        if self.watches.len() >= WATCHES_MAX {
            return None;
        }
        let watch = Arc::<Watch>::default();
        self.watches.push(Arc::clone(&watch));
        Some(watch)
    }

    fn drop_unread(&mut self) {
        self.watches.retain(|watch| Arc::strong_count(watch) > 1);
    }

    fn is_wanted(&self) -> bool {
        self.keeps || self.feed.is_some() || !self.watches.is_empty()
    }

    /// A call is about to be made at this wall time, where event time stands here.
    pub(crate) fn begin(&mut self, time_ms: i64, decided: Decisions) {
        self.begun = Some((time_ms, decided));
        let unfed = self.feed.as_ref().is_none_or(Feed::is_lost);
        self.deaf = !self.keeps && unfed && self.watches.iter().all(|watch| watch.is_full());
    }

    /// A call is made, from its first batch on.
    pub(crate) fn asked(&mut self) {
        self.canary = None;
    }

    /// The new version of a canary has answered these units of the call, the old one all others.
    pub(crate) fn canary(&mut self, units: &[u32]) {
        self.canary.get_or_insert_default().extend_from_slice(units);
    }

    pub(crate) fn answered(&mut self, answers: Vec<Vec<u8>>) {
        self.answers = answers;
    }

    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.fault = Some(fault.clone());
        self.answers.clear();
    }

    /// A call is part of the commit. It is handed back where it is not kept.
    pub(crate) fn hear(&mut self, call: Call) -> Option<Call> {
        let (answers, fault) = (std::mem::take(&mut self.answers), self.fault.take());
        let canary = self.canary.take();
        // A merge that went well is part of the call that follows it.
        let aside = match call.work {
            Work::Merge(..) => fault.is_none(),
            _ => matches!(call.work, Work::Migrate(_)),
        };
        if aside {
            return Some(call);
        }
        self.units += call.work.units() as u64;
        if self.deaf {
            return Some(call);
        }
        let heard = Heard { work: call.work, batches: call.batches, answers, fault, canary };
        self.calls.push(Arc::new(heard));
        None
    }

    /// What was heard of the commit under way is taken back.
    pub(crate) fn forget(&mut self) {
        self.calls.clear();
        self.answers.clear();
        self.units = 0;
    }

    /// The calls that were heard since the last time.
    pub(crate) fn take(&mut self) -> Vec<Arc<Heard>> {
        std::mem::take(&mut self.calls)
    }

    /// What was heard is committed. Answers whether the tap is still wanted.
    pub(crate) fn committed(&mut self, commit: Committed<'_>) -> bool {
        if self.keeps {
            return true;
        }
        let (calls, units) = (self.take(), std::mem::take(&mut self.units));
        self.drop_unread();
        if units > 0 && !self.watches.is_empty() {
            let (config, sequence) = (Arc::clone(commit.config), commit.sequence);
            let deployment = config.deployment;
            let watched = Watched { sequence, deployment, config, calls: calls.clone() };
            self.watches.iter().for_each(|watch| watch.push(&watched, units));
        }
        if let (Some(feed), Some(begun)) = (&self.feed, self.begun.take()) {
            let (time_ms, decided) = begun;
            let (flushing, next) = (commit.flushing, Next::Commit(calls));
            self.rested = false;
            if !feed.push(Beat { time_ms, decided, flushing, next }) {
                self.feed = None;
            }
        }
        self.is_wanted()
    }

    /// The task has nothing to do.
    pub(crate) fn rest(&mut self, time_ms: i64, decided: Decisions) {
        self.drop_unread();
        if let (Some(feed), false) = (&self.feed, self.rested) {
            self.rested = true;
            feed.push(Beat { time_ms, decided, flushing: false, next: Next::Rest });
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.feed.iter().for_each(Feed::end);
        self.watches.iter().for_each(|watch| watch.end());
    }
}
