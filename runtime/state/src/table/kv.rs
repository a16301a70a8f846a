//! The hash map behind `kv` stores and timers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::slot::{Key, Slot};

/// Parts of a map. A part grows by itself, so that no insert ever waits for all keys to be moved:
/// at ten million keys one of them is forty thousand.
pub(crate) const PARTS: usize = 256;
/// Bits of the hash that choose the part: the table inside uses those below and above.
const PART_SHIFT: u32 = 48;

type Node = (Key, Slot);

/// A hash map from keys to slots. An empty one holds no memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kv {
    hasher: RandomState,
    /// None, or [`PARTS`] of them.
    parts: Vec<HashTable<Node>>,
    length: usize,
}

impl Kv {
    /// Number of slots, tombstones included.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    #[inline]
    fn place(&self, key: &[u8]) -> (u64, usize) {
        let hash = self.hasher.hash_one(key);
        (hash, (hash >> PART_SHIFT) as usize % PARTS)
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot> {
        let (hash, part) = self.place(key);
        self.parts.get(part)?.find(hash, |node| *node.0 == *key).map(|node| &node.1)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Slot> {
        let (hash, part) = self.place(key);
        let part = self.parts.get_mut(part)?;
        part.find_mut(hash, |node| *node.0 == *key).map(|node| &mut node.1)
    }

    /// Inserts a slot; the key must not be there.
    pub(crate) fn insert_new(&mut self, key: Key, slot: Slot) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashTable::new);
        }
        let (hash, part) = self.place(&key);
        let hasher = &self.hasher;
        self.parts[part].insert_unique(hash, (key, slot), |node| hasher.hash_one(&*node.0));
        self.length += 1;
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Slot> {
        let (hash, part) = self.place(key);
        let entry = self.parts.get_mut(part)?.find_entry(hash, |node| *node.0 == *key).ok()?;
        self.length -= 1;
        Some(entry.remove().0.1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Slot)> {
        self.parts.iter().flatten().map(|(key, slot)| (&**key, slot))
    }

    /// The slots of one of the [`PARTS`].
    pub(crate) fn part(&self, part: usize) -> impl Iterator<Item = (&[u8], &Slot)> {
        self.parts.get(part).into_iter().flatten().map(|(key, slot)| (&**key, slot))
    }

    /// Takes out up to `max` slots.
    pub(crate) fn drain(&mut self, max: usize) -> Vec<Node> {
        let mut out = Vec::with_capacity(max.min(self.length));
        for part in &mut self.parts {
            if out.len() == max {
                break;
            }
            out.extend(part.extract_if(|_| true).take(max - out.len()));
            if part.is_empty() {
                *part = HashTable::new();
            }
        }
        self.length -= out.len();
        out
    }

    /// Makes room for this many more slots.
    pub(crate) fn reserve(&mut self, slots: usize) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashTable::new);
        }
        let each = slots / PARTS + slots / PARTS / 16;
        for part in &mut self.parts {
            part.reserve(each, |node| self.hasher.hash_one(&*node.0));
        }
    }
}
