//! Which records go into which file: a partition's offsets are cut into cells of one size, and a
//! file is named for its cell, so that the same records always go into the same file.

use std::ops::Range;

/// Cells of `records` offsets each, from offset 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    /// Offsets of a cell, at least 1.
    pub records: u64,
}

impl Grid {
    /// The offsets of the cell that holds `offset`.
    pub(crate) fn cell(self, offset: u64) -> Range<u64> {
        let first = offset - offset % self.records;
        first..first.saturating_add(self.records)
    }
}

/// The name of a file: `TOPIC-PARTITION-FIRST-LAST.EXTENSION`, offsets in 20 digits, so that names
/// sort as offsets do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName {
    /// The partition.
    pub partition: u32,
    /// First and last offset of its cell, both included.
    pub first: u64,
    pub last: u64,
}

impl FileName {
    /// The name of the file of a cell.
    pub(crate) fn of(partition: u32, cell: &Range<u64>) -> Self {
        Self { partition, first: cell.start, last: cell.end - 1 }
    }

    /// The name as it is in the folder.
    pub(crate) fn text(self, topic: &str, extension: &str) -> String {
        let Self { partition, first, last } = self;
        format!("{topic}-{partition}-{first:020}-{last:020}.{extension}")
    }

    /// The name, where it is that of a file of this topic.
    pub(crate) fn parse(text: &str, topic: &str, extension: &str) -> Option<Self> {
        let stem = text.strip_suffix(extension)?.strip_suffix('.')?;
        let mut parts = stem.strip_prefix(topic)?.strip_prefix('-')?.split('-');
        let mut number = |digits: Option<usize>| {
            let part = parts.next()?;
            let fits = digits.is_none_or(|digits| part.len() == digits);
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            (fits && plain).then(|| part.parse::<u64>().ok()).flatten()
        };
        let partition = u32::try_from(number(None)?).ok()?;
        let (first, last) = (number(Some(20))?, number(Some(20))?);
        let name = Self { partition, first, last };
        (parts.next().is_none() && first <= last).then_some(name)
    }

    /// The grid that it belongs to, if there is one.
    pub(crate) fn grid(self) -> Option<Grid> {
        let records = (self.last - self.first).checked_add(1)?;
        self.first.is_multiple_of(records).then_some(Grid { records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_has_a_cell_up_to_the_last() {
        let grid = Grid { records: 100 };
        assert_eq!(grid.cell(0), 0..100);
        assert_eq!(grid.cell(99), 0..100);
        assert_eq!(grid.cell(100), 100..200);
        assert_eq!(grid.cell(u64::MAX).end, u64::MAX);
    }

    #[test]
    fn a_name_is_read_as_it_is_written_and_other_files_are_let_be() {
        let name = FileName::of(3, &(200..300));
        let text = name.text("a-0", "parquet");
        assert_eq!(text, "a-0-3-00000000000000000200-00000000000000000299.parquet");
        assert_eq!(FileName::parse(&text, "a-0", "parquet"), Some(name));
        assert_eq!(name.grid(), Some(Grid { records: 100 }));
        for (topic, extension) in [("a", "parquet"), ("a-0", "jsonl"), ("a-", "parquet")] {
            assert_eq!(FileName::parse(&text, topic, extension), None);
        }
        for other in ["", "a-0", "a-0-3-1-2.parquet", "a-0-x-00000000000000000200.parquet"] {
            assert_eq!(FileName::parse(other, "a-0", "parquet"), None, "{other}");
        }
        assert_eq!(FileName { partition: 0, first: 5, last: 14 }.grid(), None);
    }
}
