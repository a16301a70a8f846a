//! Reading what is durable, over any number of partitions.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use pelton_batch::{Batch, Records};
use pelton_core::{Domain, Error, Result, Source, Start, TopicName, TopicPartition};
use pelton_journal::adapter::JournalSource;
use pelton_journal::{Topic, Visibility};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Cursor, DataPlane, From, bad_name, of, user};

/// Bytes that a record counts beside its key, value and headers.
const RECORD_OVERHEAD: usize = 64;

/// How much one read answers.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Most records.
    pub records_max: usize,
    /// No further record is added once there are this many bytes. A single one may be larger.
    pub bytes_max: usize,
}

/// Records of one partition that stand together.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The partition.
    pub partition: u32,
    rows: Range<usize>,
    batch: pelton_journal::Batch,
}

impl Slice {
    /// The stored batch, of which [`Slice::rows`] are meant.
    ///
    /// # Errors
    /// `E-BATCH-STORED` where it cannot be read.
    pub fn records(&self) -> Result<Records<'_>> {
        records_of(&self.batch.bytes)
    }

    /// The rows of the batch.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// The offset of a row. Compaction leaves gaps between offsets.
    #[must_use]
    pub fn offset(&self, row: usize) -> u64 {
        self.batch.offset(row)
    }
}

/// Offsets that retention had removed before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Skipped {
    /// The partition.
    pub partition: u32,
    /// The offset that was wanted.
    pub from: u64,
    /// The oldest one that is there.
    pub to: u64,
}

/// What a read found.
#[derive(Debug, Default)]
pub struct Reading {
    /// Records, in order within each partition.
    pub slices: Vec<Slice>,
    /// What can no longer be read.
    pub skipped: Vec<Skipped>,
}

impl Reading {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.skipped.is_empty()
    }
}

impl DataPlane {
    /// The cursor that stands at `from`: of one partition, or of all.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`, `E-PARTITION-UNKNOWN`, `E-OFFSET-RANGE` beyond the end, `E-FROM` for an
    /// offset without a partition.
    pub fn cursor(&self, topic: &Topic, partition: Option<u32>, from: &From) -> Result<Cursor> {
        let partitions = topic.config().partitions;
        let start = match from {
            From::Earliest => Start::Earliest,
            From::Latest => Start::Latest,
            From::Time(ms) => Start::Time(*ms),
            From::Offset(offset) if partition.is_some() || partitions == 1 => {
                Start::Offset(*offset)
            }
            From::Offset(_) => {
                let text = format!(
                    "an offset alone is no place in topic {}, which has {partitions} partitions: \
                     name the partition too",
                    topic.name()
                );
                return Err(user("E-FROM", text));
            }
            From::Cursor(cursor) => return check_cursor(topic, partition, cursor),
        };
        let wanted: Vec<_> = partition.map_or((0..partitions).collect(), |one| vec![one]);
        let name = TopicName::parse(topic.name()).map_err(bad_name)?;
        let at = |number| (TopicPartition::local(name.clone(), number), start);
        let inputs: Vec<_> = wanted.iter().copied().map(at).collect();
        let mut source = JournalSource::new(Arc::clone(&self.journal), Visibility::Durable);
        source.assign(&inputs)?;
        let positions = wanted.into_iter().enumerate().map(|(input, number)| {
            // A start by offset that retention has passed is told at the first read.
            let found = match start {
                Start::Offset(offset) => offset,
                _ => source.position(input)?,
            };
            Ok((number, found))
        });
        Ok(Cursor { at: positions.collect::<Result<_>>()?, topic: Some(topic.id().0) })
    }

