//! Finding an offset by time.

use pelton_batch::Batch as Layout;

use super::batch::Found;
use super::{Partition, PartitionIndex, Visibility};
use crate::error::{Error, Result};

/// Batches looked at under one lock of the index.
const CHUNK: usize = 4_096;

impl Partition {
    /// The first offset whose record has a timestamp at or after `timestamp_ms`, exact to the
    /// record; `None` where there is no such record yet. Only records up to what `visibility`
    /// shows count. Timestamps need not rise.
    ///
    /// The index knows the latest timestamp of each batch: only batches that may hold the record
    /// are read, which is one, unless a writer gave its batch too late a timestamp.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where such a batch is none of records, [`Error::Corrupt`],
    /// [`Error::UnknownTopic`] once the topic was deleted.
    pub fn offset_for_time(
        &self,
        timestamp_ms: i64,
        visibility: Visibility,
    ) -> Result<Option<u64>> {
        let durable = self.durable_for(visibility);
        let mut from = self.offsets().start;
        loop {
            self.check_exists()?;
            let looked = self.with_index(|index| look(index, from, timestamp_ms, durable));
            let (start, found) = match looked {
                Looked::Candidate(start, found) => (start, found),
                Looked::GoOn(offset) => {
                    from = offset;
                    continue;
                }
                Looked::End => return Ok(None),
            };
            let batch = found.read()?;
            let records = Layout::parse(&batch.bytes).and_then(|layout| layout.records());
            let records = records.map_err(|error| Error::Unreadable {
                topic: self.topic_name().to_owned(),
                partition: self.number(),
                offset: batch.base_offset,
                problem: error.to_string(),
            })?;
            let rows = batch.row_at(start)..records.len().min(batch.rows as usize);
            if let Some(row) = rows.into_iter().find(|row| records.timestamp(*row) >= timestamp_ms)
            {
                return Ok(Some(batch.offset(row)));
            }
            from = batch.next_offset();
        }
    }
}

enum Looked {
    /// The first offset held, and a batch that may have the record.
    Candidate(u64, Found),
    /// None so far: look on from here.
    GoOn(u64),
    End,
}

fn look(index: &PartitionIndex, from: u64, timestamp_ms: i64, durable: u64) -> Looked {
    let first = index.position(from.max(index.start));
    let mut last = None;
    for entry in index.entries.iter().skip(first).take(CHUNK) {
        if entry.seq > durable {
            return Looked::End;
        }
        if entry.timestamp_max >= timestamp_ms && entry.rows > 0 {
            return Looked::Candidate(index.start, Found::new(entry));
        }
        last = Some(entry.end());
    }
    last.map_or(Looked::End, Looked::GoOn)
}
