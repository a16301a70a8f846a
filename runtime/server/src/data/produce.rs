//! Producing: one request is one commit, over however many partitions.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use pelton_core::{Result, TopicName};
use pelton_journal::Commit;
use serde::Serialize;
use utoipa::ToSchema;

use super::remembered::{Answer, Remembered};
use super::{DataPlane, RecordBatch, bad_name, of, user};

/// Who sends a request, and which one of its requests it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The producer's name, of its own choice.
    pub producer: String,
    /// Its epoch: a producer that starts anew takes a higher one, which fences the one before.
    pub epoch: u64,
    /// The request's number: from 0 in each epoch, without gaps, for each topic.
    pub sequence: u64,
}

/// Where records of a request are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProducedRange {
    /// The partition.
    pub partition: u32,
    /// The offset of the first of them.
    pub offset: u64,
    /// How many there are, one behind the other.
    pub records: u32,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Produced {
    /// Where its records are, by partition.
    pub ranges: Vec<ProducedRange>,
    /// Whether it was there already: the ranges are those of the first time.
    pub duplicate: bool,
    /// The commit to wait for.
    pub seq: u64,
}

impl DataPlane {
    /// An empty batch for `topic`. With `partition` all records go there, else each goes to its
    /// own, to that of its key, or to one partition that changes from batch to batch.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`, `E-PARTITION-UNKNOWN`.
    pub fn batch(&self, topic: &TopicName, partition: Option<u32>) -> Result<RecordBatch> {
        let topic = self.topic(topic)?;
        if let Some(partition) = partition {
            topic.partition(partition).map_err(of)?;
        }
        let turn = self.next_partition.fetch_add(1, Ordering::Relaxed);
        Ok(RecordBatch::new(topic, &self.limits, self.clock.now_ms(), partition, turn))
    }

    /// Appends the records as one commit. With a stamp, a request that is there already is
    /// answered as the first time, and nothing is appended.
    ///
    /// # Errors
    /// `E-REQUEST-EMPTY`; `E-TOPIC-INTERNAL`; `E-PRODUCER-*` and `E-SEQUENCE-*` where the stamp does not follow what is
    /// known of its producer; those of the journal.
    pub fn produce(&self, batch: RecordBatch, stamp: Option<&Stamp>) -> Result<Produced> {
        if batch.is_empty() {
            let text = "the request holds no record: send at least one";
            return Err(user("E-REQUEST-EMPTY", text));
        }
        let topic = TopicName::parse(batch.topic().name()).map_err(bad_name)?;
        self.check_open(&topic)?;
        let Some(stamp) = stamp else { return self.append(batch, None) };
        let key = super::producers::key_of(&topic, stamp)?;
        let _turn = self.producers.lock(&key);
        let known = self.remembered(&key, batch.topic());
        let answered = Remembered::judge(known.as_ref(), stamp, &batch.digest())?;
        if let Some(ranges) = answered {
            // The first time may still be on its way to the disk.
            let seq = self.journal.appended();
            return Ok(Produced { ranges, duplicate: true, seq });
        }
        if known.is_none() {
            self.admit_producer(&topic, &key)?;
        }
        let known = known.filter(|known| known.epoch == stamp.epoch);
        self.append(batch, Some((&key, stamp, known)))
    }

    /// Checks that anybody may write to a topic.
    fn check_open(&self, topic: &TopicName) -> Result<()> {
        let hooks = self.topic_hooks.read().unwrap_or_else(PoisonError::into_inner);
        let Some(owner) = hooks.as_ref().and_then(|hooks| hooks.owner(topic)) else {
            return Ok(());
        };
        let text = format!(
            "topic {topic} is internal to the pipeline {owner}: only that one's functions write to it; \
             produce to a topic that the pipeline reads"
        );
        Err(user("E-TOPIC-INTERNAL", text))
    }

    fn append(
        &self,
        mut batch: RecordBatch,
        stamp: Option<(&str, &Stamp, Option<Remembered>)>,
    ) -> Result<Produced> {
        let now_ms = self.clock.now_ms();
        let (topic, digest) = (batch.topic().clone(), batch.digest());
        let mut ranges = Vec::new();
        let mut laid_out = Vec::new();
        for (partition, part) in batch.parts() {
            let records = part.records.len() as u32;
            ranges.push(ProducedRange { partition, offset: 0, records });
            laid_out.push((part.newest_ms, part.records.finish()));
        }
        let mut commit = Commit::new(now_ms);
        let mut parts = Vec::new();
        for (range, (newest_ms, bytes)) in ranges.iter().zip(&laid_out) {
            let to = topic.partition(range.partition).map_err(of)?;
            commit.check_keys(&topic, bytes).map_err(of)?;
            parts.push(commit.batch(to, range.records, *newest_ms, [&bytes[..]]));
        }
        if let Some((key, stamp, known)) = stamp {
            let answer = Answer { sequence: stamp.sequence, digest, ranges: ranges.clone() };
            let remembered = Remembered::after(known, topic.id().0, stamp.epoch, now_ms, answer);
            let (value, places) = remembered.encode();
            let offsets: Vec<_> = places.into_iter().zip(parts.iter().copied()).collect();
            commit.entry_with_offsets(key, &value, &offsets);
        }
        let seq = self.journal.append(&mut commit).map_err(of)?;
        for (range, part) in ranges.iter_mut().zip(parts) {
            range.offset = commit.base_offset(part);
        }
        Ok(Produced { ranges, duplicate: false, seq })
    }
}
