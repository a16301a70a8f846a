//! What was counted so far, and the newest differences.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pelton_engine::{Difference, Tally};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::shown::DifferenceEntry;

/// Differences that are kept; one more drops the oldest.
pub const DIFFERENCES_KEPT: usize = 100;

/// How many records, windows and timers were compared, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Records, windows and timers.
    pub compared: u64,
    /// Those for which both versions sent the same.
    pub equal: u64,
    /// Those for which both sent records, and not the same.
    pub different: u64,
    /// Those for which only the running version sent any.
    pub only_old: u64,
    /// Those for which only the shadow sent any.
    pub only_new: u64,
    /// Those at which the shadow failed, and the running version did not.
    pub faults: u64,
    /// Of those that are equal: both sent the same, but changed state in another way.
    pub state: u64,
}

impl From<&Tally> for Counts {
    fn from(tally: &Tally) -> Self {
        let Tally { compared, different, only_old, only_new, faults, state } = *tally;
        let equal = tally.equal();
        Self { compared, equal, different, only_old, only_new, faults, state }
    }
}

#[derive(Default)]
struct Inner {
    tally: Tally,
    kept: VecDeque<DifferenceEntry>,
    told: u64,
}

/// Counts of a comparison, and its newest differences.
#[derive(Default)]
pub struct Board(Mutex<Inner>);

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what the task of `partition` found at `time_ms`.
    pub(crate) fn add(&self, partition: u32, time_ms: i64, tally: &Tally, told: Vec<Difference>) {
        let mut inner = self.lock();
        inner.tally.add(tally);
        for difference in told {
            inner.told += 1;
            let entry = DifferenceEntry::new(inner.told, time_ms, partition, difference);
            inner.kept.push_back(entry);
            if inner.kept.len() > DIFFERENCES_KEPT {
                inner.kept.pop_front();
            }
        }
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::from(&self.lock().tally)
    }

    /// The kept differences with numbers above `after`, oldest first.
    #[must_use]
    pub fn differences(&self, after: u64) -> Vec<DifferenceEntry> {
        let inner = self.lock();
        inner.kept.iter().filter(|entry| entry.number > after).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use pelton_engine::{Cause, DifferenceKind, Effect};

    use super::*;

    #[test]
    fn the_newest_differences_are_kept_up_to_their_limit() {
        let board = Board::default();
        let difference = || Difference {
            cause: Cause::Timer { name: "t".into(), due_ms: 1, key: None },
            kind: DifferenceKind::OnlyNew,
            old: Effect::default(),
            new: Effect::default(),
        };
        let tally = Tally { compared: 2, only_new: 1, ..Tally::default() };
        (0..DIFFERENCES_KEPT).for_each(|_| board.add(0, 5, &tally, vec![difference()]));
        assert_eq!(board.differences(0).len(), DIFFERENCES_KEPT);
        board.add(0, 5, &tally, vec![difference()]);
        let kept = board.differences(0);
        assert_eq!((kept.len(), kept[0].number), (DIFFERENCES_KEPT, 2));
        assert_eq!(board.differences(100).len(), 1);
        let counts = board.counts();
        assert_eq!((counts.compared, counts.equal, counts.only_new), (202, 101, 101));
    }
}
