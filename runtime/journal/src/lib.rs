//! Pelton's embedded durable log.
//!
//! One directory holds one append-only sequence of commits, cut into preallocated segments. A
//! [`Commit`] puts any number of batches (records of a topic partition), task records and
//! registry entries into one frame: after a crash all of it is there or nothing. A sync thread
//! runs `fdatasync` back to back and moves the durable watermark ([`Journal::durable`]);
//! appending never waits for the disk, unless the [`SyncMode`] says so.
//!
//! The journal never looks inside of batches and task records, reads them without copying, and
//! checks every byte it hands out; only the cleaner of compacted topics reads keys. It has no
//! clock: times are given by its caller.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! use pelton_journal::{Commit, Config, Journal, TopicConfig, Visibility};
//!
//! let journal = Journal::open(dir.path(), Config::default())?;
//! let topic = journal.create_topic("default/greetings", TopicConfig::new(1), 0)?;
//! let partition = topic.partition(0)?;
//!
//! let mut commit = Commit::new(1_700_000_000_000);
//! commit.batch(partition, 1, 1_700_000_000_000, [&b"a batch"[..]]);
//! let seq = journal.append(&mut commit)?;
//! journal.wait_durable(seq)?;
//!
//! let batch = partition.read(0, Visibility::Durable)?.expect("it is durable");
//! assert_eq!(&batch.bytes[..], b"a batch");
//! # Ok(())
//! # }
//! ```
//!
//! - An I/O error while writing or syncing stops the journal for good ([`Error::Poisoned`]): what
//!   the disk holds is unknown until it is opened again. A full disk is met where segments are
//!   created and harms nothing ([`Error::Full`]).
//! - A torn tail is cut at open. Damage to what had been durable is never skipped: it is
//!   [`Error::Corrupt`], at open or where it is read.
//! - [`Journal::clean`] applies retention, compacts, and removes segments that nothing needs;
//!   [`Journal::pins`] says what needs the oldest one.
//! - [`Journal::backup`] makes a copy of the directory while everything goes on.
//! - A compacted topic ([`Cleanup`]) keeps the latest record of each key, at its offset: what is
//!   left of its old batches is appended again as sparse batches ([`Batch::offset`]), which cover
//!   the offsets of those that they stand for. Read on at [`Batch::next_offset`], always.
//!
//! # Files
//! ```text
//! FORMAT                     format version and salt
//! LOCK                       held by the process that has the directory open; its pid
//! INCOMPLETE                 a backup that was not finished: the directory is refused
//! ROLE                       only where it takes no commits of its own: a replica, or fenced
//! DURABLE                    how far it was durable at the last clean close
//! segments/00000001.seg      64-byte header, then frames
//! segments/00000001.idx      index of a sealed segment; rebuilt where missing
//! segments/spare-*.tmp       reserved room, and files of freed segments to be used again
//! snapshots/TASK-SEQ.snap    a task's snapshot, named by a control part of the log
//! snapshots/TASK-SEQ.none    a replica never had this one; its task goes on from the log
//! artefacts/DIGEST           content-addressed files
//! ```
//! Format 2 brought sparse batches, and commit times of batches. Directories of format 1 are
//! opened and become format 2, which older versions refuse.

pub mod adapter;
pub mod sim;
pub mod storage;

mod append;
mod artefact;
mod backup;
mod bytes_of;
mod catalog;
mod clean;
mod commit;
mod compact;
mod config;
mod control;
mod durability;
mod epoch;
mod error;
mod failpoint;
mod frame;
mod frames;
mod journal;
mod locks;
mod recovery;
mod recycle;
mod remove;
mod rewind;
mod role;
mod segment;
mod sidecar;
mod snapshot;
mod sync;
mod task;
mod topic;
mod topics;

pub use backup::BackupReport;
pub use clean::{CleanReport, Pin};
pub use commit::Commit;
pub use config::{Config, Limits, SyncDriver, SyncMode};
pub use epoch::{EPOCHS_AHEAD_MAX, Epoch};
pub use error::{Error, Result};
pub use failpoint::{Action, Hooks, POINTS, Point};
pub use frames::{CopiedFile, Copying, FrameReader, Frames, FullCopy, SnapshotNeed};
pub use journal::Journal;
pub use recovery::{Verified, format_version, verify, verify_on};
pub use role::Role;
pub use snapshot::{Snapshot, SnapshotWriter};
pub use task::{Claim, Producer, Task, TaskCommit, TaskId};
pub use topic::{
    Batch, Cleaned, Cleanup, Compaction, Partition, PartitionInfo, Retention, Topic, TopicConfig,
    TopicId, Visibility, Waiter,
};
