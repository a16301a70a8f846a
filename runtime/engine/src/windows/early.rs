//! Windows that fire each time that so many records have come.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pelton_core::window::{Window, WindowSpec};
use pelton_state::TaskState;

/// Counts the records of panes while a slice is planned.
pub(crate) struct EarlyCounts<'a> {
    spec: &'a WindowSpec,
    state: &'a TaskState,
    counts: HashMap<(Window, Option<&'a [u8]>), u64, RandomState>,
}

impl<'a> EarlyCounts<'a> {
    pub(crate) fn new(spec: &'a WindowSpec, state: &'a TaskState) -> Self {
        Self { spec, state, counts: HashMap::default() }
    }

    /// Counts a record; answers whether its pane fires early behind it.
    pub(crate) fn add(&mut self, window: Window, key: Option<&'a [u8]>) -> bool {
        let kept = || self.state.pane(window, key).map_or(0, |pane| pane.records);
        let count = self.counts.entry((window, key)).or_insert_with(kept);
        *count += 1;
        self.spec.fires_early(*count)
    }
}
