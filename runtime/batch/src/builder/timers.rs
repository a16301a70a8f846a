//! Building batches of due timers.

use alloc::vec::Vec;

use super::columns::FixedBuilder;
use super::records::RecordsBuilder;
use crate::layout::{Kind, tag};

/// Builds a batch of due timers.
#[derive(Debug, Clone)]
pub struct TimersBuilder {
    records: RecordsBuilder,
    targets: FixedBuilder<u16>,
}

impl Default for TimersBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TimersBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self { records: RecordsBuilder::new(), targets: FixedBuilder::<u16>::new(0) }
    }

    /// Adds a timer that was set to `due` (ms).
    pub fn push(&mut self, target: u16, key: Option<&[u8]>, due: i64, value: Option<&[u8]>) {
        self.targets.set(self.records.len(), target);
        self.records.push(key, value, due);
    }

    /// Number of timers so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Lays the timers out as a batch, and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let rows = self.records.len();
        let more: Vec<_> = self.targets.column(tag::TARGET, rows).into_iter().collect();
        self.records.finish_kind(Kind::Timers, &more, &mut out);
        self.targets.clear();
        out
    }
}
