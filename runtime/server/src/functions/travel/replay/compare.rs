//! Comparing what a replay emits with what was emitted: records that only one of them has.
//!
//! Both are read side by side, so that only what has no match yet is in memory.

use std::collections::HashMap;
use std::sync::Arc;

use pelton_batch::{Batch, Record};
use pelton_core::{Domain, Error, OutputBatch, Result, TopicName};
use pelton_journal::{Journal, Partition, TaskId, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::data::of;

/// Differences that are shown; all are counted.
pub const DIFFERENCES_SHOWN: usize = 100;
/// Records without a match that a comparison bears; one more ends it.
pub const UNMATCHED_MAX: usize = 100_000;
/// Bytes that are shown of a key or a value.
const SHOWN_BYTES_MAX: usize = 256;
/// Headers that tell of a version, not of what it did.
const IGNORED: [&str; 2] = ["pelton-deployment", "pelton-backtrace"];

/// A record that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The key, as text, cut to 256 bytes.
    pub key: Option<String>,
    /// Its timestamp, ms.
    pub timestamp: i64,
    /// The value that was emitted, as text, cut; absent where there was no such record, or no value.
    pub emitted: Option<String>,
    /// The value of the replay, as text, cut; absent where there is no such record, or no value.
    pub replayed: Option<String>,
}

/// What differs between what was emitted and what a replay emits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReplayDifferences)]
pub struct Differences {
    /// Records that are the same.
    pub same: u64,
    /// Records that were emitted, with another value or headers than the replay's of the same key
    /// and timestamp.
    pub changed: u64,
    /// Records that were emitted and that the replay does not emit.
    pub missing: u64,
    /// Records that only the replay emits.
    pub extra: u64,
    /// Whether all are the same and stand in another order.
    pub reordered: bool,
    /// The first ones, by topic, partition and timestamp.
    pub first: Vec<Difference>,
}

/// What a task has emitted to one partition.
struct Pair {
    task: u32,
    topic: usize,
    partition: Partition,
    producer: TaskId,
    next: u64,
    upto: u64,
    live_rows: u64,
    replayed_rows: u64,
    live_order: blake3::Hasher,
    replayed_order: blake3::Hasher,
}

struct Unmatched {
    /// Above zero for records that were emitted, below for those of the replay.
    count: i64,
    topic: usize,
    partition: u32,
    key: Option<String>,
    value: Option<String>,
    timestamp: i64,
}

pub(super) struct Compare {
    topics: Vec<TopicName>,
    pairs: Vec<Pair>,
    unmatched: HashMap<blake3::Hash, Unmatched>,
    same: u64,
}

impl Compare {
    /// A comparison with what tasks have emitted: for each its partition, its id, and the commits
    /// (after, up to] that count.
    pub(super) fn new(
        journal: &Arc<Journal>,
        tasks: Vec<(u32, TaskId, u64, u64)>,
        outputs: &[TopicName],
    ) -> Result<Self> {
        let mut pairs = Vec::new();
        for (topic, name) in outputs.iter().enumerate() {
            // What was never emitted to needs no topic.
            let Ok(found) = journal.topic(&name.to_string()) else { continue };
            let lost = |why: &str| {
                let text = format!(
                    "topic {name} {why}, so that not all that was emitted is there to compare \
                     with; begin later, or send the results --to a topic"
                );
                Err(Error::new("E-REPLAY-OUTPUTS", Domain::User, text))
            };
            if found.config().cleanup.compaction().is_some() {
                return lost("is compacted");
            }
            for partition in found.partitions() {
                for &(task, producer, since, upto) in &tasks {
                    let next = partition.first_behind(since);
                    let held = partition.offsets();
                    if held.start > 0 && next == held.start {
                        return lost("has forgotten its oldest records");
                    }
                    pairs.push(Pair {
                        task,
                        topic,
                        partition: partition.clone(),
                        producer,
                        next,
                        upto,
                        live_rows: 0,
                        replayed_rows: 0,
                        live_order: blake3::Hasher::new(),
                        replayed_order: blake3::Hasher::new(),
                    });
                }
            }
        }
        let topics = outputs.to_vec();
        Ok(Self { topics, pairs, unmatched: HashMap::new(), same: 0 })
    }

