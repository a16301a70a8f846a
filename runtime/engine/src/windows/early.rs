//! Windows that fire each time that so many records have come.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pelton_core::window::Window;
use pelton_state::TaskState;

/// Counts the records of panes while a slice is planned.
pub(crate) struct EarlyCounts<'a> {
    every: u64,
    state: &'a TaskState,
    counts: HashMap<(Window, Option<&'a [u8]>), u64, RandomState>,
}

impl<'a> EarlyCounts<'a> {
    pub(crate) fn new(every: u64, state: &'a TaskState) -> Self {
        Self { every, state, counts: HashMap::default() }
    }

    /// Counts a record; answers whether its pane fires early behind it.
    pub(crate) fn add(&mut self, window: Window, key: Option<&'a [u8]>) -> bool {
        let kept = || self.state.pane(window, key).map_or(0, |pane| pane.records);
        let count = self.counts.entry((window, key)).or_insert_with(kept);
        *count += 1;
        count.is_multiple_of(self.every)
    }

    /// Whether a pane of so many records fires early.
    pub(crate) fn is_full(&self, records: u64) -> bool {
        records.is_multiple_of(self.every)
    }
}
