//! Batches that follow one another, on their way to become one.

use bytes::Bytes;
use pelton_batch::{Records, RecordsBuilder};

use crate::frame::{CARRIED, PartHead, PartKind, SPARSE};
use crate::task::Producer;
use crate::topic::{prefix, prefix_len};

/// A batch as compaction found it.
pub(super) struct Held {
    pub(super) base: u64,
    pub(super) span: u32,
    pub(super) rows: u32,
    pub(super) len: u32,
    pub(super) producer: Option<Producer>,
}

/// What is left of some batches.
#[derive(Default)]
pub(super) struct Group {
    base: u64,
    span: u32,
    batches: u32,
    /// Some batch of it lost something: it is worth writing.
    is_changed: bool,
    producer: Option<Producer>,
    timestamp_max: i64,
    tombstone_ms: i64,
    deltas: Vec<u32>,
    times: Vec<i64>,
    records: RecordsBuilder,
}

impl Group {
    pub(super) fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// Whether one batch may stand for the group and this one, of which `survivors` stay. A
    /// reader is told one producer for a batch: only batches of the same one are put together.
    pub(super) fn takes(&self, held: &Held, survivors: usize) -> bool {
        let task = |producer: &Option<Producer>| producer.map(|by| by.task);
        let is_of_one = survivors == 0
            || self.deltas.is_empty()
            || task(&self.producer) == task(&held.producer);
        self.span.checked_add(held.span).is_some() && is_of_one
    }

    pub(super) fn rows(&self) -> usize {
        self.deltas.len()
    }

    /// About the bytes of the part that it would be.
    pub(super) fn len(&self) -> u64 {
        let prefix = prefix_len(self.deltas.len(), self.times.len()) as u64;
        // Ends and validity of keys and values, timestamps; the directory of all columns.
        prefix + self.records.bytes_len() as u64 + 20 * self.deltas.len() as u64 + 512
    }

    /// Adds a batch; its records follow by [`Group::record`].
    pub(super) fn add(&mut self, held: &Held, survivors: usize, is_changed: bool) {
        if self.is_empty() {
            (self.base, self.timestamp_max, self.tombstone_ms) = (held.base, i64::MIN, i64::MAX);
        }
        assert_eq!(held.base, self.base + u64::from(self.span), "batches follow one another");
        self.span += held.span;
        self.batches += 1;
        self.is_changed |= is_changed;
        if survivors == 0 {
            return;
        }
        // The lowest watermark holds for all of them.
        self.producer = match (self.producer.filter(|_| !self.deltas.is_empty()), held.producer) {
            (Some(one), Some(other)) if one.watermark < other.watermark => Some(one),
            (_, producer) => producer,
        };
    }

    /// Adds a record of the batch that was added last.
    pub(super) fn record(
        &mut self,
        offset: u64,
        records: &Records<'_>,
        row: usize,
        tombstone_ms: Option<i64>,
    ) {
        self.deltas.push((offset - self.base) as u32);
        self.records.push_from(records, row);
        self.timestamp_max = self.timestamp_max.max(records.timestamp(row));
        if let Some(time_ms) = tombstone_ms {
            self.times.push(time_ms);
            self.tombstone_ms = self.tombstone_ms.min(time_ms);
        }
    }

    /// The part that stands for the batches, if that is worth it, and empties the group.
    pub(super) fn finish(&mut self, topic: u32, partition: u32) -> Option<(PartHead, Bytes)> {
        let is_worth_it = self.is_changed || self.batches > 1;
        let part = (is_worth_it && !self.is_empty()).then(|| {
            let mut bytes = prefix(&self.deltas, &self.times);
            self.records.finish_into(&mut bytes);
            let head = PartHead {
                kind: PartKind::Batch,
                flags: CARRIED | SPARSE,
                owner: topic,
                partition,
                rows: self.deltas.len() as u32,
                base_offset: self.base,
                timestamp_max: self.timestamp_max,
                offset: 0,
                len: bytes.len() as u32,
                crc: 0,
                producer: self.producer.filter(|_| !self.deltas.is_empty()),
                time_ms: self.tombstone_ms,
                span: self.span,
            };
            (head, Bytes::from(bytes))
        });
        self.clear();
        part
    }

    fn clear(&mut self) {
        self.records.clear();
        self.deltas.clear();
        self.times.clear();
        let (deltas, times) = (std::mem::take(&mut self.deltas), std::mem::take(&mut self.times));
        let records = std::mem::take(&mut self.records);
        *self = Group { deltas, times, records, ..Group::default() };
    }
}
