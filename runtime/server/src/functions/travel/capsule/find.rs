//! Which call a capsule is about, and what it began with.

use pelton_batch::Batch;
use pelton_core::{Domain, Error, FunctionId, Position, Result, TaskId, TaskMeta, TopicName};
use pelton_journal::{Journal, Partition, Visibility};
use serde::{Deserialize, Serialize};

use crate::data::of;

use super::super::replay::{Live, live};
use super::outcome::said;

/// Batches of dead letters that are looked through, from the newest back, in each partition.
const BATCHES_MAX: usize = 1_000;

/// A record, by its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPlace {
    /// Its topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// The call that a capsule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapsuleOf {
    /// The one that gave up what this dead letter tells of.
    DeadLetter(RecordPlace),
    /// The newest one that gave something up; of a function that halts, the one it halted at.
    NewestFault,
    /// The one that read this record.
    Record(RecordPlace),
}

/// A call that was found.
pub(super) struct FoundCall {
    pub(super) partition: u32,
    pub(super) live: Live,
    /// How many commits of the tail are before it.
    pub(super) before: usize,
    /// Its commit.
    pub(super) seq: Option<u64>,
    /// Its decisions; of a call that is not committed, where it is to end.
    pub(super) decisions: Option<TaskMeta>,
    pub(super) until: Option<RecordPlace>,
}

fn user(code: &'static str, text: String) -> Error {
    Error::new(code, Domain::User, text)
}

/// The partitions of a topic that a function uses.
fn partitions(journal: &Journal, topic: &TopicName) -> Result<Vec<Partition>> {
    Ok(journal.topic(&topic.to_string()).map_err(of)?.partitions().to_vec())
}

/// What the journal holds of each task of a function.
pub(super) struct Search<'a> {
    pub(super) journal: &'a Journal,
    pub(super) function: &'a FunctionId,
    pub(super) tasks: u32,
}

impl Search<'_> {
    fn key(&self, partition: u32) -> String {
        TaskId { function: self.function.clone(), partition }.to_string()
    }

    fn live(&self, partition: u32) -> Result<Live> {
        live(self.journal, &self.key(partition))?.ok_or_else(|| {
            let text = format!("{} has read nothing in partition {partition} yet", self.function);
            user("E-CAPSULE-RECORD", text)
        })
    }

    /// The call that made this dead letter.
    pub(super) fn dead_letter(&self, place: &RecordPlace) -> Result<FoundCall> {
        let at = || format!("{}:{}:{}", place.topic, place.partition, place.offset);
        let missing = || {
            let text = format!("there is no dead letter at {}; `pelton dlq ls` lists them", at());
            user("E-DEAD-LETTER-NOT-FOUND", text)
        };
        let all = partitions(self.journal, &place.topic)?;
        let partition = all.get(place.partition as usize).ok_or_else(missing)?;
        let batch = partition.read(place.offset, Visibility::Durable).map_err(of)?;
        let batch = batch.ok_or_else(missing)?;
        let row = batch.row_at(place.offset);
        if row >= batch.rows as usize || batch.offset(row) != place.offset {
            return Err(missing());
        }
        let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
        let record =
            records.ok().and_then(|records| records.iter().nth(row)).ok_or_else(missing)?;
        if said(&record, "function") != Some(&self.function.to_string()) {
            let text = format!("{} is no dead letter of {}", at(), self.function);
            return Err(user("E-CAPSULE-DEAD-LETTER", text));
        }
        let by = batch.producer.map(|producer| producer.task);
        let its = |partition: &u32| {
            self.journal.task(&self.key(*partition)).is_some_and(|task| Some(task.id()) == by)
        };
        let partition = (0..self.tasks).find(its).ok_or_else(|| self.gone(&at()))?;
        self.commit(partition, batch.seq, &at())
    }

    fn gone(&self, at: &str) -> Error {
        let text = format!(
            "the state before {at} is not kept any more: a task keeps its decisions since its last \
             snapshot; `pelton replay {} --from` repeats what can be repeated, from a savepoint",
            self.function
        );
        user("E-CAPSULE-GONE", text)
    }

    fn commit(&self, partition: u32, seq: u64, at: &str) -> Result<FoundCall> {
        let live = self.live(partition)?;
        let before = live.tail.iter().position(|(commit, _)| *commit == seq);
        let before = before.ok_or_else(|| self.gone(at))?;
        let decisions = Some(live.tail[before].1.meta.clone());
        Ok(FoundCall { partition, live, before, seq: Some(seq), decisions, until: None })
    }

    /// The newest call that made a dead letter in `topic`.
    pub(super) fn newest(&self, topic: &TopicName) -> Result<Option<FoundCall>> {
        let Ok(all) = partitions(self.journal, topic) else { return Ok(None) };
        let mut newest: Option<(u64, RecordPlace)> = None;
        for partition in &all {
            let held = partition.offsets();
            let mut end = partition.end(Visibility::Durable);
            for _ in 0..BATCHES_MAX {
                let Some(last) = end.checked_sub(1).filter(|last| *last >= held.start) else {
                    break;
                };
                let Some(batch) = partition.read(last, Visibility::Durable).map_err(of)? else {
                    break;
                };
                let records = Batch::parse(&batch.bytes).and_then(|batch| batch.records());
                let own = |record: &pelton_batch::Record<'_>| {
                    said(record, "function") == Some(&self.function.to_string())
                };
                let row = records
                    .ok()
                    .and_then(|all| all.iter().collect::<Vec<_>>().iter().rposition(own));
                if let Some(row) = row {
                    let offset = batch.offset(row);
                    if newest.as_ref().is_none_or(|(seq, _)| *seq < batch.seq) {
                        let (topic, partition) = (topic.clone(), partition.number());
                        newest = Some((batch.seq, RecordPlace { topic, partition, offset }));
                    }
                    break;
                }
                end = batch.base_offset;
            }
        }
        newest.map(|(_, place)| self.dead_letter(&place)).transpose()
    }

    /// The call of a task that read this record, or the one that will.
    pub(super) fn record(&self, place: &RecordPlace, task: u32) -> Result<FoundCall> {
        let at = format!("{}:{}:{}", place.topic, place.partition, place.offset);
        let all = partitions(self.journal, &place.topic)?;
        let held = all.get(place.partition as usize).map(Partition::offsets).unwrap_or_default();
        if !held.contains(&place.offset) {
            let text = format!(
                "there is no record at {at}: the partition holds offsets {} to {}",
                held.start, held.end
            );
            return Err(user("E-CAPSULE-RECORD", text));
        }
        let live = self.live(task)?;
        let next = |positions: &[Position]| {
            let is_it = |at: &&Position| {
                at.input.topic == place.topic && at.input.partition == place.partition
            };
            let known = positions.iter().find(is_it);
            known.map(|at| at.next)
        };
        let is_read = |meta: &TaskMeta| next(&meta.positions).is_some_and(|at| at > place.offset);
        if live.snapshot.as_ref().is_some_and(|(_, _, meta)| is_read(meta)) {
            return Err(self.gone(&at));
        }
        let before = live.tail.partition_point(|(_, record)| !is_read(&record.meta));
        let found = live.tail.get(before);
        let (seq, decisions) = (found.map(|(seq, _)| *seq), found.map(|(_, r)| r.meta.clone()));
        let until = found.is_none().then(|| place.clone());
        Ok(FoundCall { partition: task, live, before, seq, decisions, until })
    }
}
