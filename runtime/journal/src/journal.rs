//! The journal's handle: opening, topics, tasks and the registry.

use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use bytes::Bytes;

use crate::append::Appender;
use crate::catalog::Catalog;
use crate::commit::Commit;
use crate::config::{Config, SyncDriver, SyncMode};
use crate::control::Control;
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::locks::{lock, read};
use crate::role::{Role, RoleFile};
use crate::segment::SEGMENT_HEADER_LEN;
use crate::storage::{Disk, Storage};
use crate::sync::SyncState;
use crate::task::{Claim, Task, TaskId};
use crate::{frames, recovery, sync};

/// An open journal: one data directory, held by this process alone.
///
/// All methods may be called from any thread. Dropping it stops the sync thread and leaves the
/// rest as a crash would; [`Journal::close`] syncs first.
pub struct Journal {
    pub(crate) shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) salt: u32,
    pub(crate) append: Mutex<Appender>,
    pub(crate) catalog: RwLock<Catalog>,
    pub(crate) durability: Arc<Durability>,
    /// Written to under the append lock, or where nobody can append.
    pub(crate) role: RwLock<Role>,
    pub(crate) sync: Mutex<SyncState>,
    /// Held while a control commit is decided on: lookup and append are one step.
    control: Mutex<()>,
    /// Held by the one cleaner. Taken before `control`.
    pub(crate) cleaning: Mutex<()>,
    /// Read by whoever removes files; written to by a backup, which needs them all.
    pub(crate) files: RwLock<()>,
    pub(crate) sleeper: sync::Sleeper,
    _lock: Box<dyn Send + Sync>,
}

impl Journal {
    /// Opens (and creates, where it is missing) the journal in `directory`.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::NewerFormat`], [`Error::Malformed`], [`Error::Corrupt`]
    /// where durable bytes are damaged, [`Error::Io`], or [`Error::Full`] for a new one.
    pub fn open(directory: impl AsRef<Path>, config: Config) -> Result<Journal> {
        let path = directory.as_ref();
        frames::adopt(path)?;
        let disk = Disk::new(path)
            .map_err(|source| Error::io("create", path.display().to_string(), source))?;
        Journal::open_on(Arc::new(disk), config)
    }