    /// Takes what a task of the replay emits in one commit. Answers how many records.
    pub(super) fn replayed(&mut self, task: u32, outputs: &[OutputBatch]) -> Result<u64> {
        let mut rows = 0;
        for output in outputs {
            let topic = self.topic(&output.topic);
            let is_its = |pair: &Pair| {
                pair.task == task
                    && pair.topic == topic
                    && pair.partition.number() == output.partition
            };
            let pair = self.pairs.iter().position(is_its);
            let number = output.partition;
            each(&output.batch, |record| {
                let hash = self.count(topic, number, record, -1);
                if let Some(pair) = pair {
                    self.pairs[pair].replayed_order.update(hash.as_bytes());
                }
            })?;
            rows += u64::from(output.rows);
            if let Some(pair) = pair {
                self.pairs[pair].replayed_rows += u64::from(output.rows);
                while self.pairs[pair].live_rows < self.pairs[pair].replayed_rows {
                    if !self.read(pair)? {
                        break;
                    }
                }
            }
            self.check_room()?;
        }
        Ok(rows)
    }

    fn topic(&mut self, name: &TopicName) -> usize {
        let known = self.topics.iter().position(|topic| topic == name);
        known.unwrap_or_else(|| {
            self.topics.push(name.clone());
            self.topics.len() - 1
        })
    }

    /// Reads the next batch that the live task has emitted. Answers whether there was one.
    fn read(&mut self, at: usize) -> Result<bool> {
        loop {
            let pair = &mut self.pairs[at];
            let batch = pair.partition.read(pair.next, Visibility::Durable).map_err(of)?;
            let Some(batch) = batch.filter(|batch| batch.seq <= pair.upto) else {
                return Ok(false);
            };
            pair.next = batch.next_offset();
            if batch.producer.is_none_or(|by| by.task != pair.producer) {
                continue;
            }
            pair.live_rows += u64::from(batch.rows);
            let (topic, number) = (pair.topic, pair.partition.number());
            each(&batch.bytes, |record| {
                let hash = self.count(topic, number, record, 1);
                self.pairs[at].live_order.update(hash.as_bytes());
            })?;
            return Ok(true);
        }
    }

    fn count(
        &mut self,
        topic: usize,
        partition: u32,
        record: &Record<'_>,
        by: i64,
    ) -> blake3::Hash {
        let hash = hash_of(topic, partition, record);
        let new = || Unmatched {
            count: 0,
            topic,
            partition,
            key: record.key().map(shown),
            value: record.value().map(shown),
            timestamp: record.timestamp(),
        };
        let found = self.unmatched.entry(hash).or_insert_with(new);
        if found.count.signum() == -by {
            self.same += 1;
        }
        found.count += by;
        if found.count == 0 {
            self.unmatched.remove(&hash);
        }
        hash
    }

    fn check_room(&self) -> Result<()> {
        if self.unmatched.len() <= UNMATCHED_MAX {
            return Ok(());
        }
        let text = format!(
            "more than {UNMATCHED_MAX} records differ: begin later with --from, or send the results \
             --to a topic"
        );
        Err(Error::new("E-REPLAY-DIFFERENCES", Domain::User, text))
    }

    /// Reads what the live tasks emitted beyond, and tells what differs.
    pub(super) fn finish(&mut self) -> Result<Differences> {
        for pair in 0..self.pairs.len() {
            while self.read(pair)? {
                self.check_room()?;
            }
        }
        let order = |pair: &Pair| pair.live_order.finalize() != pair.replayed_order.finalize();
        let reordered = self.unmatched.is_empty() && self.pairs.iter().any(order);
        let mut all: Vec<_> = std::mem::take(&mut self.unmatched).into_values().collect();
        let place = |u: &Unmatched| (u.topic, u.partition, u.timestamp, u.key.clone());
        all.sort_by_cached_key(|u| (place(u), u.count < 0, u.value.clone()));
        let mut found = Differences { same: self.same, reordered, ..Differences::default() };
        for group in all.chunk_by(|one, other| place(one) == place(other)) {
            let (emitted, replayed) = group.split_at(group.partition_point(|u| u.count > 0));
            self.tell(emitted, replayed, &mut found);
        }
        Ok(found)
    }

