//! What a task's calls came to, for whoever compares.

use bytes::Bytes;
use pelton_core::Fault;

use super::feed::{Beat, Feed, Next};
use crate::call::{Call, Work};

/// One call that was committed.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) work: Work,
    pub(crate) batches: Vec<Bytes>,
    pub(crate) answers: Vec<Vec<u8>>,
    /// Why its one unit was given up, where it was.
    pub(crate) fault: Option<Fault>,
}

impl Heard {
    /// About what it holds, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let batches: usize = self.batches.iter().map(Bytes::len).sum();
        batches + self.answers.iter().map(Vec::len).sum::<usize>()
    }
}

/// Hears a task's calls. Only a task that has a shadow, or is one, has it.
#[derive(Default)]
pub(crate) struct Tap {
    /// Where commits are told; a shadow keeps what it hears.
    feed: Option<Feed>,
    /// What the commit under way is made of.
    calls: Vec<Heard>,
    answers: Vec<Vec<u8>>,
    fault: Option<Fault>,
    begun: Option<(i64, Vec<bool>, i64)>,
    /// The feed is lost: nothing is kept for it.
    deaf: bool,
    rested: bool,
}

impl Tap {
    pub(crate) fn telling(feed: Feed) -> Self {
        let mut tap = Self::default();
        tap.feed = Some(feed);
        tap
    }

    /// A call is about to be made at this wall time, with these inputs idle.
    pub(crate) fn begin(&mut self, time_ms: i64, idle: Vec<bool>, followed: i64) {
        self.begun = Some((time_ms, idle, followed));
        self.deaf = self.feed.as_ref().is_some_and(Feed::is_lost);
    }

    pub(crate) fn answered(&mut self, answers: Vec<Vec<u8>>) {
        self.answers = answers;
    }

    pub(crate) fn failed(&mut self, fault: &Fault) {
        self.fault = Some(fault.clone());
        self.answers.clear();
    }

    /// A call is part of the commit.
    pub(crate) fn hear(&mut self, call: Call) {
        let (answers, fault) = (std::mem::take(&mut self.answers), self.fault.take());
        if !self.deaf && !matches!(call.work, Work::Migrate(_)) {
            self.calls.push(Heard { work: call.work, batches: call.batches, answers, fault });
        }
    }

    /// The calls that were heard since the last time.
    pub(crate) fn take(&mut self) -> Vec<Heard> {
        std::mem::take(&mut self.calls)
    }

    /// What was heard is committed. Answers whether the tap is still wanted.
    pub(crate) fn committed(&mut self, flushing: bool) -> bool {
        let (Some(feed), Some(begun)) = (&self.feed, self.begun.take()) else { return true };
        let (time_ms, idle, followed) = begun;
        let next = Next::Commit(std::mem::take(&mut self.calls));
        self.rested = false;
        feed.push(Beat { time_ms, idle, followed, flushing, next })
    }

    /// The task has nothing to do.
    pub(crate) fn rest(&mut self, time_ms: i64, idle: Vec<bool>, followed: i64) {
        if let (Some(feed), false) = (&self.feed, self.rested) {
            self.rested = true;
            feed.push(Beat { time_ms, idle, followed, flushing: false, next: Next::Rest });
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.feed.iter().for_each(Feed::end);
    }
}
