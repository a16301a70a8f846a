//! Chance from a seed.

use super::put;

const SECTOR: usize = 512;

/// xorshift64*: enough chance for choosing sectors.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Writes all of it, nothing, or some of its sectors.
    pub(super) fn keep_some(&mut self, to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
        match self.below(3) {
            0 => {}
            1 => put(to, at, bytes),
            _ => {
                let mut from = 0;
                while from < bytes.len() {
                    let sector_end = (at + from) / SECTOR * SECTOR + SECTOR - at;
                    let end = sector_end.min(bytes.len());
                    if self.below(2) == 0 {
                        put(to, at + from, &bytes[from..end]);
                    }
                    from = end;
                }
            }
        }
    }
}
