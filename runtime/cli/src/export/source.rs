//! Where records come from: a server, or a data directory that nobody else has open.

use std::collections::VecDeque;
use std::ops::Range;

use pelton_server::data::From;

use super::Exported;
use crate::error::Result;

/// The durable records of a partition when the export began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// The partition.
    pub partition: u32,
    /// The first offset that retention has left.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
}

/// Some records in a row.
pub(crate) struct Piece {
    /// The records.
    pub records: Vec<Exported>,
    /// The offset to go on at.
    pub next: u64,
    /// What retention had removed before it was read.
    pub skipped: Vec<Range<u64>>,
}

/// A topic.
pub(crate) trait Source {
    /// Its partitions.
    fn held(&self) -> Vec<Held>;

    /// The offset of a place in a partition.
    ///
    /// # Errors
    /// What keeps it from being read.
    fn offset(&mut self, held: &Held, place: &From) -> Result<u64>;

    /// Records of a partition from an offset on, which is before its end. There are none only where
    /// `next` is the end.
    ///
    /// # Errors
    /// What keeps them from being read.
    fn read(&mut self, partition: u32, from: u64) -> Result<Piece>;
}

/// Walks through a partition, forwards only.
pub(super) struct Reader<'a> {
    source: &'a mut dyn Source,
    partition: u32,
    /// Behind the last record: those that have come since are not read.
    end: u64,
    /// The offset behind the records in the buffer.
    at: u64,
    buffer: VecDeque<Exported>,
    /// What retention had removed before it was read.
    pub(super) skipped: Vec<Range<u64>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a mut dyn Source, partition: u32, end: u64) -> Self {
        Self { source, partition, end, at: 0, buffer: VecDeque::new(), skipped: Vec::new() }
    }

    /// Leaves out what is before `offset`.
    pub(super) fn skip_to(&mut self, offset: u64) {
        while self.buffer.pop_front_if(|record| record.offset < offset).is_some() {}
        self.at = self.at.max(offset);
    }

    /// The offset of the next record.
    pub(super) fn peek(&mut self) -> Result<Option<u64>> {
        while self.buffer.is_empty() && self.at < self.end {
            let Piece { records, next, skipped } = self.source.read(self.partition, self.at)?;
            self.skipped.extend(skipped);
            // A source that does not move would be asked for ever.
            let stands_still = records.is_empty() && next <= self.at;
            self.at = if stands_still { self.end } else { next };
            self.buffer.extend(records);
        }
        let next = self.buffer.front().map(|record| record.offset);
        Ok(next.filter(|offset| *offset < self.end))
    }

    /// The next record, if it is before `limit`.
    pub(super) fn next_below(&mut self, limit: u64) -> Result<Option<Exported>> {
        match self.peek()? {
            Some(offset) if offset < limit => Ok(self.buffer.pop_front()),
            _ => Ok(None),
        }
    }
}
