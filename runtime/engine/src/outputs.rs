//! Output batches under construction: one for each topic partition that a step writes to.

use std::ops::Range;

use bytes::Bytes;
use pelton_batch::{Header, Operations, Records, RecordsBuilder};
use pelton_core::{Fault, FaultKind, Fetch, Limits, OutputBatch, partition_for_key};

use crate::config::{OnPoison, OutputTopic, TaskConfig};

/// About what a batch has for a record beside key, value and headers.
const ROW_BYTES: usize = 24;

#[derive(Debug)]
struct Building {
    records: RecordsBuilder,
    max_timestamp: i64,
    /// A fetched batch that goes out as it came in; then `records` is empty.
    whole: Option<(Bytes, usize)>,
}

impl Building {
    fn new() -> Self {
        Self { records: RecordsBuilder::new(), max_timestamp: i64::MIN, whole: None }
    }

    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.whole.is_none()
    }

    /// About what the batch will have.
    fn bytes(&self) -> usize {
        let whole = self.whole.as_ref().map_or(0, |(batch, _)| batch.len());
        whole + self.records.bytes_len() + self.records.len() * ROW_BYTES
    }

    fn saw(&mut self, timestamp: i64) {
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }
}

#[derive(Debug)]
struct Slot {
    topic: OutputTopic,
    partitions: Vec<Building>,
}

impl OutputTopic {
    fn check_key(&self, key: Option<&[u8]>) -> Result<(), Fault> {
        if key.is_some() || !self.compacted {
            return Ok(());
        }
        let text = format!(
            "a record without a key for {}, which is compacted: give every record that goes there a \
             key",
            self.topic
        );
        Err(Fault::new(FaultKind::KeyMissing, text))
    }

    fn check_keys<'a>(&self, keys: impl Iterator<Item = Option<&'a [u8]>>) -> Result<(), Fault> {
        if !self.compacted {
            return Ok(());
        }
        for key in keys {
            self.check_key(key)?;
        }
        Ok(())
    }
}

/// A record to send. Borrowed: it is copied into its batch once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) timestamp: i64,
    /// `None`: by key, or the task's own partition where there is no key.
    pub(crate) partition: Option<u32>,
}

/// Where a record goes: a declared output or the dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Output(u16),
    DeadLetters,
}

/// All output batches of a step. Declared outputs that map to one topic share its batches, so that
/// the order of operations is the order of records.
#[derive(Debug)]
pub(crate) struct Outputs {
    slots: Vec<Slot>,
    of_target: Vec<usize>,
    dead_letters: Option<usize>,
    own_partition: u32,
    limits: Limits,
}

impl Outputs {
    pub(crate) fn new(config: &TaskConfig) -> Self {
        let mut outputs = Self {
            slots: Vec::new(),
            of_target: Vec::new(),
            dead_letters: None,
            own_partition: config.id.partition,
            limits: config.limits.clone(),
        };
        for topic in &config.outputs {
            let slot = outputs.slot(topic);
            outputs.of_target.push(slot);
        }
        if let OnPoison::DeadLetter(topic) = &config.on_poison {
            outputs.dead_letters = Some(outputs.slot(topic));
        }
        outputs
    }

