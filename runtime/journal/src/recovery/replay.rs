//! From frames to indexes: what exists after all commits that were found.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Read;
use crate::catalog::{Catalog, Counters, Entry};
use crate::control::{Control, Range, SnapshotRef};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::frame::{PartHead, PartKind, SPARSE};
use crate::segment::{Located, PartRef};
use crate::task::{Task, TaskEntry, TaskId, TaskIndex};
use crate::topic::{BatchEntry, PartitionIndex, Topic, TopicConfig, TopicId};

/// A topic as its last control part says. Its batches may lie before that part: the first one
/// may have gone with an old segment, after it was written again.
struct TopicFound {
    name: String,
    config: TopicConfig,
    ranges: Vec<Range>,
    seq: u64,
}

struct TaskFound {
    key: String,
    snapshot: Option<SnapshotRef>,
    seq: u64,
}

#[derive(Default)]
struct Replay<'a> {
    /// Snapshots that this directory never had, by task and commit.
    skipped: Option<&'a BTreeSet<(u32, u64)>>,
    topics: BTreeMap<u32, TopicFound>,
    tasks: BTreeMap<u32, TaskFound>,
    batches: BTreeMap<(u32, u32), Vec<BatchEntry>>,
    commits: BTreeMap<u32, TaskIndex>,
    catalog: Catalog,
}

pub(super) fn replay(
    log: &[Read],
    skipped: &BTreeSet<(u32, u64)>,
    durability: &Arc<Durability>,
) -> Result<Catalog> {
    let mut replay = Replay { skipped: Some(skipped), ..Replay::default() };
    for read in log {
        for frame in &read.frames {
            for part in &frame.head.parts {
                let located = PartRef::new(&read.segment, frame.head.seq, frame.at, part);
                replay.part(part, frame.head.time_ms, located)?;
            }
        }
    }
    replay.finish(durability)
}

impl Replay<'_> {
    fn part(&mut self, part: &PartHead, time_ms: i64, located: PartRef) -> Result<()> {
        match part.kind {
            PartKind::Batch => {
                let is_whole = part.rows == part.span || part.flags & SPARSE != 0;
                if part.span == 0 || part.rows > part.span || !is_whole {
                    return Err(corrupt(&located, "it does not cover its records"));
                }
                let entry = BatchEntry::new(part, located);
                self.batches.entry((part.owner, part.partition)).or_default().push(entry);
            }
            PartKind::Task => {
                let entry = TaskEntry { time_ms, located: Located::task(located) };
                self.commits.entry(part.owner).or_default().entries.push_back(entry);
            }
            PartKind::Control => {
                let problem = "a control part that this version does not know";
                let control = Control::decode(&located.read()?);
                self.control(control.ok_or_else(|| corrupt(&located, problem))?, located.seq);
            }
        }
        Ok(())
    }

    fn control(&mut self, control: Control, seq: u64) {
        match control {
            Control::Topic { id, name, config, ranges } => {
                self.topics.insert(id, TopicFound { name, config, ranges, seq });
            }
            Control::TopicDeleted { id } => {
                self.topics.remove(&id);
                self.batches.retain(|(topic, _), _| *topic != id);
            }
            Control::Trimmed { topic, partition, start } => {
                if let Some(batches) = self.batches.get_mut(&(topic, partition)) {
                    batches.retain(|batch| batch.end() > start);
                }
                let ranges = self.topics.get_mut(&topic).map(|topic| &mut topic.ranges);
                if let Some(range) = ranges.and_then(|all| all.get_mut(partition as usize)) {
                    range.start = range.start.max(start);
                    range.end = range.end.max(start);
                }
            }
            Control::Compacted { topic, partition, to } => {
                let ranges = self.topics.get_mut(&topic).map(|topic| &mut topic.ranges);
                if let Some(range) = ranges.and_then(|all| all.get_mut(partition as usize)) {
                    range.compacted_to = range.compacted_to.max(to);
                }
            }
            Control::Task { id, key, mut snapshot } => {
                let is_skipped = |of: &SnapshotRef| {
                    self.skipped.is_some_and(|skipped| skipped.contains(&(id, of.seq)))
                };
                if snapshot.as_ref().is_some_and(is_skipped) {
                    // What it would stand for is still in the log.
                    snapshot = self.tasks.get(&id).and_then(|task| task.snapshot.clone());
                }
                let index = self.commits.entry(id).or_default();
                index.set_snapshot(snapshot.clone());
                self.tasks.insert(id, TaskFound { key, snapshot, seq });
            }
            Control::TaskRemoved { id } => {
                self.tasks.remove(&id);
                self.commits.remove(&id);
            }
            Control::Entry { key, value: Some(value) } => {
                self.catalog.entries.insert(key, Entry { value, seq });
            }
            Control::Entry { key, value: None } => drop(self.catalog.entries.remove(&key)),
            Control::Counters { next_topic, next_task } => {
                self.catalog.counters = Counters { next_topic, next_task, seq };
            }
        }
    }

    fn finish(mut self, durability: &Arc<Durability>) -> Result<Catalog> {
        for (id, found) in std::mem::take(&mut self.topics) {
            let mut indexes = Vec::with_capacity(found.ranges.len());
            for (partition, range) in found.ranges.iter().enumerate() {
                let batches = self.batches.remove(&(id, partition as u32)).unwrap_or_default();
                indexes.push(index_of(batches, *range)?);
            }
            let topic = Topic::new(TopicId(id), &found.name, found.config, indexes, durability);
            self.catalog.insert_topic(topic, found.seq);
        }
        for (id, found) in std::mem::take(&mut self.tasks) {
            let mut index = self.commits.remove(&id).unwrap_or_default();
            index.set_snapshot(found.snapshot);
            self.catalog.insert_task(Task::new(TaskId(id), &found.key, index), found.seq);
        }
        let orphan = self.batches.values().flatten().map(|batch| &batch.located);
        let orphan = orphan.chain(
            self.commits.values().flat_map(|index| &index.entries).map(|entry| &entry.located),
        );
        match orphan.into_iter().next() {
            None => Ok(self.catalog),
            Some(part) => Err(corrupt(
                part,
                "it names a topic or task that no commit created: an older \
                                   segment is missing",
            )),
        }
    }
}

