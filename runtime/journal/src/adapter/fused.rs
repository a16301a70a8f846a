//! Commits of several tasks in one frame: of one that writes to a partition, and of the one that
//! reads it. See [`crate::topic`]'s junction.

use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{COMMIT_STALE, Commit, Domain, Error, OutputBatch, Result};

use super::of;
use crate::error::Error as JournalError;
use crate::journal::Journal;
use crate::task::{Claim, Producer, Task};
use crate::topic::{Answer, Partition, Reply, Topic, give_back};

/// A commit that waits to be appended, alone or with that of the task that reads what it writes.
pub(crate) struct Held {
    task: Task,
    claim: Claim,
    time_ms: i64,
    /// The task's record: its head, and the changes of its state.
    head: Vec<u8>,
    changes: Bytes,
    outputs: Vec<(Topic, Partition, OutputBatch)>,
    /// Which of them goes to the task that reads it.
    through: Option<usize>,
    /// The offset of its first record, once the reader has it.
    base: Option<u64>,
    /// Whether the reader's commit is behind all of its records, so that they need not be kept.
    is_passed: bool,
    /// How far inputs were consumed whose topics forget what was.
    holds: Vec<(Partition, u64)>,
    pub(crate) reply: Arc<Reply>,
}

/// What a reader is handed.
pub(super) struct Passed {
    pub(super) batch: Bytes,
    pub(super) rows: u32,
    pub(super) producer: Producer,
}

impl Held {
    /// A commit with its topics looked up. Its outputs are those of `commit`.
    pub(super) fn new(
        (task, claim): (Task, Claim),
        commit: &Commit<'_>,
        head: Vec<u8>,
        outputs: Vec<(Topic, Partition, OutputBatch)>,
        through: Option<usize>,
        holds: Vec<(Partition, u64)>,
    ) -> Self {
        Self {
            task,
            claim,
            time_ms: commit.record.meta.time_ms,
            head,
            changes: commit.record.changes.clone(),
            outputs,
            through,
            base: None,
            is_passed: false,
            holds,
            reply: Arc::default(),
        }
    }

    fn through(&self) -> Option<&(Topic, Partition, OutputBatch)> {
        self.outputs.get(self.through?)
    }

    /// Hands out what the reader gets, as the records from `base` on.
    pub(super) fn pass(&mut self, base: u64) -> Option<Passed> {
        self.base = Some(base);
        let task = self.task.id();
        let (_, _, output) = self.through()?;
        let producer = Producer { task, watermark: output.watermark };
        Some(Passed { batch: output.batch.clone(), rows: output.rows, producer })
    }

    /// Takes note of how far the reader's commit is.
    pub(super) fn read_to(&mut self, next: u64) {
        let end =
            self.base.zip(self.through()).map(|(base, (_, _, out))| base + u64::from(out.rows));
        self.is_passed = end.is_some_and(|end| next >= end);
    }

    fn add_to<'a>(&'a self, frame: &mut crate::Commit<'a>) -> Result<Option<usize>, JournalError> {
        frame.task(&self.task, Some(self.claim), [&self.head[..], &self.changes]);
        let mut through = None;
        for (number, (topic, partition, output)) in self.outputs.iter().enumerate() {
            let OutputBatch { rows, max_timestamp, watermark, batch, .. } = output;
            let by = Producer { task: self.task.id(), watermark: *watermark };
            if self.through == Some(number) && self.is_passed {
                frame.expect_end(partition, self.base.unwrap_or_default());
                frame.hole(by, partition, *rows, *max_timestamp);
                continue;
            }
            frame.check_keys(topic, batch)?;
            let part = frame.batch_by(Some(by), partition, *rows, *max_timestamp, [&batch[..]]);
            through = through.or((self.through == Some(number)).then_some(part));
        }
        Ok(through)
    }

    /// Tells what is told once it is appended.
    fn appended(&self) {
        for (partition, next) in &self.holds {
            partition.hold(self.task.key(), *next);
        }
        if let Some((_, partition, output)) = self.through().filter(|_| self.is_passed) {
            partition.junction().count(output.rows);
        }
    }
}

/// Appends commits in one frame. Answers its number, and at which offset the records of the last one
/// stand that somebody has read already, where they are kept.
fn append_frame(journal: &Journal, list: &[Held]) -> Result<(u64, Option<u64>), JournalError> {
    let time_ms = list.last().map_or(0, |held| held.time_ms);
    let mut frame = crate::Commit::new(time_ms);
    let mut through = None;
    for held in list {
        through = held.add_to(&mut frame)?;
    }
    let seq = journal.shared.append(&mut frame)?;
    list.iter().for_each(Held::appended);
    Ok((seq, through.map(|part| frame.base_offset(part))))
}

fn tell(list: &[Held], seq: u64) {
    list.iter().for_each(|held| held.reply.give(Answer::Appended(seq)));
}

/// Appends commits whose records a reader has, which is not going to commit with them: as they are.
/// Where that cannot be, whoever made the last of them has them back.
///
/// # Errors
/// [`COMMIT_STALE`] where the reader has what is not in the partition, or not where it was read.
pub(super) fn append_as_they_are(journal: &Journal, mut list: Vec<Held>) -> Result<()> {
    let Some(last) = list.last_mut() else { return Ok(()) };
    last.is_passed = false;
    let (read_at, name) = (last.base, last.through().map(|(topic, ..)| topic.name().to_owned()));
    match append_frame(journal, &list) {
        Ok((seq, base)) => {
            tell(&list, seq);
            if base == read_at { Ok(()) } else { Err(stale(&name.unwrap_or_default())) }
        }
        Err(_) => {
            give_back(list);
            Err(stale(&name.unwrap_or_default()))
        }
    }
}

/// Appends a task's commit, the last one of `list`, together with those before it, whose records it has
/// read.
///
/// # Errors
/// Those of the journal; [`COMMIT_STALE`] where what it has read is not in the partition.
pub(super) fn append_together(journal: &Journal, mut list: Vec<Held>) -> Result<u64> {
    let error = match append_frame(journal, &list) {
        Ok((seq, _)) => {
            list.pop();
            tell(&list, seq);
            return Ok(seq);
        }
        Err(error) => error,
    };
    let own = list.pop();
    if list.is_empty() {
        return Err(of(error));
    }
    append_as_they_are(journal, list)?;
    let own = own.map_or_else(Vec::new, |own| vec![own]);
    append_frame(journal, &own).map(|(seq, _)| seq).map_err(of)
}

/// A task has read what is not there.
pub(super) fn stale(topic: &str) -> Error {
    let text = format!(
        "what a task has read of '{topic}' before it was appended was appended otherwise: it starts \
         again from its last commit"
    );
    Error::new(COMMIT_STALE, Domain::Internal, text)
}