    /// The durable records at the cursor, which is moved behind them. Partitions take turns, a
    /// stored batch each.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN` where the topic was deleted, `E-OFFSET-RANGE`, and damage.
    pub fn read(&self, topic: &Topic, cursor: &mut Cursor, limits: ReadLimits) -> Result<Reading> {
        if topic.is_deleted() {
            return Err(of(pelton_journal::Error::UnknownTopic { name: topic.name().to_owned() }));
        }
        self.journal.health().map_err(of)?;
        let mut found = Reading::default();
        let (mut records_left, mut bytes_left) = (limits.records_max, limits.bytes_max);
        let mut waiting: Vec<u32> = cursor.at.keys().copied().collect();
        // Another one begins each time, so that none of them waits for good.
        let turn = cursor.at.values().fold(0u64, |sum, at| sum.wrapping_add(*at));
        let count = waiting.len().max(1);
        waiting.rotate_left(turn as usize % count);
        while !waiting.is_empty() && records_left > 0 && bytes_left > 0 {
            let mut failed = Ok(());
            waiting.retain(|number| {
                if records_left == 0 || bytes_left == 0 || failed.is_err() {
                    return false;
                }
                let Some(position) = cursor.at.get_mut(number) else { return false };
                match next_slice(topic, *number, position, records_left, &mut bytes_left) {
                    Ok(Next::Slice(slice)) => {
                        records_left -= slice.rows.len();
                        found.slices.push(slice);
                        true
                    }
                    Ok(Next::Skipped(skipped)) => {
                        found.skipped.push(skipped);
                        true
                    }
                    Ok(Next::Gap) => true,
                    Ok(Next::End) => false,
                    Err(error) => {
                        failed = Err(error);
                        false
                    }
                }
            });
            failed?;
        }
        Ok(found)
    }
}

/// A cursor that was handed out before, on this topic as it is now.
fn check_cursor(topic: &Topic, partition: Option<u32>, cursor: &Cursor) -> Result<Cursor> {
    check_identity(topic, cursor)?;
    for (number, offset) in &cursor.at {
        let held = topic.partition(*number).map_err(of)?.offsets();
        if *offset > held.end {
            let (topic, partition, offset) = (topic.name().to_owned(), *number, *offset);
            let (start, end) = (held.start, held.end);
            let error =
                pelton_journal::Error::OffsetOutOfRange { topic, partition, offset, start, end };
            return Err(of(error));
        }
    }
    match partition {
        Some(one) if !cursor.at.keys().eq([&one]) => {
            let text = format!("the cursor {cursor} is not of partition {one} alone");
            Err(user("E-CURSOR", text))
        }
        _ => Ok(Cursor { topic: Some(topic.id().0), ..cursor.clone() }),
    }
}

/// Refuses the cursor of a topic that was removed, where another one has its name now.
pub(super) fn check_identity(topic: &Topic, cursor: &Cursor) -> Result<()> {
    if cursor.topic.is_none_or(|of| of == topic.id().0) {
        return Ok(());
    }
    let text = format!(
        "the cursor {cursor} is of an earlier topic {}, which was removed since; begin anew in the one \
         that has its name now, with `from=earliest` or `latest`",
        topic.name()
    );
    Err(user("E-CURSOR-TOPIC", text))
}

enum Next {
    Slice(Slice),
    Skipped(Skipped),
    /// Compaction has left nothing here: the position was moved on.
    Gap,
    End,
}

fn next_slice(
    topic: &Topic,
    number: u32,
    position: &mut u64,
    records_max: usize,
    bytes_left: &mut usize,
) -> Result<Next> {
    let partition = topic.partition(number).map_err(of)?;
    let start = partition.offsets().start;
    if *position < start {
        let from = std::mem::replace(position, start);
        return Ok(Next::Skipped(Skipped { partition: number, from, to: start }));
    }
    let batch = match partition.read(*position, Visibility::Durable) {
        Ok(Some(batch)) => batch,
        Ok(None) => return Ok(Next::End),
        // Retention was quicker: the next turn says so.
        Err(_) if *position < partition.offsets().start => return Ok(Next::End),
        Err(error) => return Err(of(error)),
    };
    let first = batch.row_at(*position);
    let records = records_of(&batch.bytes)?;
    let mut end = first;
    while end < records.len() && end - first < records_max && *bytes_left > 0 {
        *bytes_left = bytes_left.saturating_sub(size_of_record(&records, end));
        end += 1;
    }
    let is_whole = end >= records.len();
    *position = if is_whole { batch.next_offset() } else { batch.offset(end) };
    if end == first {
        return Ok(Next::Gap);
    }
    Ok(Next::Slice(Slice { partition: number, rows: first..end, batch }))
}

fn size_of_record(records: &Records<'_>, row: usize) -> usize {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let headers = records.headers(row).map(|header| header.name.len() + len(header.value));
    len(records.key(row)) + len(records.value(row)) + headers.sum::<usize>() + RECORD_OVERHEAD
}

fn records_of(bytes: &Bytes) -> Result<Records<'_>> {
    Batch::parse(bytes).and_then(Batch::records).map_err(|error| {
        let text = "a stored batch cannot be read";
        Error::new("E-BATCH-STORED", Domain::Internal, text).caused_by(error)
    })
}
