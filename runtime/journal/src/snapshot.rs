//! Snapshots of tasks: files beside the log, named by a control part of it.
//!
//! A snapshot must never be ahead of the log: it is published only after the journal is synced
//! up to the last commit it contains, and its name is lasting before the log speaks of it.

use std::collections::BTreeSet;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::Catalog;
use crate::commit::Commit;
use crate::control::{Control, SnapshotRef};
use crate::error::{Error, Result, is_shortage};
use crate::failpoint::Point;
use crate::journal::{Journal, Shared};
use crate::storage::{File, Storage, read_all};
use crate::task::Task;

pub(crate) const FOLDER: &str = "snapshots";
const BUFFER_LEN: usize = 256 << 10;

pub(crate) fn path_of(task: &Task, seq: u64) -> String {
    format!("{FOLDER}/{:08}-{seq:020}.snap", task.id().0)
}

/// A task's published snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The last commit that it contains.
    pub seq: u64,
    /// Its bytes, as they were written.
    pub bytes: Bytes,
}

/// A snapshot that is being written, through [`std::io::Write`]. Nothing of it counts before
/// [`SnapshotWriter::publish`]; dropped before, it leaves nothing behind.
pub struct SnapshotWriter {
    shared: Arc<Shared>,
    task: Task,
    seq: u64,
    path: String,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
    crc: crc32fast::Hasher,
    is_named: bool,
}

impl Journal {
    /// Begins a snapshot of `task` that contains its commits up to `seq`. One at a time for a
    /// task.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`], [`Error::Poisoned`].
    pub fn write_snapshot(&self, task: &Task, seq: u64) -> Result<SnapshotWriter> {
        self.health()?;
        let path = format!("{}.tmp", path_of(task, seq));
        let made = self.shared.storage.create(&path, 0);
        let file = made.map_err(|source| snapshot_error("create", &path, source))?;
        Ok(SnapshotWriter {
            shared: Arc::clone(&self.shared),
            task: task.clone(),
            seq,
            path,
            file,
            buffer: Vec::with_capacity(BUFFER_LEN),
            written: 0,
            crc: crc32fast::Hasher::new(),
            is_named: false,
        })
    }

    /// The published snapshot of `task`, if it has one. Its commits since then are
    /// [`Task::commits`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the file is missing or is not what was written,
    /// [`Error::Io`].
    pub fn snapshot(&self, task: &Task) -> Result<Option<Snapshot>> {
        read(&*self.shared.storage, task)
    }
}

impl Journal {
    /// The bytes of a snapshot's file, as [`crate::SnapshotNeed::name`] says, where it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn snapshot_file(&self, name: &str) -> Result<Option<Bytes>> {
        let stem = name.strip_suffix(".snap").unwrap_or_default();
        if stem.is_empty() || !stem.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Ok(None);
        }
        let path = format!("{FOLDER}/{name}");
        let bytes = read_all(&*self.shared.storage, &path);
        bytes.map_err(|source| Error::io("read", path, source))
    }
}

pub(crate) fn read(storage: &dyn Storage, task: &Task) -> Result<Option<Snapshot>> {
    let Some(SnapshotRef { seq, len, crc }) = task.snapshot_ref() else {
        return Ok(None);
    };
    let path = path_of(task, seq);
    let bytes = read_all(storage, &path).map_err(|source| Error::io("read", &*path, source))?;
    let problem = match &bytes {
        None => "the file of the snapshot is missing",
        Some(bytes) if bytes.len() as u64 != len => "the snapshot has the wrong length",
        Some(bytes) if crc32fast::hash(bytes) != crc => "the snapshot does not match its checksum",
        Some(_) => return Ok(bytes.map(|bytes| Snapshot { seq, bytes })),
    };
    Err(Error::Corrupt { path, offset: 0, seq, problem: problem.to_owned() })
}

/// What marks a snapshot that a replica could not get: its task goes on from an older one, and
/// from the log.
pub(crate) const SKIPPED: &str = ".none";

