//! A table that can be frozen: a base that another thread reads, and an overlay for what is
//! written meanwhile.
//!
//! Owned, until [`Layers::freeze`] moves the table behind an `Arc`. Frozen, every write goes to
//! the overlay, a tombstone hides a key of the base. Once the reader has let go the base is ours
//! again, and [`Layers::fold`] moves the overlay back a slice at a time; a write in that phase
//! first moves its own key back and then goes to the base, so that the overlay only shrinks.

use std::sync::Arc;

use pelton_core::StoreKind;

use crate::merge::Merge;
use crate::slot::{Key, Meta, Slot};
use crate::table::{KeyRange, Table};

#[derive(Debug)]
pub(crate) enum Layers {
    Owned(Table),
    Frozen { base: Arc<Table>, overlay: Table },
    Folding { base: Table, overlay: Table },
}

impl Layers {
    pub(crate) fn new(table: Table) -> Self {
        Self::Owned(table)
    }

    pub(crate) fn kind(&self) -> StoreKind {
        match self {
            Self::Owned(table) => table.kind(),
            Self::Frozen { overlay, .. } | Self::Folding { overlay, .. } => overlay.kind(),
        }
    }

    /// Whether there is no overlay.
    pub(crate) fn is_owned(&self) -> bool {
        matches!(self, Self::Owned(_))
    }

    /// The slot of a key as the overlay and the base together have it; never a tombstone.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        let (base, overlay) = match self {
            Self::Owned(table) => return table.get(key),
            Self::Frozen { base, overlay } => (&**base, overlay),
            Self::Folding { base, overlay } => (base, overlay),
        };
        match overlay.get(key) {
            Some(slot) => slot.value.is_some().then_some(slot),
            None => base.get(key),
        }
    }

    #[inline]
    pub(crate) fn meta(&self, key: &[u8]) -> Option<Meta> {
        self.get(key).and_then(Slot::meta)
    }

    /// The table that takes writes of this key. What it holds under it may be a tombstone; where it
    /// holds nothing, [`Self::below`] may.
    #[inline]
    pub(crate) fn top(&mut self, key: &[u8]) -> &mut Table {
        match self {
            Self::Owned(table) => table,
            Self::Frozen { overlay, .. } => overlay,
            Self::Folding { base, overlay } => {
                if let Some(slot) = overlay.remove(key) {
                    settle(base, key.into(), slot);
                }
                base
            }
        }
    }

    /// The slot under this key in the frozen base.
    #[inline]
    pub(crate) fn below(&self, key: &[u8]) -> Option<&Slot> {
        match self {
            Self::Frozen { base, .. } => base.get(key),
            _ => None,
        }
    }

    /// All slots that are no tombstones, in no order.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (&[u8], &Slot)> + '_> {
        let (base, overlay) = match self {
            Self::Owned(table) => return table.iter(),
            Self::Frozen { base, overlay } => (&**base, overlay),
            Self::Folding { base, overlay } => (base, overlay),
        };
        let hidden = |entry: &(&[u8], &Slot)| overlay.get(entry.0).is_none();
        let live = overlay.iter().filter(|entry| entry.1.value.is_some());
        Box::new(live.chain(base.iter().filter(hidden)))
    }

    /// The slots of a part of the hash maps that are no tombstones: see [`Table::part`]. A key of
    /// the base and the same key of the overlay may lie in different parts.
    pub(crate) fn part(&self, part: usize) -> Box<dyn Iterator<Item = (&[u8], &Slot)> + '_> {
        let (base, overlay) = match self {
            Self::Owned(table) => return Box::new(table.part(part)),
            Self::Frozen { base, overlay } => (&**base, overlay),
            Self::Folding { base, overlay } => (base, overlay),
        };
        let hidden = |entry: &(&[u8], &Slot)| overlay.get(entry.0).is_none();
        let live = overlay.part(part).filter(|entry| entry.1.value.is_some());
        Box::new(live.chain(base.part(part).filter(hidden)))
    }

    /// The slots of a range in order; `None` where the table has none.
    pub(crate) fn range(&self, range: KeyRange<'_>, reverse: bool) -> Option<Merge<'_>> {
        let (base, overlay) = match self {
            Self::Owned(table) => (table, None),
            Self::Frozen { base, overlay } => (&**base, Some(overlay)),
            Self::Folding { base, overlay } => (base, Some(overlay)),
        };
        Merge::new(base, overlay, range, reverse)
    }

    /// Shares the table as it is now. Takes the same time whatever its size, unless an earlier
    /// freeze has not been folded back: then that is done first, by a copy of everything if its
    /// reader is still at work.
    pub(crate) fn freeze(&mut self) -> Arc<Table> {
        let base = Arc::new(self.take());
        let overlay = Table::new(base.kind());
        *self = Self::Frozen { base: Arc::clone(&base), overlay };
        base
    }

    /// Everything as one table, at once; leaves nothing behind.
    pub(crate) fn take(&mut self) -> Table {
        let empty = Self::Owned(Table::new(self.kind()));
        let (mut base, mut overlay) = match std::mem::replace(self, empty) {
            Self::Owned(table) => return table,
            Self::Frozen { base, overlay } => (Arc::unwrap_or_clone(base), overlay),
            Self::Folding { base, overlay } => (base, overlay),
        };
        for (key, slot) in overlay.drain(usize::MAX) {
            settle(&mut base, key, slot);
        }
        base
    }

    /// Moves up to `max` slots of the overlay back into the base, takes what it moved off `max`,
    /// and tells whether nothing is left to do. While the base is being read it is not.
    pub(crate) fn fold(&mut self, max: &mut usize) -> bool {
        self.reclaim();
        let Self::Folding { base, overlay } = self else {
            return matches!(self, Self::Owned(_));
        };
        let moved = overlay.drain(*max);
        *max -= moved.len();
        for (key, slot) in moved {
            settle(base, key, slot);
        }
        if overlay.len() > 0 {
            return false;
        }
        let base = std::mem::replace(base, Table::new(StoreKind::Kv));
        *self = Self::Owned(base);
        true
    }

    /// From frozen to folding, once nobody else holds the base.
    fn reclaim(&mut self) {
        if !matches!(self, Self::Frozen { base, .. } if Arc::strong_count(base) == 1) {
            return;
        }
        let empty = Self::Owned(Table::new(self.kind()));
        if let Self::Frozen { base, overlay } = std::mem::replace(self, empty) {
            *self = match Arc::try_unwrap(base) {
                Ok(base) => Self::Folding { base, overlay },
                Err(base) => Self::Frozen { base, overlay },
            };
        }
    }
}

/// Moves a slot of the overlay into the base.
fn settle(base: &mut Table, key: Key, slot: Slot) {
    if slot.value.is_none() {
        base.remove(&key);
        return;
    }
    match base.get_mut(&key) {
        Some(old) => *old = slot,
        None => base.insert_new(key, slot),
    }
}
