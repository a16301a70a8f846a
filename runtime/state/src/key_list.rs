//! Many short keys in one piece of memory.

use std::ops::Range;

/// A list of keys.
#[derive(Debug, Default)]
pub(crate) struct KeyList {
    bytes: Vec<u8>,
    /// Where each key is.
    keys: Vec<Range<usize>>,
}

impl KeyList {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn push(&mut self, key: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.keys.push(start..self.bytes.len());
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.keys.iter().map(|key| &self.bytes[key.clone()])
    }

    /// Sorts the keys, and leaves one of those that are equal.
    pub(crate) fn sort(&mut self) {
        let bytes = &self.bytes;
        self.keys.sort_by(|a, b| bytes[a.clone()].cmp(&bytes[b.clone()]));
        self.keys.dedup_by(|a, b| bytes[a.clone()] == bytes[b.clone()]);
    }

    /// Keeps those for which `keep` answers true, and gives the memory of the others back.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&[u8]) -> bool) {
        let mut kept = Self::default();
        self.iter().filter(|key| keep(key)).for_each(|key| kept.push(key));
        *self = kept;
    }

    /// Forgets the first `count` keys.
    pub(crate) fn drop_first(&mut self, count: usize) {
        if count == self.len() {
            *self = Self::default();
        } else if count > 0 {
            self.keys.drain(..count);
            self.retain(|_| true);
        }
    }

    /// Moves all keys of the other list to the end of this one.
    pub(crate) fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        other.iter().for_each(|key| self.push(key));
        *other = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(keys: &[&[u8]]) -> KeyList {
        let mut list = KeyList::default();
        keys.iter().for_each(|key| list.push(key));
        list
    }

    fn all(list: &KeyList) -> Vec<&[u8]> {
        list.iter().collect()
    }

    #[test]
    fn keys_are_sorted_once_each() {
        let mut keys = list(&[b"b", b"", b"aa", b"b", b"a"]);
        keys.sort();
        assert_eq!(all(&keys), [&b""[..], b"a", b"aa", b"b"]);
    }

    #[test]
    fn what_is_dropped_or_moved_leaves_the_rest_in_order() {
        let mut keys = list(&[b"a", b"b", b"c"]);
        keys.drop_first(1);
        let mut more = list(&[b"d"]);
        keys.append(&mut more);
        keys.retain(|key| key != b"c");
        assert_eq!(all(&keys), [b"b", b"d"]);
        assert!(more.is_empty());
        keys.drop_first(2);
        assert!(keys.is_empty());
    }
}
