//! Where in the input each record stood: from partition and offset to the line.

use std::collections::HashMap;

/// The lines of appended records. Lines rise within a partition, so each takes the distance to the
/// one before it: a byte, mostly.
#[derive(Debug, Default)]
pub(crate) struct Places(HashMap<(String, u32), Lines>);

#[derive(Debug, Default)]
struct Lines {
    /// The offset of the first record.
    base: u64,
    last: u64,
    distances: Vec<u8>,
}

/// The bits of a distance that a byte holds; its top bit says that more follow (LEB128).
const BITS: u32 = 7;
const MORE: u8 = 1 << BITS;

impl Places {
    /// Notes the lines of records that follow those noted before; the first of all has the offset
    /// `base`.
    pub(crate) fn add(&mut self, topic: String, partition: u32, base: u64, lines: &[u64]) {
        let kept = self.0.entry((topic, partition)).or_insert(Lines { base, ..Lines::default() });
        for line in lines {
            let mut distance = line.wrapping_sub(kept.last);
            kept.last = *line;
            while distance >= u64::from(MORE) {
                kept.distances.push(distance as u8 | MORE);
                distance >>= BITS;
            }
            kept.distances.push(distance as u8);
        }
    }

    /// Says that the first of a partition's records stands `records` further to its front.
    pub(crate) fn move_back(&mut self, topic: &str, partition: u32, records: u64) {
        if let Some(kept) = self.0.get_mut(&(topic.to_owned(), partition)) {
            kept.base = kept.base.saturating_sub(records);
        }
    }

    /// The line of the record at this offset, where it is one of this input's.
    pub(crate) fn line(&self, topic: &str, partition: u32, offset: u64) -> Option<u64> {
        let kept = self.0.get(&(topic.to_owned(), partition))?;
        let mut left = offset.checked_sub(kept.base)?;
        let (mut line, mut distance, mut shift) = (0_u64, 0_u64, 0);
        for byte in &kept.distances {
            distance |= u64::from(byte & !MORE) << shift;
            shift += BITS;
            if byte & MORE != 0 {
                continue;
            }
            line = line.wrapping_add(distance);
            if left == 0 {
                return Some(line);
            }
            (left, distance, shift) = (left - 1, 0, 0);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_partition_and_offset() {
        let mut places = Places::default();
        let lines = [1, 2, 129, 130, 40_000, u64::MAX];
        places.add("t".into(), 0, 100, &lines[..4]);
        places.add("t".into(), 0, 999, &lines[4..]);
        places.add("t".into(), 1, 0, &[7]);
        for (offset, line) in (100..).zip(lines) {
            assert_eq!(places.line("t", 0, offset), Some(line));
        }
        assert_eq!(places.line("t", 1, 0), Some(7));
        for (topic, partition, offset) in [("t", 0, 99), ("t", 0, 106), ("t", 2, 0), ("u", 0, 100)]
        {
            assert_eq!(places.line(topic, partition, offset), None);
        }
    }
}
