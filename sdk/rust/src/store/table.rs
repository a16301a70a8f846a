//! A hash index from keys to positions in a list. Keys are never removed but all at once.

/// Open addressing with linear probing, at most half full. A slot holds the key's hash above its
/// position + 1; 0 is free.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<u64>,
    used: usize,
}

/// FxHash over words of eight bytes, its halves folded so that the low bits may be taken. Source:
/// Firefox, as in rustc-hash. Whoever makes keys collide slows their own call.
#[inline]
pub(super) fn hash(key: &[u8]) -> u32 {
    const SEED: u64 = 0x517c_c1b7_2722_0a95;
    let add = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(SEED);
    let mut words = key.chunks_exact(8);
    let mut hash = key.len() as u64;
    for word in &mut words {
        hash = add(hash, word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
    }
    let rest = words.remainder().iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    hash = add(hash, rest);
    (hash ^ hash >> 32) as u32
}

impl Table {
    /// The position of the key with this hash for which `is` says so.
    #[inline]
    pub(super) fn find(&self, hash: u32, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            let position = (slot as u32 as usize).checked_sub(1)?;
            if (slot >> 32) as u32 == hash && is(position) {
                return Some(position);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a key that is not there, at `position`.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, position: usize) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        self.place(u64::from(hash) << 32 | (position as u64 + 1));
        self.used += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let old = core::mem::replace(&mut self.slots, vec![0; size]);
        for slot in old.into_iter().filter(|slot| *slot > 0) {
            self.place(slot);
        }
    }

    #[inline]
    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] > 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    pub(super) fn clear(&mut self) {
        if self.used > 0 {
            self.slots.fill(0);
            self.used = 0;
        }
    }
}