/// The index of one partition from its batches, in log order, with those that were carried to a
/// younger segment perhaps twice.
fn index_of(batches: Vec<BatchEntry>, range: Range) -> Result<PartitionIndex> {
    let batches = latest(batches)?;
    let first = batches.first().map_or(range.end, |batch| batch.base);
    let mut index = PartitionIndex {
        start: first,
        end: first,
        compacted_to: range.compacted_to,
        ..PartitionIndex::default()
    };
    for batch in batches {
        if batch.base != index.end {
            let problem = format!("records {}..{} before it are missing", index.end, batch.base);
            return Err(corrupt(&batch.located, &problem));
        }
        index.push(batch);
    }
    if index.end < range.end {
        match index.entries.back() {
            Some(last) => return Err(corrupt(&last.located, "records after it are missing")),
            None => (index.start, index.end) = (range.end, range.end),
        }
    }
    index.trim(range.start);
    Ok(index)
}

/// Of batches in log order, by offset, those that no later one stands for. A later one covers
/// earlier ones whole or not at all.
fn latest(batches: Vec<BatchEntry>) -> Result<Vec<BatchEntry>> {
    let mut numbered: Vec<(usize, BatchEntry)> = batches.into_iter().enumerate().collect();
    numbered.sort_by_key(|(at, batch)| (batch.base, Reverse(batch.span), Reverse(*at)));
    let mut kept: Vec<(usize, BatchEntry)> = Vec::with_capacity(numbered.len());
    for (at, batch) in numbered {
        match kept.last() {
            Some((by_at, by)) if batch.base < by.end() => {
                if batch.end() > by.end() || at > *by_at {
                    let problem = "its records are those of another one in part";
                    return Err(corrupt(&batch.located, problem));
                }
            }
            _ => kept.push((at, batch)),
        }
    }
    Ok(kept.into_iter().map(|(_, batch)| batch).collect())
}

fn corrupt(part: &PartRef, problem: &str) -> Error {
    Error::Corrupt {
        path: part.segment.path(),
        offset: 0,
        seq: part.seq,
        problem: problem.to_owned(),
    }
}
