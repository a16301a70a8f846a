//! A space: the layers of one store, of the timers or of the panes, written with undo.

use crate::error::StateError;
use crate::layers::Layers;
use crate::slot::{Meta, Slot, Value};
use crate::table::Table;
use crate::undo::{Old, Saved, UndoLog};

/// What a write changed: the key's meta before and after. Indexes and sizes follow from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) before: Option<Meta>,
    pub(crate) after: Option<Meta>,
}

/// What a move changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) left: Change,
    pub(crate) came: Change,
}

impl Moved {
    fn of(meta: Meta) -> Self {
        Self {
            left: Change { before: Some(meta), after: None },
            came: Change { before: None, after: Some(meta) },
        }
    }
}

/// One of the key spaces of a task.
#[derive(Debug)]
pub(crate) struct Space {
    /// Its number in undo records.
    pub(crate) id: u16,
    pub(crate) layers: Layers,
    /// Entries that are there.
    pub(crate) entries: u64,
    /// Their bytes: key, value and [`crate::ENTRY_BYTES`] each.
    pub(crate) bytes: u64,
}

/// Bytes that an entry counts.
pub(crate) fn weight(key: &[u8], meta: Meta) -> u64 {
    (key.len() + meta.length) as u64 + crate::ENTRY_BYTES
}

impl Space {
    pub(crate) fn new(id: u16, table: Table) -> Self {
        Self { id, layers: Layers::new(table), entries: 0, bytes: 0 }
    }

    /// Puts a value. `admit` is given what is there and answers the slot's two numbers, or refuses.
    pub(crate) fn put(
        &mut self,
        undo: &mut UndoLog,
        key: &[u8],
        value: &[u8],
        admit: impl FnOnce(Option<Meta>) -> Result<(i64, u32), StateError>,
    ) -> Result<Change, StateError> {
        let Some(slot) = self.layers.top(key).get_mut(key) else {
            let before = self.layers.below(key).and_then(Slot::meta);
            let (number, tag) = admit(before)?;
            let mut slot = Slot::new(undo.buffer(value), number, tag);
            slot.undo = undo.record(self.id, key, Old::Slot(None));
            let after = slot.meta();
            self.layers.top(key).insert_new(key.into(), slot);
            return Ok(Change { before, after });
        };
        let before = slot.meta();
        let (number, tag) = admit(before)?;
        if undo.saved(self.id, key, slot.undo) == Saved::Whole {
            slot.overwrite(value);
        } else {
            let new = Slot::new(undo.buffer(value), number, tag);
            let old = std::mem::replace(slot, new);
            slot.undo = undo.record(self.id, key, Old::Slot(Some(old)));
        }
        (slot.number, slot.tag) = (number, tag);
        Ok(Change { before, after: slot.meta() })
    }

    /// Appends to the value, or puts it where there is none.
    pub(crate) fn append(
        &mut self,
        undo: &mut UndoLog,
        key: &[u8],
        bytes: &[u8],
        admit: impl FnOnce(Option<Meta>) -> Result<(i64, u32), StateError>,
    ) -> Result<Change, StateError> {
        let Some(slot) = self.layers.top(key).get_mut(key) else {
            let below = self.layers.below(key);
            let before = below.and_then(Slot::meta);
            let (number, tag) = admit(before)?;
            let mut value = Value::with_capacity(before.map_or(0, |b| b.length) + bytes.len());
            value.extend_from_slice(below.map_or(&[][..], Slot::bytes));
            value.extend_from_slice(bytes);
            let mut slot = Slot::new(value, number, tag);
            slot.undo = undo.record(self.id, key, Old::Slot(None));
            let after = slot.meta();
            self.layers.top(key).insert_new(key.into(), slot);
            return Ok(Change { before, after });
        };
        let before = slot.meta();
        let (number, tag) = admit(before)?;
        match (&mut slot.value, before) {
            (Some(value), Some(old)) => {
                if undo.saved(self.id, key, slot.undo) == Saved::No {
                    let Meta { length, number, tag } = old;
                    slot.undo = undo.record(self.id, key, Old::Kept { length, number, tag });
                }
                value.extend_from_slice(bytes);
            }
            _ => {
                let new = Slot::new(Value::from_slice(bytes), number, tag);
                let old = std::mem::replace(slot, new);
                slot.undo = undo.record(self.id, key, Old::Slot(Some(old)));
            }
        }
        (slot.number, slot.tag) = (number, tag);
        Ok(Change { before, after: slot.meta() })
    }

    /// Removes a key; `None` where it is not there.
    pub(crate) fn remove(&mut self, undo: &mut UndoLog, key: &[u8]) -> Option<Change> {
        let before = self.layers.meta(key)?;
        let hides = self.layers.below(key).is_some();
        let top = self.layers.top(key);
        let old = top.remove(key);
        let mark = undo.record(self.id, key, Old::Slot(old));
        if hides {
            let tombstone = Slot { undo: mark, ..Slot::tombstone() };
            top.insert_new(key.into(), tombstone);
        }
        Some(Change { before: Some(before), after: None })
    }

