//! What can go wrong, in words that say what to do next.

use std::io;
use std::sync::Arc;

/// The result of every journal call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A journal error. [`Error::code`] is stable; the text is for people.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process (or another `Journal` in this one) holds the directory.
    #[error(
        "data directory {path} is in use by process {holder}: stop that process, or choose \
         another directory"
    )]
    Locked {
        /// The directory.
        path: String,
        /// The process id written by the holder, or `unknown`.
        holder: String,
    },
    /// The directory was written by a newer Pelton.
    #[error(
        "data directory {path} has journal format {found}, this build reads up to {supported}: \
         run the newer pelton, or restore a backup taken before the upgrade"
    )]
    NewerFormat {
        /// The directory.
        path: String,
        /// The format found.
        found: u32,
        /// The newest format that this build reads.
        supported: u32,
    },
    /// The directory is not a journal, or a file outside of the segments makes no sense.
    #[error("{path} is not usable: {problem}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Bytes that had been durable are damaged. Nothing is skipped.
    #[error(
        "{path} is damaged at byte {offset} (commit {seq}): {problem}. Restore this file from a \
         backup or a replica; nothing was changed"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Position in the file, in bytes.
        offset: u64,
        /// Sequence number of the damaged commit.
        seq: u64,
        /// What was found.
        problem: String,
    },
    /// No room for another segment or snapshot. Nothing was written; retry when there is room.
    #[error(
        "no room in the data directory for {what} ({source}): free disk space or shorten a \
         topic's retention; reads go on and the append can be retried"
    )]
    Full {
        /// What could not be created.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// An earlier write or sync failed and what the disk holds is unknown: the process must exit
    /// and open the journal again. Or the journal was shut down.
    #[error("the journal has stopped ({reason}): restart the process")]
    Poisoned {
        /// The first error.
        reason: Arc<str>,
    },
    /// An I/O error that did not harm the journal.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A limit of [`crate::Limits`] was passed. Nothing was written.
    #[error("{what} is {actual}, and the limit is {limit}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// Its value.
        limit: u64,
        /// What was asked for.
        actual: u64,
    },
    /// Not a `tenant/name` of letters, digits, `.`, `_` and `-`.
    #[error("'{name}' is not a valid name: {problem}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A topic of this name exists already.
    #[error("topic '{name}' exists already: describe it, or choose another name")]
    TopicExists {
        /// The topic.
        name: String,
    },
    /// No such topic, or it was deleted.
    #[error("there is no topic '{name}': create it first")]
    UnknownTopic {
        /// The topic.
        name: String,
    },
    /// The topic has fewer partitions.
    #[error("topic '{topic}' has {count} partitions, there is no partition {partition}")]
    UnknownPartition {
        /// The topic.
        topic: String,
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        count: u32,
    },
    /// The offset was removed by retention or was never written.
    #[error(
        "offset {offset} of '{topic}' partition {partition} is out of range: it holds \
         {start}..{end}; seek to one of these"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: u64,
        /// The first offset held.
        start: u64,
        /// One past the last offset.
        end: u64,
    },
    /// A record for a compacted topic has no key.
    #[error(
        "record {row} for '{topic}' has no key, and the topic is compacted: give every record a \
         key, or set the topic's cleanup to delete"
    )]
    KeyMissing {
        /// The topic.
        topic: String,
        /// The record's place in its batch.
        row: usize,
    },
    /// A topic that is to be compacted holds a record without a key.
    #[error(
        "'{topic}' holds a record without a key, at offset {offset} of partition {partition}: a \
         compacted topic would keep it for good; let retention remove such records first, or copy \
         the others into a new topic that is compacted"
    )]
    Keyless {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The record's offset.
        offset: u64,
    },
    /// A topic was changed, or appended to, while something was decided about it.
    #[error("'{topic}' was changed meanwhile: try again")]
    TopicChanged {
        /// The topic.
        topic: String,
    },
    /// Bytes that were stored or given as a batch of records are none.
    #[error(
        "the batch at offset {offset} of '{topic}' partition {partition} cannot be read \
         ({problem}): read on behind it, and report what wrote it"
    )]
    Unreadable {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset of the batch.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// There is something in the directory that a backup was to be made in.
    #[error("cannot make a backup in {path}: {problem}")]
    BackupTarget {
        /// The directory.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The task was removed.
    #[error("task '{key}' was removed from the journal: register it again")]
    UnknownTask {
        /// The task's key.
        key: String,
    },
    /// Another owner has taken the task over.
    #[error("task '{key}' has another owner now: stop this one, its commit was not taken")]
    Fenced {
        /// The task's key.
        key: String,
    },
    /// The commit was removed, by retention or compaction.
    #[error("commit {seq} is no longer in the journal, which begins with {first}: take a new copy")]
    FramesGone {
        /// The commit asked for.
        seq: u64,
        /// The oldest one.
        first: u64,
    },
    /// The commit is not there yet, and is not the next one.
    #[error("commit {seq} is not there: the last durable one is {durable}")]
    FramesAhead {
        /// The commit asked for.
        seq: u64,
        /// The last durable one.
        durable: u64,
    },
    /// A received frame cannot be appended.
    #[error("the frame of commit {seq} was refused: {problem}; nothing of it was kept")]
    FrameRefused {
        /// The commit.
        seq: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Another log is no first part of this one.
    #[error(
        "the logs part at commit {first}: the other copy has commits {first} to {last} that are \
         not in this one"
    )]
    Diverged {
        /// The first commit that is not the same.
        first: u64,
        /// The last one of the other log.
        last: u64,
    },
    /// Another copy is of a later epoch.
    #[error("this journal is in epoch {own} and another copy was promoted to epoch {other}")]
    EpochOlder {
        /// The epoch here.
        own: u64,
        /// The epoch there.
        other: u64,
    },
    /// The journal takes commits of its own.
    #[error("this journal is no replica: frames of another one are not taken")]
    NoReplica,
    /// This journal is a replica: only frames of its leader are appended to it.
    #[error("this is a replica and takes no changes: send them to its leader, {leader}")]
    Replica {
        /// Where the leader is.
        leader: String,
    },
    /// A copy of this journal was promoted.
    #[error(
        "another copy of this journal was promoted (epoch {epoch}{}): this one takes no changes \
         any more; send them there",
        at(.by)
    )]
    Deposed {
        /// The copy's epoch.
        epoch: u64,
        /// Where it is; may be empty.
        by: String,
    },
    /// What claims to be a promoted copy of this journal does not show that it is one.
    #[error(
        "this journal is in epoch {own}, and who asks does not show that a copy of it was promoted \
         since: {what}; nothing was changed. If one was, stop this server by hand"
    )]
    Unproven {
        /// The epoch of this journal.
        own: u64,
        /// What is missing.
        what: &'static str,
    },
    /// A content-addressed file is missing.
    #[error("there is no artefact {digest}: deploy the component again")]
    UnknownArtefact {
        /// The digest, in hex.
        digest: String,
    },
}

