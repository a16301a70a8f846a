//! The state of a task, and the calls that change it.

use std::collections::BTreeSet;

use pelton_core::{Limits, StoreDeclaration, TimerDeclaration};

use crate::changes::Changes;
use crate::expiry::Expiry;
use crate::layout::{self, StateLayout};
use crate::sessions::KeyWindows;
use crate::slot::Key;
use crate::space::{Change, Space};
use crate::timers::DueIndex;
use crate::undo::{Old, UndoLog};
use crate::versions::Versions;
use crate::windows::Windows;
use crate::{PANES, StateError, TIMERS};

/// Stores, timers and panes of one task. Reads take `&self`; changes happen one call at a time.
#[derive(Debug)]
pub struct TaskState {
    pub(crate) limits: Limits,
    /// The declared stores by index, and behind them those that no longer are declared.
    pub(crate) stores: Vec<Store>,
    pub(crate) declared_stores: usize,
    pub(crate) expiry: Expiry,
    pub(crate) timers: Timers,
    pub(crate) panes: Panes,
    /// Bytes of all spaces.
    pub(crate) bytes: u64,
    pub(crate) undo: UndoLog,
    pub(crate) changes: Changes,
    /// Keys of `kv` stores that delete-prefixes of this call looked at.
    pub(crate) looked_at: u64,
}

/// A store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) declaration: StoreDeclaration,
    pub(crate) space: Space,
    pub(crate) versions: Versions,
}

/// All timers. A slot's number is when it is due, its tag whether it has a value.
#[derive(Debug)]
pub(crate) struct Timers {
    /// The declared timers by index, and behind them those that no longer are declared.
    pub(crate) declarations: Vec<TimerDeclaration>,
    pub(crate) declared: usize,
    /// By target, big endian, and key.
    pub(crate) space: Space,
    pub(crate) due: DueIndex,
}

/// All panes. A slot's number is its records, its tag see [`crate::panes`].
#[derive(Debug)]
pub(crate) struct Panes {
    pub(crate) space: Space,
    pub(crate) windows: Windows,
    /// The windows of each key, where they can be asked for.
    pub(crate) key_windows: Option<KeyWindows>,
    /// The panes that have got records since they fired last, where that is kept track of.
    pub(crate) fresh: Option<BTreeSet<Key>>,
}

impl TaskState {
    /// Empty state.
    #[must_use]
    pub fn new(layout: StateLayout) -> Self {
        let mut state = Self {
            limits: Limits::default(),
            stores: Vec::new(),
            declared_stores: 0,
            expiry: Expiry::default(),
            timers: Timers::new(Vec::new()),
            panes: Panes {
                space: layout::pane_space(),
                windows: Windows::default(),
                key_windows: None,
                fresh: None,
            },
            bytes: 0,
            undo: UndoLog::default(),
            changes: Changes::default(),
            looked_at: 0,
        };
        state.relayout(layout);
        state
    }

    /// Starts a call. There must be none under way.
    pub fn begin(&mut self) {
        self.undo.begin();
        self.changes.begin();
        self.looked_at = 0;
    }

    /// Ends the call: its changes stay, and wait to be taken.
    pub fn accept(&mut self) {
        self.undo.accept();
    }

    /// Ends the call and takes it back: the state is exactly as it was at [`Self::begin`], and the
    /// changes of this call are forgotten. Changes must not have been taken meanwhile.
    pub fn rollback(&mut self) {
        if !self.undo.is_open() {
            return;
        }
        let mut undo = std::mem::take(&mut self.undo);
        undo.rollback(|space, key, old| {
            if let Old::Moved { length, was_on_top } = old {
                let (to, from) = key.split_at(length);
                if let Some(moved) = self.space_mut(space).rename_back(to, from, was_on_top) {
                    self.note(space, to, moved.left);
                    self.note(space, from, moved.came);
                }
                return;
            }
            let change = self.space_mut(space).restore(key, old);
            self.note(space, key, change);
        });
        self.undo = undo;
        self.changes.rollback();
    }

    /// Everything that changed since the last take, in order: a batch of kind `Operations` as the
    /// crate's documentation says. Empty where nothing changed. To be called between calls.
    #[must_use = "changes that are not committed are lost at the next start"]
    pub fn take_changes(&mut self) -> Vec<u8> {
        debug_assert!(!self.undo.is_open(), "a call is open: accept it or roll it back first");
        self.changes.take()
    }

    /// About the bytes of what the next [`Self::take_changes`] hands out.
    #[must_use]
    pub fn changes_bytes(&self) -> u64 {
        self.changes.bytes() + self.changes.len() as u64 * crate::changes::ROW_BYTES
    }

    /// Moves up to `max_entries` of what was written since [`Self::freeze`] back into the tables,
    /// and tells whether all of it is: then the next freeze is cheap. Does nothing as long as the
    /// [`FrozenState`](crate::FrozenState) lives. To be called between calls.
    pub fn fold(&mut self, max_entries: usize) -> bool {
        debug_assert!(!self.undo.is_open(), "a call is open: its undo log names the layers");
        let mut left = max_entries;
        let mut done = true;
        for space in self.spaces_mut() {
            done &= space.layers.fold(&mut left);
        }
        done
    }

    pub(crate) fn spaces_mut(&mut self) -> impl Iterator<Item = &mut Space> {
        let stores = self.stores.iter_mut().map(|store| &mut store.space);
        stores.chain([&mut self.timers.space, &mut self.panes.space])
    }

    /// The space of that number, which an undo record or a caller has checked.
    fn space_mut(&mut self, id: u16) -> &mut Space {
        match id {
            PANES => &mut self.panes.space,
            TIMERS => &mut self.timers.space,
            index => &mut self.stores[index as usize].space,
        }
    }

    /// Brings sizes and indexes up to date after a change of one key.
    pub(crate) fn note(&mut self, id: u16, key: &[u8], change: Change) {
        let space = self.space_mut(id);
        let old = space.bytes;
        space.count(key, change);
        self.bytes = self.bytes - old + self.space_mut(id).bytes;
        match id {
            PANES => self.panes.note(key, change),
            TIMERS => self.timers.index(key, change),
            store => {
                self.expiry.note(store, key, change);
                self.stores[usize::from(store)].versions.note(change);
            }
        }
    }

    /// The declared store of that index.
    pub(crate) fn store(&self, target: u16) -> Result<&Store, StateError> {
        let declared = self.declared_stores;
        let found = self.stores[..declared].get(target as usize);
        found.ok_or(StateError::UnknownStore { target, declared })
    }
}

/// Refuses what would make the bytes of all spaces grow past their limit.
pub(crate) fn check_bytes(
    limits: &Limits,
    total: u64,
    key: &[u8],
    before: Option<crate::slot::Meta>,
    length: usize,
) -> Result<(), StateError> {
    let old = before.map_or(0, |meta| crate::space::weight(key, meta));
    let new = (key.len() + length) as u64 + crate::ENTRY_BYTES;
    if new <= old {
        return Ok(());
    }
    StateError::check(&limits.state_bytes, total - old + new, || "state of the task")
}

#[cfg(test)]
mod tests {
    /// Reads go through a shared reference on other threads, snapshots are written by them.
    #[test]
    fn state_and_its_snapshots_can_be_shared_between_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<crate::TaskState>();
        shared::<crate::FrozenState>();
        shared::<crate::StateError>();
    }
}
