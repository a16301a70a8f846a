//! Where commits go, and where a task finds itself again.

use std::io;

use crate::commit::{Commit, TaskRecord};
use crate::error::Result;
use crate::guest::BoxFuture;
use crate::ids::{TaskId, TopicName};

/// A commit that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Committed {
    /// Its place in the sequence of all commits of this sink; rises with each.
    pub sequence: u64,
}

/// Writes a snapshot; called once, on a thread that may block.
pub type SnapshotWriter = Box<dyn FnOnce(&mut dyn io::Write) -> io::Result<()> + Send>;
/// Reads a snapshot back.
pub type SnapshotReader = Box<dyn io::Read + Send>;

/// What a task finds when it starts.
pub struct Recovered {
    /// The newest snapshot, if there is one: what the task's [`SnapshotWriter`] wrote.
    pub snapshot: Option<SnapshotReader>,
    /// The task's records of all commits behind the snapshot (all there were, without one), oldest
    /// first.
    pub tail: Vec<TaskRecord>,
    /// The sequence of the last commit, 0 where there is none.
    pub sequence: u64,
}

/// A place for commits: all of a commit becomes visible in one step, or nothing of it.
pub trait Sink: Send {
    /// Takes the task over and reads what it had committed. A commit by an earlier owner of the
    /// task fails from here on.
    fn load<'a>(&'a mut self, task: &'a TaskId) -> BoxFuture<'a, Result<Recovered>>;

    /// Number of partitions of a topic; `None` where there is no such topic.
    ///
    /// # Errors
    /// A storage error.
    fn partitions(&mut self, topic: &TopicName) -> Result<Option<u32>>;

    /// Most bytes that one commit may have: outputs, changes of state and what else is in it. A call
    /// that comes to more is made again with fewer records.
    fn commit_bytes_max(&self) -> u64 {
        u64::MAX
    }

    /// Commits. When the future is ready the commit has been taken: a later one cannot become
    /// visible without it. Whether it is durable, [`Sink::durable`] tells.
    ///
    /// # Errors
    /// A retryable error (a full disk, a transaction that was aborted) has left nothing behind: the
    /// same commit can be tried again. After any other error the task must be loaded anew.
    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>>;

    /// Tells those who read its topics how far a task has come, beside what its commits say: everything
    /// before `watermark` (ms) is committed. `idle`: it has nothing to do and is not waited for.
    fn tell(&mut self, _task: &TaskId, _watermark: i64, _idle: bool) {}

    /// The sequence up to which commits survive a power cut. What leaves the process waits for it.
    fn durable(&self) -> u64;

    /// Stores a snapshot of the task as of the commit `sequence`, and lets go of what is older. It
    /// is published only once the commits that it holds are durable. The future does not borrow
    /// the sink: commits go on while it is under way.
    fn snapshot(
        &mut self,
        task: &TaskId,
        sequence: u64,
        writer: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>>;
}