impl Error {
    /// A stable code for APIs, metrics and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Locked { .. } => "E-JOURNAL-LOCKED",
            Error::NewerFormat { .. } => "E-JOURNAL-NEWER",
            Error::Malformed { .. } => "E-JOURNAL-MALFORMED",
            Error::Corrupt { .. } => "E-JOURNAL-CORRUPT",
            Error::Full { .. } => "E-JOURNAL-FULL",
            Error::Poisoned { .. } => "E-JOURNAL-POISONED",
            Error::Io { .. } => "E-JOURNAL-IO",
            Error::Limit { .. } => "E-JOURNAL-LIMIT",
            Error::BadName { .. } => "E-JOURNAL-NAME",
            Error::TopicExists { .. } => "E-TOPIC-EXISTS",
            Error::UnknownTopic { .. } => "E-TOPIC-UNKNOWN",
            Error::UnknownPartition { .. } => "E-PARTITION-UNKNOWN",
            Error::OffsetOutOfRange { .. } => "E-OFFSET-RANGE",
            Error::KeyMissing { .. } => "E-TOPIC-KEY",
            Error::Keyless { .. } => "E-TOPIC-KEYLESS",
            Error::TopicChanged { .. } => "E-TOPIC-CHANGED",
            Error::Unreadable { .. } => "E-BATCH-STORED",
            Error::BackupTarget { .. } => "E-BACKUP-TARGET",
            Error::UnknownTask { .. } => "E-TASK-UNKNOWN",
            Error::Fenced { .. } => "E-TASK-FENCED",
            Error::FramesGone { .. } => "E-REPLICA-BEHIND",
            Error::FramesAhead { .. } => "E-REPLICA-AHEAD",
            Error::FrameRefused { .. } => "E-REPLICA-FRAME",
            Error::Diverged { .. } => "E-REPLICA-DIVERGED",
            Error::EpochOlder { .. } => "E-REPLICA-EPOCH",
            Error::NoReplica => "E-REPLICA-NONE",
            Error::Replica { .. } => "E-REPLICA-READ-ONLY",
            Error::Deposed { .. } => "E-REPLICA-FENCED",
            Error::Unproven { .. } => "E-REPLICA-PROOF",
            Error::UnknownArtefact { .. } => "E-ARTEFACT-UNKNOWN",
        }
    }

    /// True where the same call may succeed later without anything else being changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::TopicChanged { .. })
    }

    pub(crate) fn io(action: &'static str, path: impl Into<String>, source: io::Error) -> Error {
        Error::Io { action, path: path.into(), source }
    }

    pub(crate) fn malformed(path: impl Into<String>, problem: impl Into<String>) -> Error {
        Error::Malformed { path: path.into(), problem: problem.into() }
    }
}

fn at(by: &str) -> String {
    if by.is_empty() { String::new() } else { format!(", at {by}") }
}

/// Whether an error of a file's creation means "later, perhaps": no space, quota or handles.
pub(crate) fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let Some(code) = error.raw_os_error() else {
        return error.kind() == io::ErrorKind::StorageFull;
    };
    let code = Errno::from_raw_os_error(code);
    matches!(code, Errno::NOSPC | Errno::DQUOT | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}
