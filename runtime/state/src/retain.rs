//! Keeping a part of the state.

use crate::encoding::{read_key, split_pane, split_u16};
use crate::state::TaskState;
use crate::{PANES, TIMERS};

/// A piece of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// An entry of a store, by the index of that.
    Entry {
        /// The store.
        store: u16,
        /// The key.
        key: &'a [u8],
    },
    /// A timer.
    Timer {
        /// The key that it was set for.
        key: Option<&'a [u8]>,
    },
    /// A window pane.
    Pane {
        /// The key whose records it holds.
        key: Option<&'a [u8]>,
    },
}

impl TaskState {
    /// Removes every part that `keep` does not want. [`Self::take_changes`] does not tell of it: it
    /// is for a copy of the state. To be called between calls.
    pub fn retain(&mut self, mut keep: impl FnMut(Part<'_>) -> bool) {
        let stores = self.stores.len() as u16;
        for id in (0..stores).chain([TIMERS, PANES]) {
            let part = |key| match id {
                PANES => split_pane(key).map(|(_, key)| Part::Pane { key }),
                TIMERS => {
                    let key = split_u16(key).and_then(|(_, key)| read_key(key));
                    key.map(|key| Part::Timer { key })
                }
                store => Some(Part::Entry { store, key }),
            };
            let space = match id {
                PANES => &self.panes.space,
                TIMERS => &self.timers.space,
                store => &self.stores[usize::from(store)].space,
            };
            let keys = space.layers.iter().map(|(key, _)| key);
            let gone = keys.filter(|key| !part(key).is_some_and(&mut keep)).map(Vec::from);
            for key in gone.collect::<Vec<_>>() {
                self.forget(id, &key);
            }
        }
    }

    fn forget(&mut self, id: u16, key: &[u8]) {
        let space = match id {
            PANES => &mut self.panes.space,
            TIMERS => &mut self.timers.space,
            store => &mut self.stores[usize::from(store)].space,
        };
        if let Some(change) = space.remove(&mut self.undo, key) {
            self.note(id, key, change);
        }
    }
}
