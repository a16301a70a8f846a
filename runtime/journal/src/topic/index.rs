//! Where the batches of one partition are.

use std::collections::{BTreeMap, VecDeque};

use crate::segment::{Located, PartRef};
use crate::task::Producer;

pub(crate) struct BatchEntry {
    pub(crate) base: u64,
    pub(crate) rows: u32,
    pub(crate) timestamp_max: i64,
    /// The commit that made it, also after it was carried to a younger segment.
    pub(crate) seq: u64,
    pub(crate) producer: Option<Producer>,
    pub(crate) located: Located,
}

impl BatchEntry {
    pub(crate) fn end(&self) -> u64 {
        self.base + u64::from(self.rows)
    }
}

/// All batches of one partition, gapless from `start` (or a little before) to `end`.
#[derive(Default)]
pub(crate) struct PartitionIndex {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bytes: u64,
    pub(crate) entries: VecDeque<BatchEntry>,
    /// The next offset that each holder needs.
    pub(crate) holders: BTreeMap<String, u64>,
}

impl PartitionIndex {
    pub(crate) fn push(&mut self, entry: BatchEntry) {
        assert_eq!(entry.base, self.end, "offsets of a partition are gapless");
        assert!(entry.rows > 0, "a batch has records");
        self.end = entry.end();
        self.bytes += u64::from(entry.located.len);
        self.entries.push_back(entry);
    }

    /// The batch that holds `offset`.
    pub(crate) fn find(&self, offset: u64) -> Option<&BatchEntry> {
        let at = self.entries.partition_point(|entry| entry.end() <= offset);
        self.entries.get(at).filter(|entry| entry.base <= offset)
    }

    /// Points the batch at `base` to where it was carried, if it is still wanted.
    pub(crate) fn relocate(&mut self, base: u64, to: PartRef) {
        let at = self.entries.partition_point(|entry| entry.base < base);
        if let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.base == base) {
            assert_eq!(entry.located.len, to.len, "a carried batch keeps its bytes");
            entry.located = Located::batch(to);
        }
    }

    /// Forgets what ends at or before `start`.
    pub(crate) fn trim(&mut self, start: u64) {
        self.start = self.start.max(start.min(self.end));
        while self.entries.front().is_some_and(|entry| entry.end() <= self.start) {
            if let Some(entry) = self.entries.pop_front() {
                self.bytes -= u64::from(entry.located.len);
            }
        }
    }

    /// The new start by `retention` at `now_ms`, if it moves.
    pub(crate) fn expired(&self, retention: super::Retention, now_ms: i64) -> Option<u64> {
        let (mut start, mut bytes) = (self.start, self.bytes);
        let wanted = retention.until_consumed_by as usize;
        let are_known = wanted > 0 && self.holders.len() >= wanted;
        let floor = self.holders.values().min().filter(|_| are_known).copied().unwrap_or(0);
        for entry in &self.entries {
            let left = bytes - u64::from(entry.located.len);
            let age = i128::from(now_ms) - i128::from(entry.timestamp_max);
            let old = retention.time_ms.is_some_and(|limit| age > i128::from(limit));
            let surplus = retention.bytes.is_some_and(|limit| left >= limit);
            if !(old || surplus || entry.end() <= floor) {
                break;
            }
            (start, bytes) = (entry.end(), left);
        }
        (start > self.start).then_some(start)
    }
}