    /// Moves what lies under `from` to `to`, where nothing is; `None` where `from` has nothing. What
    /// is not frozen is not copied.
    pub(crate) fn rename(&mut self, undo: &mut UndoLog, from: &[u8], to: &[u8]) -> Option<Moved> {
        let meta = self.layers.meta(from)?;
        debug_assert!(self.layers.get(to).is_none(), "the new key is taken");
        let below = self.layers.below(from).cloned();
        let hides = below.is_some();
        let top = self.layers.top(from);
        let on_top = top.remove(from);
        let was_on_top = on_top.is_some();
        if hides {
            top.insert_new(from.into(), Slot::tombstone());
        }
        let slot = on_top.or(below)?;
        self.layers.top(to).set(to, Slot { undo: crate::slot::UNMARKED, ..slot });
        let old = Old::Moved { length: to.len(), was_on_top };
        undo.record(self.id, &[to, from].concat(), old);
        Some(Moved::of(meta))
    }

    /// Takes a move back.
    pub(crate) fn rename_back(
        &mut self,
        to: &[u8],
        from: &[u8],
        was_on_top: bool,
    ) -> Option<Moved> {
        let meta = self.layers.meta(to)?;
        let hides = self.layers.below(to).is_some();
        let top = self.layers.top(to);
        let slot = top.remove(to)?;
        if hides {
            top.insert_new(to.into(), Slot::tombstone());
        }
        let top = self.layers.top(from);
        top.remove(from);
        if was_on_top {
            top.insert_new(from.into(), slot);
        }
        Some(Moved::of(meta))
    }

    /// Puts back what an undo record holds.
    pub(crate) fn restore(&mut self, key: &[u8], old: Old) -> Change {
        let before = self.layers.meta(key);
        let top = self.layers.top(key);
        match old {
            Old::Slot(None) => {
                top.remove(key);
            }
            Old::Slot(Some(slot)) => top.set(key, slot),
            Old::Kept { length, number, tag } => {
                if let Some(slot) = top.get_mut(key) {
                    (slot.number, slot.tag) = (number, tag);
                    if let Some(value) = &mut slot.value {
                        value.truncate(length);
                    }
                }
            }
            Old::Moved { .. } => debug_assert!(false, "see `Self::rename_back`"),
        }
        Change { before, after: self.layers.meta(key) }
    }

    /// Brings the sizes up to date.
    pub(crate) fn count(&mut self, key: &[u8], change: Change) {
        if let Some(meta) = change.before {
            self.entries -= 1;
            self.bytes -= weight(key, meta);
        }
        if let Some(meta) = change.after {
            self.entries += 1;
            self.bytes += weight(key, meta);
        }
    }
}

#[cfg(test)]
mod tests {
    use pelton_core::StoreKind;

    use super::*;

    fn put(space: &mut Space, undo: &mut UndoLog, value: &[u8]) {
        space.put(undo, b"key", value, |_| Ok((0, 0))).unwrap();
    }

    fn address(space: &Space) -> *const u8 {
        space.layers.get(b"key").unwrap().bytes().as_ptr()
    }

    #[test]
    fn a_value_of_the_same_length_takes_a_buffer_that_is_there() {
        for kind in [StoreKind::Kv, StoreKind::Ordered] {
            let (mut space, mut undo) = (Space::new(0, Table::new(kind)), UndoLog::default());
            undo.begin();
            put(&mut space, &mut undo, b"a value that lies outside: 1111");
            let first = address(&space);
            put(&mut space, &mut undo, b"a value that lies outside: 2222");
            assert_eq!(address(&space), first, "what this call wrote is overwritten");
            undo.accept();
            undo.begin();
            put(&mut space, &mut undo, b"a value that lies outside: 3333");
            let second = address(&space);
            undo.accept();
            undo.begin();
            put(&mut space, &mut undo, b"a value that lies outside: 4444");
            assert_eq!(address(&space), first, "the buffer of the old value comes back");
            undo.rollback(|_, key, old| {
                space.restore(key, old);
            });
            assert_eq!(address(&space), second, "the old value is moved, not copied");
        }
    }

    #[test]
    fn an_append_is_taken_back_without_a_copy_even_after_a_put() {
        let mut space = Space::new(0, Table::new(StoreKind::Kv));
        let mut undo = UndoLog::default();
        put(&mut space, &mut undo, b"kept");
        undo.begin();
        space.append(&mut undo, b"key", b"+", |_| Ok((1, 1))).unwrap();
        put(&mut space, &mut undo, b"other");
        space.append(&mut undo, b"key", b"+", |_| Ok((2, 2))).unwrap();
        let change = undo_all(&mut space, &mut undo);
        assert_eq!(space.layers.get(b"key").unwrap().bytes(), b"kept");
        assert_eq!(change.map(|change| change.after), space.layers.meta(b"key").map(Some));
    }

    fn undo_all(space: &mut Space, undo: &mut UndoLog) -> Option<Change> {
        let mut last = None;
        undo.rollback(|_, key, old| last = Some(space.restore(key, old)));
        last
    }
}