    /// Pairs records of the same key and timestamp, in order; the rest is on one side only.
    fn tell(&self, emitted: &[Unmatched], replayed: &[Unmatched], found: &mut Differences) {
        let each = |all: &[Unmatched]| -> Vec<usize> {
            let times = |(at, u): (usize, &Unmatched)| {
                std::iter::repeat_n(at, usize::try_from(u.count.unsigned_abs()).unwrap_or(0))
            };
            all.iter().enumerate().flat_map(times).collect()
        };
        let (left, right) = (each(emitted), each(replayed));
        for at in 0..left.len().max(right.len()) {
            let emitted = left.get(at).map(|at| &emitted[*at]);
            let replayed = right.get(at).map(|at| &replayed[*at]);
            match (emitted, replayed) {
                (Some(_), Some(_)) => found.changed += 1,
                (Some(_), None) => found.missing += 1,
                _ => found.extra += 1,
            }
            let Some(one) = emitted.or(replayed).filter(|_| found.first.len() < DIFFERENCES_SHOWN)
            else {
                continue;
            };
            found.first.push(Difference {
                topic: self.topics[one.topic].to_string(),
                partition: one.partition,
                key: one.key.clone(),
                timestamp: one.timestamp,
                emitted: emitted.and_then(|u| u.value.clone()),
                replayed: replayed.and_then(|u| u.value.clone()),
            });
        }
    }
}

fn each(batch: &[u8], mut look: impl FnMut(&Record<'_>)) -> Result<()> {
    let records = Batch::parse(batch).and_then(|batch| batch.records()).map_err(|error| {
        Error::new("E-BATCH-STORED", Domain::Internal, format!("an output batch: {error}"))
    })?;
    records.iter().for_each(|record| look(&record));
    Ok(())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES_MAX)]).into_owned()
}

/// Everything that makes a record what it is.
pub(in crate::functions::travel) fn hash_of(
    topic: usize,
    partition: u32,
    record: &Record<'_>,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(topic as u64).to_le_bytes());
    hasher.update(&partition.to_le_bytes());
    hasher.update(&record.timestamp().to_le_bytes());
    let mut part = |bytes: Option<&[u8]>| {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        hasher.update(&length.to_le_bytes());
        hasher.update(bytes.unwrap_or_default());
    };
    part(record.key());
    part(record.value());
    for header in record.headers().filter(|header| !IGNORED.contains(&header.name)) {
        part(Some(header.name.as_bytes()));
        part(header.value);
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use pelton_batch::RecordsBuilder;

    use super::*;

    fn output(values: impl Iterator<Item = usize>) -> OutputBatch {
        let mut records = RecordsBuilder::new();
        let mut rows = 0;
        for value in values {
            records.push(Some(b"k"), Some(value.to_string().as_bytes()), 0);
            rows += 1;
        }
        let topic = TopicName::parse("out").unwrap();
        let batch = records.finish().into();
        OutputBatch { topic, partition: 0, rows, max_timestamp: 0, watermark: i64::MIN, batch }
    }

    #[test]
    fn differences_are_counted_up_to_the_limit_and_the_first_are_shown() {
        let (topics, pairs, unmatched) = (Vec::new(), Vec::new(), HashMap::new());
        let mut compare = Compare { topics, pairs, unmatched, same: 0 };
        compare.replayed(0, &[output(0..UNMATCHED_MAX)]).unwrap();
        let refused = compare.replayed(0, &[output(UNMATCHED_MAX..=UNMATCHED_MAX)]).unwrap_err();
        assert_eq!(refused.code, "E-REPLAY-DIFFERENCES");
        let found = compare.finish().unwrap();
        assert_eq!((found.extra, found.first.len()), (UNMATCHED_MAX as u64 + 1, DIFFERENCES_SHOWN));
        assert_eq!((found.same, found.changed, found.missing, found.reordered), (0, 0, 0, false));
    }

    #[test]
    fn what_is_left_is_paired_by_key_and_timestamp() {
        let (topics, pairs) = (vec![TopicName::parse("out").unwrap()], Vec::new());
        let mut compare = Compare { topics, pairs, unmatched: HashMap::new(), same: 0 };
        each(&output([1, 2, 3].into_iter()).batch, |record| {
            compare.count(0, 0, record, 1);
        })
        .unwrap();
        compare.replayed(0, &[output([2, 4].into_iter())]).unwrap();
        let found = compare.finish().unwrap();
        assert_eq!((found.same, found.changed, found.missing, found.extra), (1, 1, 1, 0));
        let values = |one: &Difference| (one.emitted.clone(), one.replayed.clone());
        let text = |value: &str| Some(value.to_owned());
        assert_eq!(values(&found.first[0]), (text("1"), text("4")));
        assert_eq!(values(&found.first[1]), (text("3"), None));
    }
}
