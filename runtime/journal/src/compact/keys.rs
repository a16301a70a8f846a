//! The newest offset of each key, in bounded memory.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A key's digest: 128 bits of BLAKE3, so that no two keys ever share one.
type Digest = [u8; 16];

/// Bytes of a slot: digest, offset, and a byte of the table's own.
const SLOT_LEN: u64 = 16 + 8 + 1;

/// The newest offset of each key of a slice of a partition.
#[derive(Default)]
pub(super) struct Keys {
    newest: HashMap<Digest, u64, BuildHasherDefault<FirstBytes>>,
    keys_max: usize,
}

/// Digests are as good as random: their first bytes are their hash.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length of the digest, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How many keys fit `bytes_max`: a table has a power of two of slots, of which seven eighths are
/// used, and stands beside its half while it grows.
pub(super) fn keys_max(bytes_max: u64) -> usize {
    let slots = (bytes_max * 2 / (3 * SLOT_LEN)).max(8);
    (1usize << slots.ilog2()) / 8 * 7
}

impl Keys {
    pub(super) fn new(bytes_max: u64) -> Keys {
        Keys { newest: HashMap::default(), keys_max: keys_max(bytes_max) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest.is_empty()
    }

    /// Notes a record, unless there is no room for another key.
    pub(super) fn note(&mut self, key: &[u8], offset: u64) -> bool {
        let digest = digest(key);
        if self.newest.len() >= self.keys_max && !self.newest.contains_key(&digest) {
            return false;
        }
        self.newest.insert(digest, offset);
        true
    }

    /// Whether a younger record of this key was noted.
    pub(super) fn is_superseded(&self, key: &[u8], offset: u64) -> bool {
        self.newest.get(&digest(key)).is_some_and(|newest| *newest > offset)
    }
}

fn digest(key: &[u8]) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_takes_known_keys_and_no_others() {
        let mut keys = Keys::new(4 << 10);
        let most = keys_max(4 << 10) as u64;
        assert!((0..most).all(|key| keys.note(&key.to_le_bytes(), key)));
        assert!(!keys.note(b"one more", most));
        assert!(keys.note(&3u64.to_le_bytes(), most));
        assert!(keys.is_superseded(&3u64.to_le_bytes(), 3));
        assert!(!keys.is_superseded(b"one more", 0));
    }

    #[test]
    fn the_table_stays_within_its_bytes_while_it_grows() {
        for bytes_max in [4 << 10, 64 << 10, 1 << 20] {
            let mut keys = Keys::new(bytes_max);
            let mut before = 0;
            for key in 0..keys_max(bytes_max) as u64 {
                keys.note(&key.to_le_bytes(), key);
                let slots = (keys.newest.capacity() as u64 * 8).div_ceil(7);
                let growing = if slots > before { before } else { 0 };
                assert!((slots + growing) * SLOT_LEN <= bytes_max, "{slots} {before}");
                before = slots;
            }
        }
    }
}
