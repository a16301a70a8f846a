//! Reading a snapshot.

use std::io::Read;

use pelton_core::{Limits, StoreDeclaration, StoreKind, TimeDomain, TimerDeclaration};

use super::blocks::{BlockReader, read_exact};
use super::{MAGIC, VERSION};
use crate::encoding::{read_key, split_pane, split_u16};
use crate::layout::{self, StateLayout};
use crate::slot::Slot;
use crate::state::TaskState;
use crate::{PANES, StateError};

/// Most entries that room is made for before they have been read.
const RESERVE_MAX: u64 = 1 << 24;

/// Layout and counts of a snapshot.
struct Contents {
    stores: Vec<StoreDeclaration>,
    entries: Vec<u64>,
    timers: Vec<TimerDeclaration>,
    timers_set: u64,
    panes: u64,
}

impl TaskState {
    /// Reads a snapshot and goes over to `layout`, as [`Self::relayout`] does: stores and timers
    /// are found by name, and those that the layout lacks are kept.
    ///
    /// Changes that were committed after the snapshot have the indexes of their own layout: where
    /// that may differ, use [`Self::restore_as_written`], replay, and then relayout.
    ///
    /// # Errors
    /// [`StateError::Snapshot`] where it is damaged or cut short anywhere,
    /// [`StateError::SnapshotVersion`] where it is of a newer format, [`StateError::Io`] where
    /// reading fails.
    pub fn restore(layout: StateLayout, reader: &mut dyn Read) -> Result<TaskState, StateError> {
        let mut state = Self::read_snapshot(layout.limits.clone(), reader)?;
        state.relayout(layout);
        Ok(state)
    }

    /// Reads a snapshot under the layout that it was written with, where every store and timer in
    /// it is declared.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn restore_as_written(
        limits: Limits,
        reader: &mut dyn Read,
    ) -> Result<TaskState, StateError> {
        let mut state = Self::read_snapshot(limits, reader)?;
        state.rebuild_expiry();
        Ok(state)
    }

    /// The state that a snapshot holds, without the index of what expires.
    fn read_snapshot(limits: Limits, reader: &mut dyn Read) -> Result<TaskState, StateError> {
        let mut position = 0;
        let mut magic = [0; 8];
        read_exact(reader, &mut magic, &mut position)?;
        if magic != *MAGIC {
            return Err(StateError::Snapshot { at: 0, what: "it does not begin as one".into() });
        }
        let mut version = [0; 4];
        read_exact(reader, &mut version, &mut position)?;
        let found = u32::from_le_bytes(version);
        if found != VERSION {
            return Err(StateError::SnapshotVersion { found, known: VERSION });
        }
        let mut blocks = BlockReader::new(reader, position);
        let contents = read_contents(&mut blocks)?;
        let stores = contents.stores.clone();
        let timers = contents.timers.clone();
        let mut state =
            TaskState::new(StateLayout { stores, timers, limits, ..StateLayout::default() });
        state.read_entries(&contents, &mut blocks)?;
        blocks.finish()?;
        state.bytes = state.size().bytes();
        Ok(state)
    }

    fn read_entries(
        &mut self,
        contents: &Contents,
        blocks: &mut BlockReader<'_>,
    ) -> Result<(), StateError> {
        let mut key = Vec::new();
        for (store, entries) in self.stores.iter_mut().zip(&contents.entries) {
            let room = (*entries).min(RESERVE_MAX) as usize;
            store.space.layers.top(&[]).reserve(room);
            for _ in 0..*entries {
                let slot = read_entry(blocks, &mut key)?;
                let change = layout::insert(&mut store.space, &key, slot);
                store.versions.note(change.ok_or_else(|| twice(blocks))?);
            }
        }
        for _ in 0..contents.timers_set {
            let slot = read_entry(blocks, &mut key)?;
            let parts = split_u16(&key).and_then(|(t, rest)| read_key(rest).map(|_| t));
            if parts.is_none_or(|target| target as usize >= contents.timers.len()) {
                return Err(blocks.damaged("it has a timer that it does not declare"));
            }
            if !self.timers.insert(&key, slot) {
                return Err(twice(blocks));
            }
        }
        for _ in 0..contents.panes {
            let slot = read_entry(blocks, &mut key)?;
            if split_pane(&key).is_none() {
                return Err(blocks.damaged("it has a pane without a window"));
            }
            let change = layout::insert(&mut self.panes.space, &key, slot);
            let change = change.ok_or_else(|| twice(blocks))?;
            self.panes.note(&key, change);
        }
        Ok(())
    }
}

fn twice(blocks: &BlockReader<'_>) -> StateError {
    blocks.damaged("it has a key twice")
}

fn read_contents(blocks: &mut BlockReader<'_>) -> Result<Contents, StateError> {
    let (mut stores, mut entries, mut timers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..u16::from_le_bytes(blocks.array()?) {
        let name = read_name(blocks)?;
        let kind = match blocks.array()? {
            [0] => StoreKind::Kv,
            [1] => StoreKind::Ordered,
            [kind] => return Err(blocks.damaged(format!("store `{name}` is of kind {kind}"))),
        };
        let schema = u32::from_le_bytes(blocks.array()?);
        stores.push(StoreDeclaration { name, kind, schema });
        entries.push(u64::from_le_bytes(blocks.array()?));
    }
    if stores.len() > PANES as usize - 2 {
        return Err(blocks.damaged(format!("it has {} stores", stores.len())));
    }
    for _ in 0..u16::from_le_bytes(blocks.array()?) {
        let name = read_name(blocks)?;
        let domain = match blocks.array()? {
            [0] => TimeDomain::Event,
            [1] => TimeDomain::Processing,
            [domain] => return Err(blocks.damaged(format!("timer `{name}` follows {domain}"))),
        };
        timers.push(TimerDeclaration { name, domain });
    }
    let timers_set = u64::from_le_bytes(blocks.array()?);
    let panes = u64::from_le_bytes(blocks.array()?);
    Ok(Contents { stores, entries, timers, timers_set, panes })
}

fn read_name(blocks: &mut BlockReader<'_>) -> Result<String, StateError> {
    let length = u16::from_le_bytes(blocks.array()?);
    let mut name = Vec::new();
    blocks.append(length.into(), &mut name)?;
    String::from_utf8(name).map_err(|_| blocks.damaged("a name is not UTF-8"))
}

/// Reads an entry: its key into `key`, the rest as a slot.
fn read_entry(blocks: &mut BlockReader<'_>, key: &mut Vec<u8>) -> Result<Slot, StateError> {
    let key_length = u32::from_le_bytes(blocks.array()?);
    let value_length = u32::from_le_bytes(blocks.array()?) as usize;
    let number = i64::from_le_bytes(blocks.array()?);
    let tag = u32::from_le_bytes(blocks.array()?);
    key.clear();
    blocks.append(key_length as usize, key)?;
    // A length that is wrong must not allocate more than the file can fill.
    let mut value = Vec::with_capacity(value_length.min(1 << 20));
    blocks.append(value_length, &mut value)?;
    Ok(Slot::new(value.into(), number, tag))
}
