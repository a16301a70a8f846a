//! A second state from a frozen one, in memory: what a shadow begins with.

use pelton_core::Limits;

use super::FrozenState;
use crate::layout::{self, StateLayout};
use crate::state::TaskState;

impl TaskState {
    /// Whether everything that was written since the last [`Self::freeze`] has been folded back:
    /// then the next freeze takes the same time whatever the size of the state.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        let stores = self.stores.iter().map(|store| &store.space);
        let mut spaces = stores.chain([&self.timers.space, &self.panes.space]);
        spaces.all(|space| space.layers.is_owned())
    }
}

impl FrozenState {
    /// A state of its own that holds the same, under the layout that it was frozen with, where
    /// every store and timer is declared. Takes time and memory as the state is large: not to be
    /// done on the thread that the other state belongs to.
    #[must_use]
    pub fn thaw(self, limits: Limits) -> TaskState {
        let stores = self.stores.iter().map(|(declaration, _)| declaration.clone()).collect();
        let timers = self.timers.clone();
        let (key_windows, fresh) = (self.key_windows, self.fresh);
        let mut state = TaskState::new(StateLayout { stores, timers, key_windows, fresh, limits });
        for (store, (_, table)) in state.stores.iter_mut().zip(&self.stores) {
            for (key, slot) in table.iter() {
                let change = layout::insert(&mut store.space, key, slot.clone());
                change.into_iter().for_each(|change| store.versions.note(change));
            }
        }
        for (key, slot) in self.timer_table.iter() {
            state.timers.insert(key, slot.clone());
        }
        for (key, slot) in self.pane_table.iter() {
            if let Some(change) = layout::insert(&mut state.panes.space, key, slot.clone()) {
                state.panes.note(key, change);
            }
        }
        state.bytes = state.size().bytes();
        state.rebuild_expiry();
        state
    }
}
