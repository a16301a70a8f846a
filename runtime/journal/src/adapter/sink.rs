//! Committing to the journal.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{
    BoxFuture, Clock, Commit, Committed, Domain, Error, Recovered, Result, Sink, SnapshotWriter,
    TaskId, TaskMeta, TaskRecord, TopicName,
};

use super::fused::{Held, append_as_they_are, append_together, stale};
use super::{of, snapshots};
use crate::config::SyncMode;
use crate::journal::Journal;
use crate::task::{Claim, Producer, Task};
use crate::topic::{Answer, Topic};

/// A journal as the place of commits. Any number of sinks may share one journal; a task belongs
/// to the one that loaded it last.
pub struct JournalSink {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    tasks: HashMap<TaskId, (Task, Claim)>,
    topics: HashMap<TopicName, Topic>,
}

impl JournalSink {
    /// Commits to `journal`. The clock only dates what the journal writes of its own accord.
    #[must_use]
    pub fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> JournalSink {
        JournalSink { journal, clock, tasks: HashMap::new(), topics: HashMap::new() }
    }

    fn task(&self, task: &TaskId) -> Result<&(Task, Claim)> {
        self.tasks.get(task).ok_or_else(|| {
            let text = format!("task {task} commits before it was loaded");
            Error::new("E-TASK-NOT-LOADED", Domain::Internal, text)
        })
    }

    /// The topic, looked up again where it was deleted (and perhaps made anew).
    fn topic(&mut self, name: &TopicName) -> Result<Topic, crate::Error> {
        match self.topics.get(name) {
            Some(topic) if !topic.is_deleted() => Ok(topic.clone()),
            _ => {
                let topic = self.journal.topic(&name.to_string())?;
                self.topics.insert(name.clone(), topic.clone());
                Ok(topic)
            }
        }
    }

    fn load_now(&mut self, id: &TaskId) -> Result<Recovered> {
        let task = self.journal.register_task(&id.to_string(), self.clock.now_ms()).map_err(of)?;
        let claim = self.journal.claim(&task).map_err(of)?;
        let snapshot = self.journal.snapshot(&task).map_err(of)?;
        let mut sequence = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        let mut tail = Vec::with_capacity(task.commit_count());
        for commit in task.commits() {
            let commit = commit.map_err(of)?;
            sequence = commit.seq;
            tail.push(TaskRecord::decode(&commit.bytes)?);
        }
        if let Some(record) = tail.last() {
            self.hold(task.key(), &record.meta)?;
        }
        self.tasks.insert(id.clone(), (task, claim));
        let snapshot = snapshot.map(|snapshot| Box::new(Cursor::new(snapshot.bytes)) as _);
        Ok(Recovered { snapshot, tail, sequence })
    }

    /// Tells internal topics how far they were consumed.
    fn hold(&mut self, key: &str, meta: &TaskMeta) -> Result<()> {
        for position in meta.positions.iter().filter(|at| at.input.cluster.is_empty()) {
            let topic = match self.topic(&position.input.topic) {
                Err(crate::Error::UnknownTopic { .. }) => continue,
                other => other.map_err(of)?,
            };
            if topic.config().retention.until_consumed_by > 0 {
                let partition = topic.partition(position.input.partition).map_err(of)?;
                partition.hold(key, position.next);
            }
        }
        Ok(())
    }

    fn append(&mut self, commit: &Commit<'_>) -> Result<u64> {
        let (task, claim) = self.task(commit.task)?.clone();
        let meta = &commit.record.meta;
        let head = head_of(commit)?;
        let mut frame = crate::Commit::new(meta.time_ms);
        frame.task(&task, Some(claim), [&head[..], &commit.record.changes]);
        for output in commit.outputs {
            let topic = self.topic(&output.topic).map_err(of)?;
            let to = topic.partition(output.partition).map_err(of)?;
            frame.check_keys(&topic, &output.batch).map_err(of)?;
            let (rows, timestamp) = (output.rows, output.max_timestamp);
            let producer = Some(Producer { task: task.id(), watermark: output.watermark });
            frame.batch_by(producer, to, rows, timestamp, [&output.batch[..]]);
        }
        let seq = self.journal.shared.append(&mut frame).map_err(of)?;
        self.hold(task.key(), meta)?;
        Ok(seq)
    }

    /// The commits whose records this one has read before they were appended. At most one partition's:
    /// those of others are appended first.
    fn taken(&mut self, commit: &Commit<'_>) -> Result<Vec<Held>> {
        let mut taken = Vec::new();
        for position in &commit.record.meta.positions {
            if !position.input.cluster.is_empty() {
                continue;
            }
            let Ok(topic) = self.topic(&position.input.topic) else { continue };
            let Ok(partition) = topic.partition(position.input.partition) else { continue };
            if !partition.junction().was_on() {
                continue;
            }
            match partition.junction().taken() {
                Some(mut list) if taken.is_empty() => {
                    list.last_mut().into_iter().for_each(|held| held.read_to(position.next));
                    taken = list;
                }
                Some(list) => append_as_they_are(&self.journal, list)?,
                None if position.next > partition.offsets().end => {
                    return Err(stale(partition.topic_name()));
                }
                None => {}
            }
        }
        Ok(taken)
    }

