//! Where the batches of one partition are.

use std::collections::{BTreeMap, VecDeque};

use crate::frame::{CARRIED, PartHead, PartKind, SPARSE};
use crate::segment::{Located, PartRef};
use crate::task::Producer;

pub(crate) struct BatchEntry {
    pub(crate) base: u64,
    /// How many offsets it covers; as many as it has rows, unless it is sparse.
    pub(crate) span: u32,
    pub(crate) rows: u32,
    pub(crate) timestamp_max: i64,
    /// The commit that made it, also after it was carried to a younger segment.
    pub(crate) seq: u64,
    pub(crate) producer: Option<Producer>,
    /// When it was first committed, ms; of a sparse one, its oldest tombstone (or `MAX`).
    pub(crate) time_ms: i64,
    pub(crate) is_sparse: bool,
    pub(crate) located: Located,
}

impl BatchEntry {
    pub(crate) fn new(head: &PartHead, located: PartRef) -> BatchEntry {
        BatchEntry {
            base: head.base_offset,
            span: head.span,
            rows: head.rows,
            timestamp_max: head.timestamp_max,
            seq: located.seq,
            producer: head.producer,
            time_ms: head.time_ms,
            is_sparse: head.flags & SPARSE != 0,
            located: Located::batch(located),
        }
    }

    /// The head of the part that carries it forward as it is.
    pub(crate) fn carried_head(&self, topic: u32, partition: u32) -> PartHead {
        PartHead {
            kind: PartKind::Batch,
            flags: CARRIED | if self.is_sparse { SPARSE } else { 0 },
            owner: topic,
            partition,
            rows: self.rows,
            base_offset: self.base,
            timestamp_max: self.timestamp_max,
            offset: 0,
            len: self.located.len,
            crc: 0,
            producer: self.producer,
            time_ms: self.time_ms,
            span: self.span,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + u64::from(self.span)
    }
}

/// All batches of one partition, gapless from `start` (or a little before) to `end`.
#[derive(Default)]
pub(crate) struct PartitionIndex {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// Before this offset no record has a younger one of its key before this offset.
    pub(crate) compacted_to: u64,
    pub(crate) entries: VecDeque<BatchEntry>,
    /// The next offset that each holder needs.
    pub(crate) holders: BTreeMap<String, u64>,
}

impl PartitionIndex {
    pub(crate) fn push(&mut self, entry: BatchEntry) {
        assert_eq!(entry.base, self.end, "offsets of a partition are gapless");
        assert!(entry.span > 0 && entry.rows <= entry.span, "a batch covers its records");
        self.end = entry.end();
        self.count(&entry);
        self.entries.push_back(entry);
    }

    fn count(&mut self, entry: &BatchEntry) {
        self.bytes += u64::from(entry.located.len);
        self.records += u64::from(entry.rows);
    }

    fn discount(&mut self, entry: &BatchEntry) {
        self.bytes -= u64::from(entry.located.len);
        self.records -= u64::from(entry.rows);
    }

    /// Where the batch is, or would be, that covers `offset`.
    pub(crate) fn position(&self, offset: u64) -> usize {
        self.entries.partition_point(|entry| entry.end() <= offset)
    }

    /// The batch that covers `offset`.
    pub(crate) fn find(&self, offset: u64) -> Option<&BatchEntry> {
        self.entries.get(self.position(offset)).filter(|entry| entry.base <= offset)
    }

    /// One past the last offset that is visible when commits up to `durable` are.
    pub(crate) fn end_at(&self, durable: u64) -> u64 {
        let at = self.entries.partition_point(|entry| entry.seq <= durable);
        self.entries.get(at).map_or(self.end, |entry| entry.base)
    }

    /// Puts a batch that was carried forward, or made of several by compaction, in their place,
    /// if they are still wanted.
    pub(crate) fn replace(&mut self, mut entry: BatchEntry) {
        let first = self.entries.partition_point(|old| old.base < entry.base);
        let last = self.position(entry.end());
        if first >= last {
            return;
        }
        let next = self.entries.get(last).map_or(self.end, |next| next.base);
        assert!(entry.end() <= next, "whole batches are replaced");
        entry.seq = self.entries[last - 1].seq;
        self.count(&entry);
        let old = std::mem::replace(&mut self.entries[first], entry);
        self.discount(&old);
        for old in self.entries.drain(first + 1..last).collect::<Vec<_>>() {
            self.discount(&old);
        }
    }

    /// Forgets what ends at or before `start`.
    pub(crate) fn trim(&mut self, start: u64) {
        self.start = self.start.max(start.min(self.end));
        while self.entries.front().is_some_and(|entry| entry.end() <= self.start) {
            if let Some(entry) = self.entries.pop_front() {
                self.discount(&entry);
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        (self.start, self.bytes, self.records) = (self.end, 0, 0);
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
