//! Numbers from a seed.

use std::hash::{BuildHasher, RandomState};

/// A seed that is another in every run.
pub(crate) fn fresh() -> u64 {
    RandomState::new().hash_one(0)
}

/// splitmix64 (Steele, Lea, Flood 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::with_capacity(count + 8);
        while out.len() < count {
            out.extend(self.roll().to_le_bytes());
        }
        out.truncate(count);
        out
    }
}
