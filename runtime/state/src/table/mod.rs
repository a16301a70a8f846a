//! Tables: a key, a slot. Nothing here knows of layers, undo or limits.

mod kv;
mod ordered;

use pelton_core::StoreKind;

use kv::Kv;
pub(crate) use kv::PARTS as KV_PARTS;
pub(crate) use ordered::{KeyRange, Ordered};

use crate::slot::{Key, Slot};

/// A table of one of the two kinds.
#[derive(Debug, Clone)]
pub(crate) enum Table {
    Kv(Kv),
    Ordered(Ordered),
}

/// Calls the same method of whichever table it is.
macro_rules! either {
    ($table:expr, $inner:ident => $body:expr) => {
        match $table {
            Table::Kv($inner) => $body,
            Table::Ordered($inner) => $body,
        }
    };
}

impl Table {
    /// An empty table.
    pub(crate) fn new(kind: StoreKind) -> Self {
        match kind {
            StoreKind::Kv => Self::Kv(Kv::default()),
            StoreKind::Ordered => Self::Ordered(Ordered::default()),
        }
    }

    pub(crate) fn kind(&self) -> StoreKind {
        match self {
            Self::Kv(_) => StoreKind::Kv,
            Self::Ordered(_) => StoreKind::Ordered,
        }
    }

    /// Number of slots, tombstones included.
    pub(crate) fn len(&self) -> usize {
        either!(self, table => table.len())
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        either!(self, table => table.get(key))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Slot> {
        either!(self, table => table.get_mut(key))
    }

    /// Inserts a slot; the key must not be there.
    pub(crate) fn insert_new(&mut self, key: Key, slot: Slot) {
        either!(self, table => table.insert_new(key, slot));
    }

    /// Sets the slot of a key.
    pub(crate) fn set(&mut self, key: &[u8], slot: Slot) {
        match self.get_mut(key) {
            Some(old) => *old = slot,
            None => self.insert_new(key.into(), slot),
        }
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Slot> {
        either!(self, table => table.remove(key))
    }

    /// All slots, tombstones included; in key order only where the table has one.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &Slot)> + '_> {
        match self {
            Self::Kv(table) => Box::new(table.iter()),
            Self::Ordered(table) => Box::new(table.iter()),
        }
    }

    /// The slots of one of the [`KV_PARTS`] of a hash map, tombstones included; none of a tree.
    pub(crate) fn part(&self, part: usize) -> impl Iterator<Item = (&[u8], &Slot)> {
        let map = match self {
            Self::Kv(table) => Some(table),
            Self::Ordered(_) => None,
        };
        map.into_iter().flat_map(move |table| table.part(part))
    }

    /// Takes out up to `max` slots.
    pub(crate) fn drain(&mut self, max: usize) -> Vec<(Key, Slot)> {
        either!(self, table => table.drain(max))
    }

    /// Makes room for this many more slots, where that saves work.
    pub(crate) fn reserve(&mut self, slots: usize) {
        if let Self::Kv(table) = self {
            table.reserve(slots);
        }
    }
}
