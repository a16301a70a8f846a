//! The records that the benches work on: the same for a seed, everywhere.

use pelton_batch::RecordsBuilder;

/// Bytes of a record: a key of 16 and a value of 100.
pub const RECORD_BYTES: usize = 116;
/// Records of a batch as a producer sends it.
pub const BATCH: usize = 1_000;

/// Numbers that look random (splitmix64).
#[derive(Debug, Clone)]
pub struct Numbers(u64);

impl Numbers {
    /// A sequence of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// The next one below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }
}

/// A record in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// ms.
    pub timestamp: i64,
}

/// The key with this number: 16 bytes.
#[must_use]
pub fn key(number: u64) -> Vec<u8> {
    format!("sensor-{number:09}").into_bytes()
}

/// A value of 100 bytes that starts with an amount of eight digits.
fn value(numbers: &mut Numbers) -> Vec<u8> {
    let mut value = format!("{:08},", numbers.below(100_000_000)).into_bytes();
    while value.len() < 100 {
        value.push(b'a' + numbers.below(26) as u8);
    }
    value
}

/// `count` records over `keys` keys, two each ms, in order of their time.
#[must_use]
pub fn records(count: usize, keys: u64) -> Vec<Owned> {
    let mut numbers = Numbers::new(1);
    let start = 1_700_000_040_000;
    let record = |index: usize| Owned {
        key: key(numbers.below(keys)),
        value: value(&mut numbers),
        timestamp: start + index as i64 / 2,
    };
    (0..count).map(record).collect()
}

/// Adds records to a builder.
pub fn push(builder: &mut RecordsBuilder, records: &[Owned]) {
    for record in records {
        builder.push(Some(&record.key), Some(&record.value), record.timestamp);
    }
}

/// One batch of [`BATCH`] records of [`RECORD_BYTES`].
#[must_use]
pub fn batch() -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    push(&mut builder, &records(BATCH, 10_000));
    builder.finish()
}
