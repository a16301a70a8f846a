//! Watching a task: what its calls were given and what came of them, for somebody who looks on.
//!
//! The task hands over what it has anyway and never waits: what does not fit is counted and let go.
//! What it means is found by the reader, on the reader's thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pelton_batch::FormatError;

use super::effects::{Cause, Effect, Effects, Vocabulary};
use super::tap::Heard;
use crate::call::{RowIndex, Work};
use crate::config::TaskConfig;

/// Commits that may wait for one who watches; one more is counted and let go.
pub const WATCHED_COMMITS_MAX: usize = 256;
/// Bytes of the calls and answers that may wait for one who watches.
pub const WATCHED_BYTES_MAX: usize = 8 << 20;
/// Who may watch a task at a time.
pub const WATCHES_MAX: usize = 8;

/// A record that a call was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub value: Option<Bytes>,
    /// Its time, ms.
    pub timestamp: i64,
    /// It was too late for every window of its own.
    pub late: bool,
}

/// One record, window or timer, and what the function did for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The cause.
    pub cause: Cause,
    /// The record, where the cause is one.
    pub given: Option<Given>,
    /// What was done.
    pub effect: Effect,
    /// Where it went through a canary: whether its new version has answered it.
    pub canary: Option<bool>,
}

/// A commit that somebody watches.
#[derive(Clone)]
pub struct Watched {
    /// Its sequence in the task's sink: what it did is durable once that is.
    pub sequence: u64,
    /// The version of the function that made it.
    pub deployment: u64,
    pub(super) config: Arc<TaskConfig>,
    pub(super) calls: Vec<Arc<Heard>>,
}

impl Watched {
    fn bytes(&self) -> usize {
        self.calls.iter().map(|call| call.bytes()).sum()
    }

    /// What was done in it, by cause: of each call first records by their place, then windows, then
    /// timers.
    ///
    /// # Errors
    /// A batch that cannot be read.
    pub fn samples(&self) -> Result<Vec<Sample>, FormatError> {
        let names = Vocabulary::of(&self.config);
        let mut all = Vec::new();
        for call in &self.calls {
            samples_of(call, &names, &mut all)?;
        }
        Ok(all)
    }
}

/// The records of a call, also those that came to nothing, and all else that something was done for.
fn samples_of(call: &Heard, names: &Vocabulary, all: &mut Vec<Sample>) -> Result<(), FormatError> {
    let mut effects = Effects::new();
    names.gather(call, &mut effects)?;
    let sides = names.sides(call)?;
    if let Some(plan) = call.work.plan() {
        let rows = RowIndex::new(&plan.slice)?;
        for row in 0..rows.len() {
            let Some(cause) = names.record(&rows, row) else { continue };
            let Some((records, at)) = rows.get(row) else { continue };
            let given = Given {
                value: records.value(at).map(Bytes::copy_from_slice),
                timestamp: records.timestamp(at),
                late: plan.late.contains(&(row as u32)),
            };
            let mut effect = effects.remove(&cause).unwrap_or_default();
            if plan.unkeyed.contains(&(row as u32)) {
                effect.fault = Some("the record has no key, but the function groups by key".into());
            }
            let canary = sides.of(&cause);
            all.push(Sample { cause, given: Some(given), effect, canary });
        }
    }
    // That records were added to a window is told by the records.
    let told = |cause: &Cause, effect: &Effect| match cause {
        Cause::Window { adding: true, .. } => !effect.emitted.is_empty() || effect.fault.is_some(),
        _ => true,
    };
    if let (Work::Fire { panes, .. }, None) = (&call.work, &call.fault) {
        // A pane that sent nothing has fired all the same.
        panes.iter().for_each(|pane| {
            effects.entry(super::effects::window_cause(pane, false)).or_default();
        });
    }
    let rest = effects.into_iter().filter(|(cause, effect)| told(cause, effect));
    all.extend(rest.map(|(cause, effect)| {
        let canary = sides.of(&cause);
        Sample { cause, given: None, effect, canary }
    }));
    Ok(())
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Watched>,
    bytes: usize,
    missed: u64,
    ended: bool,
}

/// What is watched of a task: held by the task and by whoever reads it.
#[derive(Default)]
pub struct Watch(Mutex<Inner>);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_full(&self) -> bool {
        let inner = self.lock();
        inner.waiting.len() >= WATCHED_COMMITS_MAX || inner.bytes >= WATCHED_BYTES_MAX
    }

    /// Adds a commit of so many records, windows and timers, or counts them.
    pub(super) fn push(&self, watched: &Watched, units: u64) {
        let bytes = watched.bytes();
        let mut inner = self.lock();
        let fits = inner.waiting.len() < WATCHED_COMMITS_MAX
            && (inner.waiting.is_empty() || inner.bytes + bytes <= WATCHED_BYTES_MAX);
        if fits && !watched.calls.is_empty() {
            inner.bytes += bytes;
            inner.waiting.push_back(watched.clone());
        } else {
            inner.missed += units;
        }
    }

    pub(super) fn end(&self) {
        self.lock().ended = true;
    }

    /// The next commit up to this sequence.
    #[must_use]
    pub fn next(&self, durable: u64) -> Option<Watched> {
        let mut inner = self.lock();
        let next = inner.waiting.pop_front_if(|watched| watched.sequence <= durable)?;
        inner.bytes -= next.bytes();
        Some(next)
    }

    /// Records, windows and timers that were let go since this was last asked.
    pub fn take_missed(&self) -> u64 {
        std::mem::take(&mut self.lock().missed)
    }

    /// Whether its task goes on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.lock().ended
    }

    /// Whether the task has ended, and everything was read, what was let go too.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let inner = self.lock();
        inner.ended && inner.waiting.is_empty() && inner.missed == 0
    }
}
