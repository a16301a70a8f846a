//! Which dead letters were put back: sets of offsets, in the commits that put them back.

use std::collections::BTreeMap;

use pelton_core::Result;
use serde::{Deserialize, Serialize};

use crate::data::user;

/// Ranges of offsets that are kept of a topic.
pub(super) const RANGES_MAX: usize = 4_096;

/// What the registry keeps of a topic of dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    /// The topic's id: a later one of the same name is another topic.
    pub(super) topic: u32,
    /// By partition: first offset and the one behind the last, rising, apart from one another.
    ranges: BTreeMap<u32, Vec<(u64, u64)>>,
}

impl Marks {
    pub(super) fn new(topic: u32) -> Self {
        Self { topic, ranges: BTreeMap::new() }
    }

    pub(super) fn has(&self, partition: u32, offset: u64) -> bool {
        let ranges = self.ranges.get(&partition).map_or(&[][..], Vec::as_slice);
        let at = ranges.partition_point(|(_, end)| *end <= offset);
        ranges.get(at).is_some_and(|(start, _)| *start <= offset)
    }

    pub(super) fn add(&mut self, partition: u32, offset: u64) {
        if self.has(partition, offset) {
            return;
        }
        let ranges = self.ranges.entry(partition).or_default();
        let at = ranges.partition_point(|(_, end)| *end <= offset);
        let joins_before = at > 0 && ranges[at - 1].1 == offset;
        let joins_behind = ranges.get(at).is_some_and(|(start, _)| *start == offset + 1);
        match (joins_before, joins_behind) {
            (true, true) => ranges[at - 1].1 = ranges.remove(at).1,
            (true, false) => ranges[at - 1].1 = offset + 1,
            (false, true) => ranges[at].0 = offset,
            (false, false) => ranges.insert(at, (offset, offset + 1)),
        }
    }

    /// Forgets what retention has removed.
    pub(super) fn forget_before(&mut self, partition: u32, start: u64) {
        if let Some(ranges) = self.ranges.get_mut(&partition) {
            ranges.retain(|(_, end)| *end > start);
        }
    }

    /// # Errors
    /// `E-REDRIVE-MARKS` where more would have to be kept than is allowed.
    pub(super) fn check(&self) -> Result<()> {
        let ranges: usize = self.ranges.values().map(Vec::len).sum();
        if ranges <= RANGES_MAX {
            return Ok(());
        }
        let text = format!(
            "the dead letters that were redriven would be {ranges} ranges of offsets, more than \
             {RANGES_MAX}: redrive those between them too, or all"
        );
        Err(user("E-REDRIVE-MARKS", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one_range_in_whatever_order_they_come() {
        let mut marks = Marks::new(1);
        for offset in [5, 3, 9, 4, 4, 8, 0] {
            marks.add(2, offset);
        }
        assert_eq!(marks.ranges[&2], [(0, 1), (3, 6), (8, 10)]);
        let found: Vec<_> = (0..11).filter(|offset| marks.has(2, *offset)).collect();
        assert_eq!(found, [0, 3, 4, 5, 8, 9]);
        assert!(!marks.has(1, 3));
        marks.forget_before(2, 6);
        assert_eq!(marks.ranges[&2], [(8, 10)]);
    }

    #[test]
    fn so_many_ranges_are_kept_and_no_more() {
        let mut marks = Marks::new(1);
        (0..RANGES_MAX as u64).for_each(|number| marks.add(0, number * 2));
        marks.check().unwrap();
        marks.add(0, RANGES_MAX as u64 * 2);
        assert_eq!(marks.check().unwrap_err().code, "E-REDRIVE-MARKS");
    }
}
