//! Putting a commit together.

use std::borrow::Cow;
use std::io::IoSlice;

use bytes::Bytes;

use crate::config::Limits;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::frame::{ALIGN, CARRIED, PartHead, PartKind, SPARSE, head_len, padded};
use crate::task::{Claim, Producer, Task};
use crate::topic::{Partition, Topic, prefix};

/// What one [`crate::Journal::append`] writes: all of it or nothing.
///
/// Bytes are borrowed until then and written from where they are. Their checksums are taken
/// here, outside of any lock.
///
/// Afterwards [`Commit::base_offset`] tells which offsets its batches were given.
pub struct Commit<'a> {
    pub(crate) time_ms: i64,
    pub(crate) parts: Vec<PartHead>,
    pub(crate) targets: Vec<Target>,
    pub(crate) slices: Vec<Cow<'a, [u8]>>,
    /// Bytes of all parts with their padding.
    pub(crate) payload: u64,
    /// May use the reserve: it makes room.
    pub(crate) is_urgent: bool,
    is_sealed: bool,
    /// Entries that name offsets of this commit.
    blanks: Vec<Blank>,
    conditions: Vec<Condition>,
}

/// What has to be so when the commit is appended.
enum Condition {
    /// The topic is not compacted: it may get records without a key.
    NotCompacted(Topic),
    /// Nothing was appended to the topic behind these offsets.
    EndsAt(Topic, Vec<u64>),
    /// Nothing was appended to the partition behind this offset.
    PartitionEndsAt(Partition, u64),
}

/// A place in an entry's value that waits for the offset of a batch.
struct Blank {
    /// The entry's part, and its slice.
    entry: (usize, usize),
    /// Where in the value, in bytes.
    at: usize,
    /// The batch's part.
    batch: usize,
}

pub(crate) enum Target {
    Partition(Partition),
    Task(Task, Option<Claim>),
    Control(Control),
}

