//! Tasks: their commit records since their last published snapshot.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::control::{Control, SnapshotRef};
use crate::error::Result;
use crate::locks::lock;
use crate::segment::{Located, PartRef};

/// A task's id: stable for its life, never used again after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// The task that wrote a batch, and its watermark when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    /// The task.
    pub task: TaskId,
    /// Its watermark, ms.
    pub watermark: i64,
}

/// The right to commit for a task: the latest one given by [`crate::Journal::claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim(u64);

/// A registered task. Cheap to clone; the handle outlives a removal, appends to it then fail.
#[derive(Clone)]
pub struct Task(Arc<Inner>);

struct Inner {
    id: TaskId,
    key: Box<str>,
    removed: AtomicBool,
    /// The latest claim. Changed under the append lock only.
    claim: AtomicU64,
    control_seq: AtomicU64,
    index: Mutex<TaskIndex>,
    told: Told,
}

/// What whoever runs the task has told in this process.
#[derive(Default)]
struct Told {
    watermark: AtomicI64,
    state: AtomicU8,
}

const SILENT: u8 = 0;
const AT_WORK: u8 = 1;
const IDLE: u8 = 2;

#[derive(Default)]
pub(crate) struct TaskIndex {
    pub(crate) snapshot: Option<SnapshotRef>,
    pub(crate) entries: VecDeque<TaskEntry>,
}

pub(crate) struct TaskEntry {
    pub(crate) time_ms: i64,
    pub(crate) located: Located,
}

impl TaskIndex {
    pub(crate) fn set_snapshot(&mut self, snapshot: Option<SnapshotRef>) {
        let seq = snapshot.as_ref().map_or(0, |snapshot| snapshot.seq);
        self.snapshot = snapshot;
        while self.entries.front().is_some_and(|entry| entry.located.seq <= seq) {
            self.entries.pop_front();
        }
    }
}

/// One commit record of a task.
#[derive(Debug, Clone)]
pub struct TaskCommit {
    /// The commit.
    pub seq: u64,
    /// The time that its writer gave it, ms.
    pub time_ms: i64,
    /// The record's bytes, as they were given.
    pub bytes: Bytes,
}

impl Task {
    pub(crate) fn new(id: TaskId, key: &str, index: TaskIndex) -> Task {
        Task(Arc::new(Inner {
            id,
            key: key.into(),
            removed: AtomicBool::new(false),
            claim: AtomicU64::new(0),
            control_seq: AtomicU64::new(0),
            index: Mutex::new(index),
            told: Told::default(),
        }))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.id
    }

    /// The key it was registered under.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The last commit that its published snapshot contains.
    #[must_use]
    pub fn snapshot_seq(&self) -> Option<u64> {
        lock(&self.0.index).snapshot.as_ref().map(|snapshot| snapshot.seq)
    }

    /// Tells how far its event time has come (ms): all that it says of the time before is appended.
    /// `idle`: it has nothing to do. Kept in memory only, until it is told again.
    pub fn tell(&self, watermark: i64, idle: bool) {
        // Whoever sees that something was told sees the watermark with it, or a later one.
        self.0.told.watermark.store(watermark, Ordering::Release);
        self.0.told.state.store(if idle { IDLE } else { AT_WORK }, Ordering::Release);
    }

    /// What was told last, and whether it was idle; `None` where nobody has told since it was opened or
    /// taken over.
    #[must_use]
    pub fn told(&self) -> Option<(i64, bool)> {
        let state = self.0.told.state.load(Ordering::Acquire);
        let watermark = self.0.told.watermark.load(Ordering::Acquire);
        (state != SILENT).then_some((watermark, state == IDLE))
    }

    /// How many commit records there are since then.
    #[must_use]
    pub fn commit_count(&self) -> usize {
        lock(&self.0.index).entries.len()
    }

    /// The newest commit record since the published snapshot, if there is one.
    #[must_use]
    pub fn newest_commit(&self) -> Option<Result<TaskCommit>> {
        let (time_ms, part) = {
            let index = lock(&self.0.index);
            let entry = index.entries.back()?;
            (entry.time_ms, (*entry.located).clone())
        };
        let seq = part.seq;
        Some(part.read().map(|bytes| TaskCommit { seq, time_ms, bytes }))
    }

    /// The commit records since the published snapshot, oldest first, as they are now.
    pub fn commits(&self) -> impl Iterator<Item = Result<TaskCommit>> + use<> {
        let parts: Vec<(i64, PartRef)> = {
            let index = lock(&self.0.index);
            index.entries.iter().map(|entry| (entry.time_ms, (*entry.located).clone())).collect()
        };
        parts
            .into_iter()
            .map(|(time_ms, part)| Ok(TaskCommit { seq: part.seq, time_ms, bytes: part.read()? }))
    }

    /// Takes the task over from whoever had it. Only under the append lock.
    pub(crate) fn claim(&self) -> Claim {
        self.0.told.state.store(SILENT, Ordering::Release);
        Claim(self.0.claim.fetch_add(1, Ordering::AcqRel) + 1)
    }

    pub(crate) fn is_claimed_by(&self, claim: Claim) -> bool {
        self.0.claim.load(Ordering::Acquire) == claim.0
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.0.removed.load(Ordering::Acquire)
    }

    pub(crate) fn mark_removed(&self) {
        self.0.removed.store(true, Ordering::Release);
        lock(&self.0.index).entries.clear();
    }

    pub(crate) fn push(&self, entry: TaskEntry) {
        lock(&self.0.index).entries.push_back(entry);
    }

    pub(crate) fn snapshot_ref(&self) -> Option<SnapshotRef> {
        lock(&self.0.index).snapshot.clone()
    }

    pub(crate) fn set_snapshot(&self, snapshot: Option<SnapshotRef>) {
        lock(&self.0.index).set_snapshot(snapshot);
    }

    pub(crate) fn control_seq(&self) -> u64 {
        self.0.control_seq.load(Ordering::Acquire)
    }

    pub(crate) fn set_control_seq(&self, seq: u64) {
        self.0.control_seq.store(seq, Ordering::Release);
    }

    /// The control part that says all about this task.
    pub(crate) fn control(&self) -> Control {
        let snapshot = self.snapshot_ref();
        Control::Task { id: self.id().0, key: self.key().to_owned(), snapshot }
    }

    /// Commit records whose segment is `number`.
    pub(crate) fn commits_in(&self, number: u32) -> usize {
        let index = lock(&self.0.index);
        index.entries.iter().filter(|entry| entry.located.segment.number == number).count()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
