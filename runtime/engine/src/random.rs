//! Random numbers that a replay repeats: a counter generator over where a record stands, not over
//! code version or batch cut. Not for secrets.

/// FNV-1a over parts, each ended by a zero. Source: Fowler, Noll, Vo.
pub(crate) fn seed(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.iter().chain(&[0])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// The number for this seed, offset and draw: two rounds of the splitmix64 finaliser (Steele, Lea,
/// Flood 2014).
#[must_use]
pub fn random(seed: u64, offset: u64, draw: u32) -> u64 {
    let mix = |z: u64| {
        let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    mix(mix(seed ^ mix(offset)) ^ u64::from(draw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_never_change() {
        let seed = seed(&[b"default/f", b"default/t", &0_u32.to_le_bytes()]);
        assert_eq!(random(seed, 0, 0), random(seed, 0, 0));
        let all: std::collections::HashSet<_> =
            (0..100).flat_map(|o| (0..10).map(move |d| random(seed, o, d))).collect();
        assert_eq!(all.len(), 1_000);
        assert_eq!(random(1, 2, 3), 14_174_850_634_340_415_194);
    }
}