    /// As [`Journal::open`], on any storage.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(storage: Arc<dyn Storage>, mut config: Config) -> Result<Journal> {
        config.segment_bytes = config.segment_bytes.clamp(4 << 10, u64::from(u32::MAX) - 7) & !7;
        let frame_room = config.segment_bytes - SEGMENT_HEADER_LEN;
        let frame_max = &mut config.limits.frame_bytes_max;
        *frame_max = (*frame_max).min(frame_room);
        config.compaction_bytes_max = config.compaction_bytes_max.max(4 << 10);
        config.carry_bytes_max = config.carry_bytes_max.min(config.segment_bytes / 4);
        let lock = storage.lock().map_err(|source| lock_error(&*storage, source))?;
        let opened = recovery::open(&storage, &config)?;
        let (role, promoting) = match opened.role {
            RoleFile::Role(role) => (role, None),
            RoleFile::Promoting { epoch, time_ms } => {
                (Role::Replica { leader: String::new() }, Some((epoch, time_ms)))
            }
        };
        let shared = Arc::new(Shared {
            salt: opened.salt,
            append: Mutex::new(opened.appender),
            catalog: RwLock::new(opened.catalog),
            durability: opened.durability,
            role: RwLock::new(role),
            sync: Mutex::default(),
            control: Mutex::default(),
            cleaning: Mutex::default(),
            files: RwLock::default(),
            sleeper: sync::Sleeper::default(),
            config,
            storage,
            _lock: lock,
        });
        shared.make_reserve();
        let thread = match shared.config.sync_driver {
            SyncDriver::Manual => None,
            SyncDriver::Thread => Some(sync::spawn(&shared)?),
        };
        let thread = Mutex::new(thread);
        let journal = Journal { shared, thread };
        if let Some((epoch, time_ms)) = promoting {
            journal.begin_epoch(epoch, time_ms)?;
        }
        Ok(journal)
    }

    /// The ceilings in force.
    #[must_use]
    pub fn limits(&self) -> &crate::config::Limits {
        &self.shared.config.limits
    }

    /// Appends a commit and answers its sequence number: 1 for the first, gapless. In mode
    /// `Each` it is durable on return.
    ///
    /// # Errors
    /// [`Error::Full`] (retry later), [`Error::Limit`], [`Error::UnknownTopic`] or
    /// [`Error::UnknownTask`] where a target was deleted: nothing was written.
    /// [`Error::Poisoned`] where the disk failed, now or before.
    pub fn append(&self, commit: &mut Commit<'_>) -> Result<u64> {
        let seq = self.shared.append(commit)?;
        if self.shared.config.sync_mode == SyncMode::Each {
            self.wait_durable(seq)?;
        }
        Ok(seq)
    }

    /// The durable watermark: every commit up to this one survives a power cut (in mode
    /// `None`, a killed process).
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.shared.durability.durable()
    }

    /// The last commit appended.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.shared.appended()
    }

    /// Waits until `seq` is durable.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn wait_durable(&self, seq: u64) -> Result<()> {
        self.step_if_manual(seq)?;
        self.shared.durability.wait(seq)
    }

    /// Makes `seq` durable where nobody else would.
    pub(crate) fn step_if_manual(&self, seq: u64) -> Result<()> {
        if self.shared.config.sync_driver == SyncDriver::Manual && self.durable() < seq {
            self.shared.sync_step()?;
        }
        Ok(())
    }

    /// Answers `Ready` where `seq` is durable or never will be; else wakes `waker` once when
    /// that is so.
    ///
    /// # Errors
    /// [`Error::Poisoned`] within `Ready`.
    pub fn poll_durable(&self, seq: u64, waker: &Waker) -> Poll<Result<()>> {
        self.shared.durability.poll(seq, waker)
    }

    /// One round of what the sync thread does: sync, move the watermark, seal full segments,
    /// keep a spare. Answers whether there was anything to do. For [`SyncDriver::Manual`].
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn sync_step(&self) -> Result<bool> {
        self.shared.sync_step()
    }

    /// [`Error::Poisoned`] once the journal has stopped: the process should exit.
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn health(&self) -> Result<()> {
        self.shared.durability.check()
    }

    /// Syncs everything, notes how far that is, and takes nothing more: later calls answer
    /// [`Error::Poisoned`]. The directory is free once the last handle is dropped.
    ///
    /// # Errors
    /// [`Error::Poisoned`] or [`Error::Io`].
    pub fn shutdown(&self) -> Result<()> {
        self.stop_thread();
        self.shared.sync_all()?;
        let seq = self.shared.durability.synced();
        self.shared.durability.close();
        assert!(seq <= self.appended(), "what is durable was appended");
        match recovery::write_mark(&*self.shared.storage, seq) {
            // The mark of an earlier close holds still: the next open trusts the segments more.
            Err(Error::Io { source, .. }) if crate::error::is_shortage(&source) => {
                tracing::warn!(%source, "no room to note how far the journal is durable");
                Ok(())
            }
            other => other,
        }
    }

    /// [`Journal::shutdown`], and gives the directory free.
    ///
    /// # Errors
    /// As [`Journal::shutdown`]; the directory is free all the same.
    pub fn close(self) -> Result<()> {
        self.shutdown()
    }

    /// The task of this key, registered at `time_ms` where it is not yet. Keys are free text.
    ///
    /// # Errors
    /// Those of [`Journal::append`].
    pub fn register_task(&self, key: &str, time_ms: i64) -> Result<Task> {
        let _control = lock(&self.shared.control);
        let mut counters = {
            let catalog = read(&self.shared.catalog);
            if let Some(task) = catalog.task(key) {
                return Ok(task.clone());
            }
            catalog.counters
        };
        let id = counters.next_task;
        counters.next_task += 1;
        let mut commit = Commit::new(time_ms);
        commit.control(Control::Task { id, key: key.to_owned(), snapshot: None });
        commit.control(counters.control());
        self.append(&mut commit)?;
        self.task(key).ok_or_else(|| Error::UnknownTask { key: key.to_owned() })
    }

    /// Takes a task over: commits under an earlier claim are [`Error::Fenced`] from here on, and
    /// all that were taken before are seen by [`Task::commits`].
    ///
    /// # Errors
    /// [`Error::Poisoned`].
    pub fn claim(&self, task: &Task) -> Result<Claim> {
        let _appender = self.shared.appender()?;
        Ok(task.claim())
    }

    /// The task of this key, where it is registered.
    #[must_use]
    pub fn task(&self, key: &str) -> Option<Task> {
        read(&self.shared.catalog).task(key).cloned()
    }

    /// The task with this id, where it is registered.
    #[must_use]
    pub fn task_by_id(&self, id: TaskId) -> Option<Task> {
        read(&self.shared.catalog).tasks.get(&id.0).cloned()
    }

    /// The tasks whose keys are the same up to the last `#` as that of the task with this id, itself
    /// among them: in rising order, none where it is not registered.
    #[must_use]
    pub fn siblings(&self, id: TaskId) -> Vec<TaskId> {
        let catalog = read(&self.shared.catalog);
        let Some(task) = catalog.tasks.get(&id.0) else { return Vec::new() };
        let stem = task.key().rfind('#').map_or(task.key(), |at| &task.key()[..=at]);
        let from = catalog.task_keys.range(stem.to_owned()..);
        let same = from.take_while(|(key, _)| key.starts_with(stem));
        let mut siblings: Vec<TaskId> = same.map(|(_, id)| TaskId(*id)).collect();
        siblings.sort_unstable();
        siblings
    }

    /// All tasks, by key.
    #[must_use]
    pub fn tasks(&self) -> Vec<Task> {
        let catalog = read(&self.shared.catalog);
        catalog.task_keys.values().filter_map(|id| catalog.tasks.get(id)).cloned().collect()
    }

    /// The registry's entry of this key (see [`Commit::entry`]).
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<Bytes> {
        read(&self.shared.catalog).entries.get(key).map(|entry| entry.value.clone())
    }

    /// The registry's entries whose key begins with `prefix`, by key.
    #[must_use]
    pub fn entries(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let catalog = read(&self.shared.catalog);
        let from = catalog.entries.range(prefix.to_owned()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        found.map(|(key, entry)| (key.clone(), entry.value.clone())).collect()
    }

    fn stop_thread(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            self.shared.sleeper.stop();
            // A panic of the thread has poisoned the journal already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Held from looking something up to the commit that depends on it.
    pub(crate) fn control_lock(&self) -> std::sync::MutexGuard<'_, ()> {
        lock(&self.control)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.stop_thread();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({})", self.shared.storage.name())
    }
}

fn lock_error(storage: &dyn Storage, source: std::io::Error) -> Error {
    if source.kind() != std::io::ErrorKind::WouldBlock {
        return Error::io("lock", storage.name(), source);
    }
    let holder = match source.to_string() {
        pid if pid.is_empty() => "unknown".to_owned(),
        pid => pid,
    };
    Error::Locked { path: storage.name(), holder }
}