impl<'a> Commit<'a> {
    /// An empty commit, made at `time_ms` by its writer's clock.
    #[must_use]
    pub fn new(time_ms: i64) -> Commit<'a> {
        Commit {
            time_ms,
            parts: Vec::new(),
            targets: Vec::new(),
            slices: Vec::new(),
            payload: 0,
            is_urgent: false,
            is_sealed: false,
            blanks: Vec::new(),
            conditions: Vec::new(),
        }
    }

    /// True while nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many parts were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Appends a batch of `rows` records (at least one), whose latest timestamp is
    /// `timestamp_max`, given as slices that follow one another. Answers the part's number.
    pub fn batch(
        &mut self,
        to: &Partition,
        rows: u32,
        timestamp_max: i64,
        bytes: impl IntoIterator<Item = &'a [u8]>,
    ) -> usize {
        self.batch_by(None, to, rows, timestamp_max, bytes)
    }

    /// As [`Commit::batch`], and says which task wrote it.
    pub fn batch_by(
        &mut self,
        producer: Option<Producer>,
        to: &Partition,
        rows: u32,
        timestamp_max: i64,
        bytes: impl IntoIterator<Item = &'a [u8]>,
    ) -> usize {
        let (owner, partition, kind) = (to.topic().0, to.number(), PartKind::Batch);
        let (time_ms, span) = (self.time_ms, rows);
        let head = PartHead { owner, partition, rows, timestamp_max, producer, ..part(kind) };
        let head = PartHead { time_ms, span, ..head };
        self.add(head, Target::Partition(to.clone()), bytes.into_iter().map(Cow::Borrowed))
    }

    /// Uses `rows` offsets for records that are not kept: those who read get none there.
    pub(crate) fn hole(&mut self, by: Producer, to: &Partition, rows: u32, timestamp_max: i64) {
        let empty = pelton_batch::RecordsBuilder::new().finish();
        let head = PartHead {
            owner: to.topic().0,
            partition: to.number(),
            flags: SPARSE,
            span: rows,
            timestamp_max,
            producer: Some(by),
            time_ms: self.time_ms,
            ..part(PartKind::Batch)
        };
        let bytes = [prefix(&[], &[]), empty].into_iter().map(Cow::Owned);
        self.add(head, Target::Partition(to.clone()), bytes);
    }

    /// Refuses the append once something was appended to a partition behind this offset.
    pub(crate) fn expect_end(&mut self, partition: &Partition, end: u64) {
        self.conditions.push(Condition::PartitionEndsAt(partition.clone(), end));
    }

    /// Checks that a batch may be appended to `topic`, where every record needs a key once it is
    /// compacted. Where it becomes so before the append, that is refused.
    ///
    /// # Errors
    /// [`Error::KeyMissing`].
    pub fn check_keys(&mut self, topic: &Topic, batch: &[u8]) -> Result<()> {
        if topic.config().cleanup.compaction().is_none() {
            self.conditions.push(Condition::NotCompacted(topic.clone()));
            return Ok(());
        }
        match pelton_batch::Batch::parse(batch) {
            Ok(batch) => topic.check_keys(&batch),
            Err(_) => Ok(()),
        }
    }

    /// Refuses the append once something was appended to `topic` behind these offsets.
    pub(crate) fn expect_ends(&mut self, topic: &Topic, ends: Vec<u64>) {
        self.conditions.push(Condition::EndsAt(topic.clone(), ends));
    }

    /// Only under the append lock.
    pub(crate) fn check_conditions(&self) -> Result<()> {
        let broken = self.conditions.iter().find_map(|condition| match condition {
            Condition::NotCompacted(topic) => {
                topic.config().cleanup.compaction().is_some().then_some(topic.name())
            }
            Condition::PartitionEndsAt(partition, end) => {
                (partition.offsets().end != *end).then_some(partition.topic_name())
            }
            Condition::EndsAt(topic, ends) => {
                let now = topic.partitions().iter().map(|partition| partition.offsets().end);
                (!now.eq(ends.iter().copied())).then_some(topic.name())
            }
        });
        broken.map_or(Ok(()), |topic| Err(Error::TopicChanged { topic: topic.to_owned() }))
    }

    /// Appends a task's commit record. With a claim, the commit is refused once another one was
    /// given for the task. Answers the part's number.
    pub fn task(
        &mut self,
        task: &Task,
        claim: Option<Claim>,
        bytes: impl IntoIterator<Item = &'a [u8]>,
    ) -> usize {
        let head = PartHead { owner: task.id().0, ..part(PartKind::Task) };
        let target = Target::Task(task.clone(), claim);
        self.add(head, target, bytes.into_iter().map(Cow::Borrowed))
    }

    /// Sets (or with `None` removes) an entry of the journal's registry: a small map for the
    /// control plane, whole in memory.
    pub fn entry(&mut self, key: &str, value: Option<&[u8]>) {
        let value = value.map(Bytes::copy_from_slice);
        self.control(Control::Entry { key: key.to_owned(), value });
    }

    /// As [`Commit::entry`], with a value that says which offsets batches of this very commit were
    /// given, which nobody knows before the append: for each `(at, part)` the offset of the first
    /// record of the batch `part` is written at byte `at` of the value, as u64, little-endian.
    ///
    /// # Panics
    /// Where a part is not a batch of this commit, or a place not within the value.
    pub fn entry_with_offsets(&mut self, key: &str, value: &[u8], offsets: &[(usize, usize)]) {
        let entry = (self.parts.len(), self.slices.len());
        self.entry(key, Some(value));
        for &(at, batch) in offsets {
            assert_eq!(self.parts[batch].kind, PartKind::Batch, "only batches have offsets");
            assert!(at + 8 <= value.len(), "an offset lies within the value");
            self.blanks.push(Blank { entry, at, batch });
        }
    }

    /// Fills in the offsets that entries wait for. Only under the append lock, once batches have
    /// theirs.
    pub(crate) fn fill_offsets(&mut self) {
        for blanks in self.blanks.chunk_by(|one, other| one.entry == other.entry) {
            let (part, slice) = blanks[0].entry;
            let Target::Control(Control::Entry { key, value: Some(value) }) = &self.targets[part]
            else {
                unreachable!("blanks are in entries");
            };
            let mut value = value.to_vec();
            for blank in blanks {
                let offset = self.parts[blank.batch].base_offset;
                value[blank.at..blank.at + 8].copy_from_slice(&offset.to_le_bytes());
            }
            let control = Control::Entry { key: key.clone(), value: Some(value.into()) };
            let bytes = control.encode();
            assert_eq!(bytes.len(), self.parts[part].len as usize, "an entry keeps its length");
            self.parts[part].crc = crc32fast::hash(&bytes);
            self.slices[slice] = Cow::Owned(bytes);
            self.targets[part] = Target::Control(control);
        }
    }

    pub(crate) fn control(&mut self, control: Control) {
        let bytes = control.encode();
        let head = part(PartKind::Control);
        self.add(head, Target::Control(control), std::iter::once(Cow::Owned(bytes)));
    }

    /// Writes a batch that takes the place of older ones, by its head.
    pub(crate) fn carried(&mut self, to: &Partition, head: PartHead, bytes: &'a Bytes) {
        assert!(head.flags & CARRIED != 0, "it keeps its offsets");
        let bytes = std::iter::once(Cow::Borrowed(&bytes[..]));
        self.add(head, Target::Partition(to.clone()), bytes);
    }

    fn add(
        &mut self,
        mut head: PartHead,
        target: Target,
        bytes: impl Iterator<Item = Cow<'a, [u8]>>,
    ) -> usize {
        assert!(!self.is_sealed, "an appended commit takes no more parts");
        let (mut crc, mut len) = (crc32fast::Hasher::new(), 0usize);
        for slice in bytes {
            crc.update(&slice);
            len += slice.len();
            self.slices.push(slice);
        }
        // Too long for the field is too long for the limit: `check` refuses it before use.
        head.len = u32::try_from(len).unwrap_or(u32::MAX);
        head.offset = u32::try_from(self.payload).unwrap_or(u32::MAX);
        head.crc = crc.finalize();
        let padding = padded(len) - len;
        if padding > 0 {
            self.slices.push(Cow::Borrowed(&[0; ALIGN][..padding]));
        }
        self.payload += padded(len) as u64;
        self.parts.push(head);
        self.targets.push(target);
        self.parts.len() - 1
    }

    /// Bytes of the frame.
    pub(crate) fn frame_len(&self) -> u64 {
        head_len(self.parts.len()) as u64 + self.payload
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        let limit = |what, limit: u64, actual: u64| match actual > limit {
            true => Err(Error::Limit { what, limit, actual }),
            false => Ok(()),
        };
        limit("the number of parts of a commit", limits.parts_max.into(), self.len() as u64)?;
        limit("the size of a commit in bytes", limits.frame_bytes_max, self.frame_len())?;
        for part in &self.parts {
            if part.kind == PartKind::Batch && part.span == 0 {
                let what = "the number of batches without a record in a commit";
                return Err(Error::Limit { what, limit: 0, actual: 1 });
            }
        }
        Ok(())
    }

    /// Moves the parts behind the head, now that its length is known.
    pub(crate) fn seal(&mut self) {
        if std::mem::replace(&mut self.is_sealed, true) {
            return;
        }
        let head_len = head_len(self.parts.len()) as u32;
        self.parts.iter_mut().for_each(|part| part.offset += head_len);
    }

    pub(crate) fn io_slices<'s>(&'s self, head: &'s [u8], out: &mut Vec<IoSlice<'s>>) {
        out.push(IoSlice::new(head));
        out.extend(self.slices.iter().map(|slice| IoSlice::new(slice)));
    }

    /// The offset of the first record of the batch with this part number, after the append.
    ///
    /// # Panics
    /// Where the part is not a batch of this commit.
    #[must_use]
    pub fn base_offset(&self, part: usize) -> u64 {
        assert_eq!(self.parts[part].kind, PartKind::Batch, "only batches have offsets");
        self.parts[part].base_offset
    }
}

fn part(kind: PartKind) -> PartHead {
    PartHead {
        kind,
        flags: 0,
        owner: 0,
        partition: 0,
        rows: 0,
        base_offset: 0,
        timestamp_max: 0,
        offset: 0,
        len: 0,
        crc: 0,
        producer: None,
        time_ms: 0,
        span: 0,
    }
}