    /// About what the batches will have, bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let all = self.slots.iter().flat_map(|slot| &slot.partitions);
        all.map(Building::bytes).sum::<usize>() as u64
    }

    fn slot(&mut self, topic: &OutputTopic) -> usize {
        if let Some(known) = self.slots.iter().position(|slot| slot.topic.topic == topic.topic) {
            return known;
        }
        let partitions = (0..topic.partitions.max(1)).map(|_| Building::new()).collect();
        self.slots.push(Slot { topic: topic.clone(), partitions });
        self.slots.len() - 1
    }

    fn resolve(&self, target: Target) -> Result<usize, Fault> {
        let slot = match target {
            Target::Output(index) => self.of_target.get(index as usize).copied(),
            Target::DeadLetters => self.dead_letters,
        };
        slot.ok_or_else(|| {
            let known = self.of_target.len();
            let text = format!("an operation names {target:?}, but {known} outputs are declared");
            Fault::new(FaultKind::UnknownTarget, text)
        })
    }

    fn building(
        &mut self,
        target: Target,
        key: Option<&[u8]>,
        explicit: Option<u32>,
    ) -> Result<&mut Building, Fault> {
        let slot = self.resolve(target)?;
        let own = self.own_partition;
        let slot = &mut self.slots[slot];
        let count = slot.partitions.len() as u32;
        slot.topic.check_key(key)?;
        let partition = match (explicit, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for_key(key, count),
            (None, None) => own % count,
        };
        slot.partitions.get_mut(partition as usize).ok_or_else(|| {
            let topic = &slot.topic.topic;
            let text = format!(
                "a record for partition {partition} of {topic}, which has {count} partitions"
            );
            Fault::new(FaultKind::UnknownTarget, text)
        })
    }

    /// Adds a record with these headers.
    pub(crate) fn send<'h>(
        &mut self,
        target: Target,
        record: Outgoing<'_>,
        headers: impl Iterator<Item = Header<'h>> + Clone,
    ) -> Result<(), Fault> {
        self.check_size(&record, headers.clone())?;
        let building = self.building(target, record.key, record.partition)?;
        building.records.push(record.key, record.value, record.timestamp);
        building.saw(record.timestamp);
        for header in headers {
            building.records.header(header.name, header.value);
        }
        Ok(())
    }

    fn check_size<'h>(
        &self,
        record: &Outgoing<'_>,
        headers: impl Iterator<Item = Header<'h>>,
    ) -> Result<(), Fault> {
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len) as u64;
        let (mut count, mut header_bytes) = (0, 0);
        for header in headers {
            count += 1;
            header_bytes += header.name.len() as u64 + length(header.value);
        }
        let size = length(record.key) + length(record.value) + header_bytes;
        let limits = &self.limits;
        let checks = [
            (limits.record_bytes, size),
            (limits.record_headers, count),
            (limits.header_bytes, header_bytes),
        ];
        for (limit, amount) in checks {
            if amount <= limit.value {
                continue;
            }
            let checked = limit.check(amount, "an output record");
            checked.map_err(|error| Fault::new(FaultKind::OutputSize, error.to_string()))?;
        }
        Ok(())
    }

    /// Adds the records that the operations `rows` emit, with these timestamps, column by column:
    /// where they all go to one partition and none can be too large. Answers whether it did.
    pub(crate) fn send_range(
        &mut self,
        target: Target,
        operations: &Operations<'_>,
        rows: Range<usize>,
        timestamps: &[i64],
    ) -> Result<bool, Fault> {
        let slot = self.resolve(target)?;
        let bytes = operations.bytes_len(rows.clone()) as u64;
        let Slot { topic, partitions } = &mut self.slots[slot];
        let [only] = &mut partitions[..] else { return Ok(false) };
        if !self.limits.record_bytes.allows(bytes) {
            return Ok(false);
        }
        topic.check_keys(rows.clone().map(|row| operations.get(row).key))?;
        let first = rows.start;
        only.records.extend_emitted(operations, rows, |row| timestamps[row - first]);
        only.max_timestamp = timestamps.iter().copied().fold(only.max_timestamp, i64::max);
        Ok(true)
    }

    /// The partition of the dead letters that this task writes to.
    pub(crate) fn dead_letter_partition(&self) -> u32 {
        let count = self.dead_letters.map_or(1, |slot| self.slots[slot].partitions.len());
        self.own_partition % count as u32
    }

    /// Adds the record at `row` unchanged, to `partition` or where its key belongs.
    pub(crate) fn forward(
        &mut self,
        target: Target,
        records: &Records<'_>,
        row: usize,
        partition: Option<u32>,
    ) -> Result<(), Fault> {
        let building = self.building(target, records.key(row), partition)?;
        building.records.push_from(records, row);
        building.saw(records.timestamp(row));
        Ok(())
    }

    /// Adds the records `rows` unchanged: column by column where they all go to one partition.
    pub(crate) fn forward_range(
        &mut self,
        target: Target,
        records: &Records<'_>,
        rows: Range<usize>,
    ) -> Result<(), Fault> {
        let slot = self.resolve(target)?;
        if self.slots[slot].partitions.len() > 1 || rows.len() < 4 {
            return rows.into_iter().try_for_each(|row| self.forward(target, records, row, None));
        }
        let Slot { topic, partitions } = &mut self.slots[slot];
        topic.check_keys(rows.clone().map(|row| records.key(row)))?;
        let building = &mut partitions[0];
        for row in rows.clone() {
            building.saw(records.timestamp(row));
        }
        building.records.extend_from(records, rows);
        Ok(())
    }

    /// Adds a whole fetched batch as it is, where nothing else is in the way. Answers whether it
    /// did.
    pub(crate) fn forward_whole(&mut self, target: Target, fetch: &Fetch, newest: i64) -> bool {
        let Ok(slot) = self.resolve(target) else { return false };
        let Slot { topic, partitions } = &mut self.slots[slot];
        match &mut partitions[..] {
            // Of a compacted topic the keys are looked at.
            [only] if only.is_empty() && !topic.compacted => {
                only.whole = Some((fetch.batch.clone(), fetch.rows));
                only.saw(newest);
                true
            }
            _ => false,
        }
    }

    /// All batches, in the order of topics and partitions; leaves none.
    pub(crate) fn take(&mut self) -> Vec<OutputBatch> {
        let mut all = Vec::new();
        for slot in &mut self.slots {
            for (partition, building) in slot.partitions.iter_mut().enumerate() {
                if building.is_empty() {
                    continue;
                }
                let (batch, rows) = building.whole.take().unwrap_or_else(|| {
                    let rows = building.records.len();
                    (Bytes::from(building.records.finish()), rows)
                });
                all.push(OutputBatch {
                    topic: slot.topic.topic.clone(),
                    partition: partition as u32,
                    rows: rows as u32,
                    watermark: i64::MIN,
                    max_timestamp: std::mem::replace(&mut building.max_timestamp, i64::MIN),
                    batch,
                });
            }
        }
        all
    }

    /// Forgets everything that was added.
    pub(crate) fn clear(&mut self) {
        for building in self.slots.iter_mut().flat_map(|slot| &mut slot.partitions) {
            building.records.clear();
            building.whole = None;
            building.max_timestamp = i64::MIN;
        }
    }
}
