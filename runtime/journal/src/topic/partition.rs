//! A partition's handle: reading it and hearing of new records.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::task::Waker;

use super::batch::Found;
use super::{Batch, BatchEntry, Junction, PartitionIndex, TopicId, Waiting, waiting};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::locks::{read, write};
use crate::task::TaskId;

/// How far a read may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// All that was appended: for tasks of this journal, which fall with it.
    Appended,
    /// Only what is durable: for everything that leaves the process.
    Durable,
}

/// One partition of a topic. Cheap to clone.
#[derive(Clone)]
pub struct Partition(Arc<Inner>);

struct Inner {
    topic: TopicId,
    topic_name: Arc<str>,
    number: u32,
    deleted: Arc<AtomicBool>,
    durability: Arc<Durability>,
    /// The offset that the next append gets. Written under the append lock only.
    next: AtomicU64,
    index: RwLock<PartitionIndex>,
    waiting: Arc<Waiting>,
    junction: Junction,
}

impl Partition {
    pub(crate) fn new(
        topic: TopicId,
        topic_name: &Arc<str>,
        number: u32,
        index: PartitionIndex,
        deleted: &Arc<AtomicBool>,
        durability: &Arc<Durability>,
    ) -> Partition {
        let waiting = Arc::new(Waiting::default());
        waiting::watch(&waiting, durability);
        Partition(Arc::new(Inner {
            topic,
            topic_name: Arc::clone(topic_name),
            number,
            deleted: Arc::clone(deleted),
            durability: Arc::clone(durability),
            next: AtomicU64::new(index.end),
            index: RwLock::new(index),
            waiting,
            junction: Junction::default(),
        }))
    }

    /// Its topic's id.
    #[must_use]
    pub fn topic(&self) -> TopicId {
        self.0.topic
    }

    /// Its topic's name, `tenant/topic`.
    #[must_use]
    pub fn topic_name(&self) -> &str {
        &self.0.topic_name
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.0.number
    }

    /// The offsets that can be read, durable or not.
    #[must_use]
    pub fn offsets(&self) -> Range<u64> {
        let index = read(&self.0.index);
        index.start..index.end
    }

    /// The end of what can be read: one past the last record that `visibility` shows.
    #[must_use]
    pub fn end(&self, visibility: Visibility) -> u64 {
        let index = read(&self.0.index);
        match visibility {
            Visibility::Appended => index.end,
            Visibility::Durable => index.end_at(self.0.durability.durable()),
        }
    }

