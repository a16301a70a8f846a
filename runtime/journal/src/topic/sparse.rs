//! The bytes of a sparse part: what compaction left of one or more batches.
//!
//! ```text
//! 0  number of tombstones     u32
//! 4  zero                     u32
//! 8  offset of each record, from the part's base, rising: u32 each, padded to 8 bytes
//! .. commit time of each tombstone, ms, in the order of the records: i64 each
//! .. a batch of the records
//! ```
//! The part covers every offset of the batches that it stands for, also where none of their
//! records is left: so a partition's offsets have no hole that could not be told from damage.

use bytes::Bytes;

use crate::bytes_of::{u32_at, u64_at};
use crate::frame::padded;

const HEAD_LEN: usize = 8;

/// Offsets and tombstones of a sparse part.
#[derive(Debug, Clone)]
pub(crate) struct Sparse {
    deltas: Bytes,
    /// Commit times of the tombstones.
    times: Bytes,
}

/// What stands before the batch.
pub(crate) fn prefix(deltas: &[u32], times: &[i64]) -> Vec<u8> {
    let deltas_len = padded(4 * deltas.len());
    let mut out = Vec::with_capacity(prefix_len(deltas.len(), times.len()));
    out.extend_from_slice(&(times.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    deltas.iter().for_each(|delta| out.extend_from_slice(&delta.to_le_bytes()));
    out.resize(HEAD_LEN + deltas_len, 0);
    times.iter().for_each(|time| out.extend_from_slice(&time.to_le_bytes()));
    out
}

pub(crate) fn prefix_len(rows: usize, tombstones: usize) -> usize {
    HEAD_LEN + padded(4 * rows) + 8 * tombstones
}

impl Sparse {
    /// Takes a part of `rows` records apart: this, and the batch. `None` where it is not one.
    pub(crate) fn split(part: &Bytes, rows: u32, span: u32) -> Option<(Sparse, Bytes)> {
        if part.len() < HEAD_LEN {
            return None;
        }
        let (rows, tombstones) = (rows as usize, u32_at(part, 0) as usize);
        let times_at = HEAD_LEN + padded(4 * rows);
        let batch_at = times_at.checked_add(8 * tombstones)?;
        if tombstones > rows || batch_at > part.len() {
            return None;
        }
        let deltas = part.slice(HEAD_LEN..HEAD_LEN + 4 * rows);
        let sparse = Sparse { deltas, times: part.slice(times_at..batch_at) };
        let mut next = 0u64;
        for row in 0..rows {
            let delta = u64::from(sparse.delta(row));
            if delta < next || delta >= u64::from(span) {
                return None;
            }
            next = delta + 1;
        }
        Some((sparse, part.slice(batch_at..)))
    }

    pub(crate) fn len(&self) -> usize {
        self.deltas.len() / 4
    }

    /// The offset of `row`, from the part's base.
    pub(crate) fn delta(&self, row: usize) -> u32 {
        u32_at(&self.deltas, 4 * row)
    }

    /// The first row at or behind this offset from the base.
    pub(crate) fn row_at(&self, delta: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if u64::from(self.delta(middle)) < delta {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The commit time of the so-manieth tombstone.
    pub(crate) fn tombstone_ms(&self, number: usize) -> Option<i64> {
        (8 * number < self.times.len()).then(|| u64_at(&self.times, 8 * number) as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_reads_back(
            deltas in prop::collection::btree_set(0..5_000u32, 0..40),
            times in prop::collection::vec(any::<i64>(), 0..40),
        ) {
            let deltas: Vec<u32> = deltas.into_iter().collect();
            let times = &times[..times.len().min(deltas.len())];
            let mut bytes = prefix(&deltas, times);
            prop_assert_eq!(bytes.len(), prefix_len(deltas.len(), times.len()));
            bytes.extend_from_slice(b"batch");
            let rows = deltas.len() as u32;
            let (sparse, batch) = Sparse::split(&Bytes::from(bytes), rows, 5_000).unwrap();
            prop_assert_eq!(batch, "batch");
            for (row, delta) in deltas.iter().enumerate() {
                prop_assert_eq!(sparse.delta(row), *delta);
            }
            for (number, time) in times.iter().enumerate() {
                prop_assert_eq!(sparse.tombstone_ms(number), Some(*time));
            }
            prop_assert_eq!(sparse.tombstone_ms(times.len()), None);
            for delta in [0, 1, 2_500, 4_999, 5_000] {
                let expected = deltas.iter().filter(|one| u64::from(**one) < delta).count();
                prop_assert_eq!(sparse.row_at(delta), expected);
            }
        }

        #[test]
        fn no_bytes_make_splitting_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            rows in 0..30u32,
            span in any::<u32>(),
        ) {
            let _ = Sparse::split(&Bytes::from(bytes), rows, span);
        }
    }
}
