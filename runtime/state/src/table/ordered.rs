//! The tree behind `ordered` stores and panes.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::slot::{Key, Slot};

/// A range of keys: `start` inclusive, `end` exclusive, `None` for no end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyRange<'a> {
    pub(crate) start: &'a [u8],
    pub(crate) end: Option<&'a [u8]>,
}

impl KeyRange<'_> {
    fn is_empty(&self) -> bool {
        self.end.is_some_and(|end| end <= self.start)
    }
}

/// Slots in the order of their keys, bytes unsigned.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ordered {
    slots: BTreeMap<Key, Slot>,
}

impl Ordered {
    /// Number of slots, tombstones included.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        self.slots.get(key)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    /// Inserts a slot; the key must not be there.
    pub(crate) fn insert_new(&mut self, key: Key, slot: Slot) {
        self.slots.insert(key, slot);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Slot> {
        self.slots.remove(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Slot)> {
        self.slots.iter().map(|(key, slot)| (&**key, slot))
    }

    /// The slots of a range, tombstones included.
    pub(crate) fn range<'a>(
        &'a self,
        range: KeyRange<'_>,
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a Slot)> + use<'a> {
        // BTreeMap panics where a range ends before it starts.
        let range = if range.is_empty() { KeyRange { start: &[], end: Some(&[]) } } else { range };
        let end = range.end.map_or(Bound::Unbounded, Bound::Excluded);
        let slots = self.slots.range::<[u8], _>((Bound::Included(range.start), end));
        slots.map(|(key, slot)| (&**key, slot))
    }

    /// Takes out up to `max` slots.
    pub(crate) fn drain(&mut self, max: usize) -> Vec<(Key, Slot)> {
        std::iter::from_fn(|| self.slots.pop_first()).take(max).collect()
    }
}
