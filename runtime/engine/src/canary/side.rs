//! Which version a key belongs to.

use pelton_core::murmur2;

/// Keys are divided into so many parts: a share is told to a hundredth of a percent.
pub const CANARY_PARTS: u32 = 10_000;

/// Where a key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Through the old version.
    Old,
    /// Through the old version, in calls of its own: what the new one is measured against.
    Control,
    /// Through the new version.
    New,
}

/// Where what is known by these bytes goes (a record's key, or its offset where it has none), where
/// the new version gets `parts` of [`CANARY_PARTS`]: murmur2 without its sign, modulo the parts.
///
/// A partition has the keys that agree in this hash modulo the number of partitions: so that each
/// gets its share, the hash is mixed once more.
#[must_use]
pub fn side_of(key: &[u8], parts: u32) -> Side {
    let hash = murmur2(key) as u32 & 0x7fff_ffff;
    // The finalizer of murmur3: a bijection.
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    let part = (hash ^ hash >> 16) % CANARY_PARTS;
    match part {
        part if part < parts => Side::New,
        part if part < parts.saturating_mul(2) => Side::Control,
        _ => Side::Old,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(parts: u32, keys: impl Iterator<Item = String>) -> [f64; 2] {
        let sides: Vec<_> = keys.map(|key| side_of(key.as_bytes(), parts)).collect();
        let count = |side| sides.iter().filter(|found| **found == side).count();
        [Side::New, Side::Control].map(|side| count(side) as f64 / sides.len() as f64)
    }

    #[test]
    fn keys_are_shared_out_as_asked_for_within_a_partition_too() {
        let keys = || (0..50_000).map(|n| format!("key-{n}"));
        for percent in [1, 10, 30] {
            let parts = percent * CANARY_PARTS / 100;
            let of_partition =
                keys().filter(|key| pelton_core::partition_for_key(key.as_bytes(), 10) == 3);
            for found in [shares(parts, keys()), shares(parts, of_partition)].as_flattened() {
                let asked = f64::from(percent) / 100.0;
                assert!((found - asked).abs() < 0.03, "{found} of {asked}");
            }
        }
        assert_eq!(shares(0, keys()), [0.0, 0.0]);
        assert_eq!(shares(CANARY_PARTS, keys()), [1.0, 0.0]);
    }

    #[test]
    fn a_key_that_is_in_a_share_is_in_every_larger_one() {
        for n in 0..1_000_u32 {
            let key = n.to_le_bytes();
            let first = (0..=CANARY_PARTS).find(|parts| side_of(&key, *parts) == Side::New);
            assert_eq!(side_of(&key, first.unwrap() + 1), Side::New);
        }
    }
}
