//! What a partition holds, for listings.

use super::{Partition, Topic, Visibility};
use crate::error::Result;

/// What a partition holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub number: u32,
    /// The first offset that can be read.
    pub start: u64,
    /// One past the last offset appended.
    pub end: u64,
    /// One past the last offset that is durable: what leaves the process ends here.
    pub durable_end: u64,
    /// Records held; fewer than `end - start` in a compacted topic.
    pub records: u64,
    /// Batches held.
    pub batches: u64,
    /// Bytes of these batches.
    pub bytes: u64,
}

impl Partition {
    /// What it holds now.
    ///
    /// # Errors
    /// [`crate::Error::UnknownTopic`] once the topic was deleted.
    pub fn info(&self) -> Result<PartitionInfo> {
        let durable = self.durable_for(Visibility::Durable);
        let info = self.with_index(|index| PartitionInfo {
            number: self.number(),
            start: index.start,
            end: index.end,
            durable_end: index.end_at(durable).max(index.start),
            records: index.records,
            batches: index.entries.len() as u64,
            bytes: index.bytes,
        });
        self.check_exists().map(|()| info)
    }
}

impl Topic {
    /// What its partitions hold now, by number.
    ///
    /// # Errors
    /// [`crate::Error::UnknownTopic`] once it was deleted.
    pub fn info(&self) -> Result<Vec<PartitionInfo>> {
        self.partitions().iter().map(Partition::info).collect()
    }
}