    /// Bytes of all batches held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        read(&self.0.index).bytes
    }

    /// How many records that are held were written by `task` in commits behind `seq`.
    #[must_use]
    pub fn rows_by(&self, task: TaskId, seq: u64) -> u64 {
        let is_its = |entry: &&BatchEntry| {
            entry.seq > seq && entry.producer.is_some_and(|by| by.task == task)
        };
        let index = read(&self.0.index);
        index.entries.iter().filter(is_its).map(|entry| u64::from(entry.rows)).sum()
    }

    /// The tasks that have written records at or behind `offset`, in rising order; `None` where more than
    /// `batches_max` batches would have to be looked at.
    #[must_use]
    pub fn writers_behind(&self, offset: u64, batches_max: usize) -> Option<Vec<TaskId>> {
        let index = read(&self.0.index);
        let entries = index.entries.range(index.position(offset)..);
        if entries.len() > batches_max {
            return None;
        }
        let writers: BTreeSet<TaskId> =
            entries.filter_map(|entry| entry.producer.map(|by| by.task)).collect();
        Some(writers.into_iter().collect())
    }

    /// The offset of the first batch that is held of a commit behind `seq`; the end where there is
    /// none.
    #[must_use]
    pub fn first_behind(&self, seq: u64) -> u64 {
        let index = read(&self.0.index);
        let first = index.entries.iter().find(|entry| entry.seq > seq);
        first.map_or(index.end, |entry| entry.base.max(index.start))
    }

    /// The batch that covers `offset` (it may begin before it), or `None` at the end. In a
    /// compacted topic it may have no record at or behind `offset`: read on at
    /// [`Batch::next_offset`].
    ///
    /// # Errors
    /// [`Error::OffsetOutOfRange`] for an offset that retention removed or that was never
    /// written, [`Error::Corrupt`] where the bytes do not match their checksum,
    /// [`Error::UnknownTopic`] once the topic was deleted.
    pub fn read(&self, offset: u64, visibility: Visibility) -> Result<Option<Batch>> {
        // The watermark is taken before the index: it may only be too low.
        let durable = self.durable_for(visibility);
        let found = {
            let index = read(&self.0.index);
            self.check_exists()?;
            if offset < index.start || offset > index.end {
                return Err(self.out_of_range(offset, index.start..index.end));
            }
            index.find(offset).filter(|entry| entry.seq <= durable).map(Found::new)
        };
        found.map(Found::read).transpose()
    }

    /// The last commit that `visibility` shows.
    pub(crate) fn durable_for(&self, visibility: Visibility) -> u64 {
        match visibility {
            Visibility::Appended => u64::MAX,
            Visibility::Durable => self.0.durability.durable(),
        }
    }

    /// # Errors
    /// [`Error::UnknownTopic`] once the topic was deleted.
    pub(crate) fn check_exists(&self) -> Result<()> {
        match self.is_deleted() {
            true => Err(Error::UnknownTopic { name: self.topic_name().to_owned() }),
            false => Ok(()),
        }
    }

    /// Says that `holder` still needs the records from `offset` on: a topic with
    /// `until_consumed_by` forgets nothing younger. Held in memory: a holder says it again after
    /// the journal was opened, and nothing is forgotten before all have.
    pub fn hold(&self, holder: &str, offset: u64) {
        let mut index = write(&self.0.index);
        match index.holders.get_mut(holder) {
            Some(held) => *held = offset,
            None => drop(index.holders.insert(holder.to_owned(), offset)),
        }
    }

    /// Forgets a holder.
    pub fn release(&self, holder: &str) {
        write(&self.0.index).holders.remove(holder);
    }

    fn out_of_range(&self, offset: u64, held: Range<u64>) -> Error {
        Error::OffsetOutOfRange {
            topic: self.topic_name().to_owned(),
            partition: self.number(),
            offset,
            start: held.start,
            end: held.end,
        }
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.0.deleted.load(Ordering::Acquire)
    }

    /// Takes the next `span` offsets. Only under the append lock.
    pub(crate) fn reserve(&self, span: u32) -> u64 {
        self.0.next.fetch_add(u64::from(span), Ordering::AcqRel)
    }

    pub(crate) fn junction(&self) -> &Junction {
        &self.0.junction
    }

    /// Whether records at or behind `offset` are gone that were read without having been kept.
    #[must_use]
    pub fn has_passed_behind(&self, offset: u64) -> bool {
        let index = read(&self.0.index);
        let mut entries = index.entries.range(index.position(offset)..);
        entries.any(|entry| entry.rows == 0 && index.compacted_to <= entry.base)
    }

    /// Shows a batch to readers and moves those who waited for it to `wakers`.
    pub(crate) fn push(&self, entry: BatchEntry, wakers: &mut Vec<Waker>) {
        let seq = entry.seq;
        write(&self.0.index).push(entry);
        self.0.waiting.appended(seq, &self.0.durability, wakers);
    }

    pub(crate) fn replace(&self, entry: BatchEntry) {
        write(&self.0.index).replace(entry);
    }

    pub(crate) fn set_compacted(&self, to: u64) {
        let mut index = write(&self.0.index);
        index.compacted_to = index.compacted_to.max(to);
    }

    pub(crate) fn trim(&self, start: u64) {
        write(&self.0.index).trim(start);
    }

    pub(crate) fn clear(&self) {
        let mut index = write(&self.0.index);
        index.clear();
        drop(index);
        self.0.waiting.wake_all();
    }

    pub(crate) fn waiting(&self) -> &Waiting {
        &self.0.waiting
    }

    pub(crate) fn durability(&self) -> &Durability {
        &self.0.durability
    }

    /// Runs `look` over the index.
    pub(crate) fn with_index<T>(&self, look: impl FnOnce(&PartitionIndex) -> T) -> T {
        look(&read(&self.0.index))
    }
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic_name(), self.number())
    }
}