/// The snapshots that this directory never had, by task and commit.
pub(crate) fn skipped(storage: &dyn Storage) -> Result<BTreeSet<(u32, u64)>> {
    let names = storage.list(FOLDER).map_err(|source| Error::io("list", FOLDER, source))?;
    let parse = |name: &String| {
        let (task, seq) = name.strip_suffix(SKIPPED)?.split_once('-')?;
        Some((task.parse().ok()?, seq.parse().ok()?))
    };
    Ok(names.iter().filter_map(parse).collect())
}

pub(crate) fn skip_path(task: u32, seq: u64) -> String {
    format!("{FOLDER}/{task:08}-{seq:020}{SKIPPED}")
}

/// The marks that still say something: no later snapshot of their task is there.
pub(crate) fn skips_needed(storage: &dyn Storage, catalog: &Catalog) -> Vec<String> {
    let skipped = skipped(storage).unwrap_or_default().into_iter();
    let needed = skipped.filter(|(task, seq)| {
        let task = catalog.tasks.get(task);
        task.is_some_and(|task| task.snapshot_seq().is_none_or(|published| published < *seq))
    });
    needed.map(|(task, seq)| skip_path(task, seq)).collect()
}

impl SnapshotWriter {
    fn write_out(&mut self) -> io::Result<()> {
        self.file.write(self.written, &mut [IoSlice::new(&self.buffer)])?;
        self.written += self.buffer.len() as u64;
        self.crc.update(&self.buffer);
        self.buffer.clear();
        Ok(())
    }

    /// Makes the snapshot the task's own, by a commit made at `time_ms`: commit records up to
    /// its `seq` are not needed any more. Waits for the journal and the file to be synced.
    /// Answers the commit. A snapshot that is not younger than the published one is dropped.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`]: nothing was published. [`Error::UnknownTask`],
    /// [`Error::Poisoned`].
    pub fn publish(mut self, time_ms: i64) -> Result<u64> {
        let out = self.write_out();
        out.map_err(|source| snapshot_error("write", &self.path, source))?;
        let shared = Arc::clone(&self.shared);
        if shared.durability.synced() < self.seq {
            shared.sync_all()?;
        }
        assert!(shared.durability.synced() >= self.seq, "a snapshot is not ahead of the log");
        shared.pass(Point::SnapshotWrite)?;
        let synced = self.file.sync();
        synced.map_err(|source| snapshot_error("sync", &self.path, source))?;
        let _control = shared.control_lock();
        let old = self.task.snapshot_ref();
        if old.as_ref().is_some_and(|old| old.seq >= self.seq) {
            return Ok(self.task.control_seq());
        }
        shared.pass(Point::SnapshotRename)?;
        let path = path_of(&self.task, self.seq);
        let named = shared.storage.rename(&self.path, &path);
        named.map_err(|source| snapshot_error("name", &self.path, source))?;
        self.is_named = true;
        let synced = shared.storage.sync_folder(FOLDER);
        synced.map_err(|source| snapshot_error("sync", FOLDER, source))?;
        shared.pass(Point::SnapshotPublish)?;
        let snapshot =
            SnapshotRef { seq: self.seq, len: self.written, crc: self.crc.clone().finalize() };
        self.append(snapshot, old, time_ms)
    }

    fn append(&self, new: SnapshotRef, old: Option<SnapshotRef>, time_ms: i64) -> Result<u64> {
        let (id, key) = (self.task.id().0, self.task.key().to_owned());
        if self.task.is_removed() {
            return Err(Error::UnknownTask { key });
        }
        let mut commit = Commit::new(time_ms);
        commit.is_urgent = true;
        commit.control(Control::Task { id, key, snapshot: Some(new) });
        let seq = self.shared.append(&mut commit)?;
        if let Some(old) = old {
            self.shared.remove_later(seq, path_of(&self.task, old.seq));
        }
        Ok(seq)
    }
}

impl Write for SnapshotWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_LEN {
            self.write_out()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.is_named {
            // A leftover is removed at the next open.
            let _ = self.shared.storage.remove(&self.path);
        }
    }
}

pub(crate) fn snapshot_error(action: &'static str, path: &str, source: io::Error) -> Error {
    if is_shortage(&source) {
        return Error::Full { what: format!("the snapshot {path}"), source };
    }
    Error::io(action, path, source)
}
