//! Input that can be made again from its place alone, and what the example functions must make of
//! it, recomputed plainly.

use std::collections::BTreeMap;

/// Keys of the generated records, for each partition.
const KEYS: u64 = 17;
/// Length of the windows that the tests count in, ms.
pub const WINDOW_MS: i64 = 60_000;
/// Distance of the timestamps of neighbours, ms.
const STEP_MS: i64 = 250;

/// A generated record: a flight, more or less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The key.
    pub key: String,
    /// A JSON object with `dep_delay` and `dep_time`; every third is longer than 100 bytes.
    pub value: String,
    /// Ms since the Unix epoch; rises with the offset.
    pub timestamp: i64,
    /// Whether the flight was cancelled.
    pub cancelled: bool,
}

/// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The record at `offset` of `partition`.
#[must_use]
pub fn record(partition: u32, offset: u64) -> Generated {
    let dice = mix(u64::from(partition) << 40 | offset);
    let key = format!("p{partition}-k{}", dice % KEYS);
    let cancelled = (dice >> 8).is_multiple_of(5);
    let (delay, departed) = ((dice >> 16) % 300, dice >> 8);
    let pad = if offset.is_multiple_of(3) { "x".repeat(100) } else { String::new() };
    let value = if cancelled {
        format!(r#"{{"dep_delay":null,"dep_time":null,"n":{offset},"pad":"{pad}"}}"#)
    } else {
        format!(r#"{{"dep_delay":{delay},"dep_time":{departed},"n":{offset},"pad":"{pad}"}}"#)
    };
    let timestamp = 1_700_000_000_000 + offset as i64 * STEP_MS;
    Generated { key, value, timestamp, cancelled }
}

/// The first `count` records of a partition.
pub fn records(partition: u32, count: u64) -> impl Iterator<Item = Generated> {
    (0..count).map(move |offset| record(partition, offset))
}

/// Flights and cancelled flights of each key behind each of the first `count` records.
#[must_use]
pub fn running_flights(partition: u32, count: u64) -> Vec<(String, u64, u64)> {
    let mut totals: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let total = |record: Generated| {
        let total = totals.entry(record.key.clone()).or_default();
        total.0 += 1;
        total.1 += u64::from(record.cancelled);
        (record.key, total.0, total.1)
    };
    records(partition, count).map(total).collect()
}

/// Records of each window and key among the first `count` records, by window, then key.
#[must_use]
pub fn window_counts(partition: u32, count: u64) -> Vec<(i64, String, u64)> {
    let mut counts: BTreeMap<(i64, String), u64> = BTreeMap::new();
    for record in records(partition, count) {
        let start = record.timestamp - record.timestamp.rem_euclid(WINDOW_MS);
        *counts.entry((start, record.key)).or_default() += 1;
    }
    counts.into_iter().map(|((start, key), count)| (start, key, count)).collect()
}
