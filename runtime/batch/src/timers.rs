//! Timers that are due.

use crate::batch::Batch;
use crate::column::Fixed;
use crate::layout::tag;
use crate::records::Records;

/// The rows of a batch of due timers.
#[derive(Debug, Clone, Copy)]
pub struct Timers<'a> {
    records: Records<'a>,
    targets: Option<Fixed<'a, u16>>,
}

/// One timer that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerRow<'a> {
    /// Its index: what operations name as their cause.
    pub row: usize,
    /// Index of the declared timer.
    pub target: u16,
    /// The key that it was set for.
    pub key: Option<&'a [u8]>,
    /// The time that it was set to, ms since the Unix epoch.
    pub due: i64,
    /// The value that it was set with.
    pub value: Option<&'a [u8]>,
}

impl<'a> Timers<'a> {
    pub(crate) fn of(batch: Batch<'a>) -> Self {
        Self { records: Records::of(batch), targets: batch.fixed(tag::TARGET) }
    }

    /// Number of timers.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The timer at `row`.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> TimerRow<'a> {
        TimerRow {
            row,
            target: self.targets.map_or(0, |column| column.get(row)),
            key: self.records.key(row),
            due: self.records.timestamp(row),
            value: self.records.value(row),
        }
    }

    /// All timers in the order in which they are due.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = TimerRow<'a>> + use<'a> {
        let timers = *self;
        (0..timers.len()).map(move |row| timers.get(row))
    }
}
