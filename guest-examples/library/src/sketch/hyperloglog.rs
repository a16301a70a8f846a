//! Counting distinct values in little memory (Flajolet et al., 2007), with hashes of 64 bits as
//! Heule et al. (2013) propose, and the estimator of Ertl (2017), which needs no tables.

use serde::{Deserialize, Serialize};

/// For each of 2^precision registers the most zeros in front of a hash, and one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HyperLogLog {
    registers: Vec<u8>,
}

/// FNV-1a, stirred by the finaliser of SplitMix64: FNV alone leaves the upper bits too regular.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl HyperLogLog {
    /// Adds a hash, with 2^`precision` registers.
    pub(crate) fn add(&mut self, hash: u64, precision: u32) {
        self.registers.resize(1 << precision, 0);
        let register = (hash >> (64 - precision)) as usize;
        let rest = (hash << precision) | (1 << (precision - 1));
        let rank = rest.leading_zeros() as u8 + 1;
        self.registers[register] = self.registers[register].max(rank);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if self.registers.is_empty() {
            self.registers.clone_from(&other.registers);
        }
        for (mine, other) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*other);
        }
    }

    /// About how many distinct hashes have been added: off by more than 1.04 / sqrt(registers) in
    /// about a third of all cases.
    pub(crate) fn estimate(&self) -> u64 {
        let registers = self.registers.len() as f64;
        if self.registers.is_empty() {
            return 0;
        }
        let most = 64 - self.registers.len().trailing_zeros() as usize;
        let mut counts = vec![0.0; most + 2];
        for rank in &self.registers {
            counts[usize::from(*rank).min(most + 1)] += 1.0;
        }
        let mut z = registers * tau(1.0 - counts[most + 1] / registers);
        for count in counts[1..=most].iter().rev() {
            z = 0.5 * (z + count);
        }
        z += registers * sigma(counts[0] / registers);
        (registers * registers / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}