    /// Which output goes straight to the task that reads it: that waits for the partition of this
    /// task's own number, and nothing goes to others of that topic.
    fn through(&mut self, commit: &Commit<'_>) -> Option<usize> {
        let mut through = None;
        for (number, output) in commit.outputs.iter().enumerate() {
            let topic = self.topic(&output.topic).ok()?;
            let junction = topic.partition(output.partition).ok()?.junction();
            if junction.is_on() {
                let is_alone = through.is_none() && output.partition == commit.task.partition;
                if !is_alone || !junction.is_awaited() {
                    return None;
                }
                through = Some(number);
            }
        }
        through
    }

    fn held(&mut self, commit: &Commit<'_>, through: Option<usize>) -> Result<Held> {
        let mut outputs = Vec::with_capacity(commit.outputs.len());
        for output in commit.outputs {
            let topic = self.topic(&output.topic).map_err(of)?;
            let partition = topic.partition(output.partition).map_err(of)?.clone();
            outputs.push((topic, partition, output.clone()));
        }
        let mut holds = Vec::new();
        let local = commit.record.meta.positions.iter().filter(|at| at.input.cluster.is_empty());
        for position in local {
            let Ok(topic) = self.topic(&position.input.topic) else { continue };
            if topic.config().retention.until_consumed_by > 0 {
                let partition = topic.partition(position.input.partition).map_err(of)?.clone();
                holds.push((partition, position.next));
            }
        }
        let owner = self.task(commit.task)?.clone();
        Ok(Held::new(owner, commit, head_of(commit)?, outputs, through, holds))
    }

    /// Commits together with those whose records were read, and with the task that reads what this one
    /// writes, where either is.
    async fn commit_fused(
        &mut self,
        commit: &Commit<'_>,
        mut list: Vec<Held>,
        through: Option<usize>,
    ) -> Result<u64> {
        match self.held(commit, through) {
            Ok(own) => list.push(own),
            Err(error) => {
                append_as_they_are(&self.journal, list)?;
                return Err(error);
            }
        }
        let awaits = list.last().zip(through).map(|(own, _)| Arc::clone(&own.reply));
        if let Some((reply, number)) = awaits.zip(through) {
            let output = &commit.outputs[number];
            let topic = self.topic(&output.topic).map_err(of)?;
            let partition = topic.partition(output.partition).map_err(of)?.clone();
            match partition.junction().offer(list, reply).await {
                Answer::Appended(sequence) => return Ok(sequence),
                Answer::Returned(back) => list = back,
            }
        }
        append_together(&self.journal, list)
    }
}

/// The head of a task's record. The changes are written from where they are.
fn head_of(commit: &Commit<'_>) -> Result<Vec<u8>> {
    TaskRecord { meta: commit.record.meta.clone(), changes: Bytes::new() }.encode()
}

impl Sink for JournalSink {
    fn load<'a>(&'a mut self, task: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        Box::pin(async move { self.load_now(task) })
    }

    fn commit_bytes_max(&self) -> u64 {
        // The rest is for the frame's head, an entry for each of its parts, and their padding.
        let max = self.journal.limits().frame_bytes_max;
        max - max / 8
    }

    fn partitions(&mut self, topic: &TopicName) -> Result<Option<u32>> {
        match self.topic(topic) {
            Ok(topic) => Ok(Some(topic.config().partitions)),
            Err(crate::Error::UnknownTopic { .. }) => Ok(None),
            Err(error) => Err(of(error)),
        }
    }

    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        Box::pin(async move {
            let (taken, through) = (self.taken(commit)?, self.through(commit));
            let sequence = match (taken.is_empty(), through) {
                (true, None) => self.append(commit)?,
                _ => self.commit_fused(commit, taken, through).await?,
            };
            if self.journal.shared.config.sync_mode == SyncMode::Each {
                self.journal.step_if_manual(sequence).map_err(of)?;
                let journal = &self.journal;
                let durable = poll_fn(|context| journal.poll_durable(sequence, context.waker()));
                durable.await.map_err(of)?;
            }
            Ok(Committed { sequence })
        })
    }

    fn tell(&mut self, task: &TaskId, watermark: i64, idle: bool) {
        if let Some((task, _)) = self.tasks.get(task) {
            task.tell(watermark, idle);
        }
    }

    fn durable(&self) -> u64 {
        self.journal.durable()
    }

    fn snapshot(
        &mut self,
        task: &TaskId,
        sequence: u64,
        writer: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        let task = self.task(task).map(|(task, _)| task.clone());
        let (journal, time_ms) = (Arc::clone(&self.journal), self.clock.now_ms());
        Box::pin(async move {
            let work = snapshots::Work { journal, task: task?, sequence, time_ms, writer };
            snapshots::run(work).await
        })
    }
}
