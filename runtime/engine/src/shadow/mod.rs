//! A shadow: another version of a function beside a running task. It gets what the task's calls got
//! (the same records, cuts, clock and seeds), works on its own copy of the state, and writes nothing.
//!
//! [`Task::shadow`](crate::Task::shadow) lets the task tell a [`Feed`] of its commits and freezes its
//! state; [`ShadowSeed::grow`] makes a [`Shadow`] of that, on another thread; [`Shadow::follow`] takes
//! the commits one by one and pairs what both versions did by cause. The task never waits for it: a
//! feed that is full is lost, and its shadow has to begin anew.
//!
//! [`Task::watch`](crate::Task::watch) lets somebody look on in the same way, with no function of their own.

mod effects;
mod feed;
mod pairs;
mod sides;
mod sink;
mod tap;
mod watch;

pub use effects::{Cause, Effect, Emitted};
pub use feed::{Beat, FEED_BYTES_MAX, FEED_COMMITS_MAX, Fed, Feed};
pub use pairs::{Difference, DifferenceKind, TOLD_MAX, Tally};
pub use watch::{
    Given, Sample, WATCHED_BYTES_MAX, WATCHED_COMMITS_MAX, WATCHES_MAX, Watch, Watched,
};

pub(crate) use effects::Vocabulary;
pub(crate) use feed::Next;
pub(crate) use pairs::Pairs;
pub(crate) use sink::{NoSource, ShadowSink};
pub(crate) use tap::{Committed, Heard, Tap};

use crate::task::Task;

/// Another version of a function, at work on its own copy of a task's state.
pub struct Shadow {
    pub(crate) task: Task,
    pub(crate) pairs: Pairs,
}

/// What a shadow is made of, as the task was between two of its steps.
pub struct ShadowSeed {
    pub(crate) make: Box<dyn FnOnce() -> Shadow + Send>,
}

impl ShadowSeed {
    /// Copies the state. Takes time and memory as the state is large: to be called where that holds
    /// nobody up.
    #[must_use]
    pub fn grow(self) -> Shadow {
        (self.make)()
    }
}
