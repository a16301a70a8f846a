//! Rewinding: tasks are put back to states of earlier, all of them by one commit.
//!
//! Each task gets its state as a published snapshot that stands for everything up to now; the
//! commit that names these snapshots is the moment of the rewind. Before it nothing has changed,
//! behind it everything has: a crash finds the one or the other.

use std::io::IoSlice;

use bytes::Bytes;

use crate::commit::Commit;
use crate::control::{Control, SnapshotRef};
use crate::error::{Error, Result};
use crate::failpoint::Point;
use crate::journal::Journal;
use crate::snapshot::{FOLDER, path_of, snapshot_error};
use crate::task::Task;

impl Journal {
    /// Puts each task back to the state in the bytes beside it (what a snapshot of that task would
    /// hold), and sets or removes registry `entries`, in one commit made at `time_ms`. The tasks
    /// are taken over: whoever had them cannot commit any more. Answers the commit.
    ///
    /// # Errors
    /// Those of [`Journal::append`], [`Error::Full`], [`Error::Io`]: nothing was rewound.
    pub fn rewind(
        &self,
        tasks: &[(Task, Bytes)],
        entries: &[(&str, Option<&[u8]>)],
        time_ms: i64,
    ) -> Result<u64> {
        self.health()?;
        let shared = &*self.shared;
        for (task, _) in tasks {
            self.claim(task)?;
        }
        // No commit of these tasks comes behind this one.
        let seq = self.appended();
        let mut named = Vec::with_capacity(tasks.len());
        for (task, bytes) in tasks {
            match self.name_snapshot(task, seq, bytes) {
                Ok(snapshot) => named.push(snapshot),
                Err(error) => {
                    self.forget_snapshots(&tasks[..named.len()], seq);
                    return Err(error);
                }
            }
        }
        let _control = shared.control_lock();
        let mut commit = Commit::new(time_ms);
        commit.is_urgent = true;
        for ((task, _), snapshot) in tasks.iter().zip(named) {
            let (id, key) = (task.id().0, task.key().to_owned());
            commit.control(Control::Task { id, key, snapshot: Some(snapshot) });
        }
        entries.iter().for_each(|(key, value)| commit.entry(key, *value));
        let old: Vec<_> = tasks.iter().map(|(task, _)| task.snapshot_ref()).collect();
        let synced = shared.storage.sync_folder(FOLDER);
        let appended = synced
            .map_err(|source| snapshot_error("sync", FOLDER, source))
            .and_then(|()| shared.pass(Point::SnapshotPublish))
            .and_then(|()| shared.append(&mut commit));
        let rewound = appended.inspect_err(|_| self.forget_snapshots(tasks, seq))?;
        for ((task, _), old) in tasks.iter().zip(old) {
            if let Some(old) = old {
                assert!(old.seq < seq, "a snapshot is published by a commit behind it");
                shared.remove_later(rewound, path_of(task, old.seq));
            }
        }
        Ok(rewound)
    }

    /// Writes a snapshot whose name is lasting, though no commit speaks of it yet.
    fn name_snapshot(&self, task: &Task, seq: u64, bytes: &[u8]) -> Result<SnapshotRef> {
        if task.is_removed() {
            return Err(Error::UnknownTask { key: task.key().to_owned() });
        }
        let shared = &*self.shared;
        let path = path_of(task, seq);
        let temporary = format!("{path}.tmp");
        let failed = |action: &'static str| {
            let path = temporary.clone();
            move |source| snapshot_error(action, &path, source)
        };
        let file = shared.storage.create(&temporary, 0).map_err(failed("create"))?;
        file.write(0, &mut [IoSlice::new(bytes)]).map_err(failed("write"))?;
        shared.pass(Point::SnapshotWrite)?;
        file.sync().map_err(failed("sync"))?;
        shared.pass(Point::SnapshotRename)?;
        shared.storage.rename(&temporary, &path).map_err(failed("name"))?;
        Ok(SnapshotRef { seq, len: bytes.len() as u64, crc: crc32fast::hash(bytes) })
    }

    /// Removes what a rewind that failed has written. What is left is removed at the next open;
    /// all of it where the journal is poisoned: who knows whether the commit was written.
    fn forget_snapshots(&self, tasks: &[(Task, Bytes)], seq: u64) {
        if self.health().is_err() {
            return;
        }
        for (task, _) in tasks {
            let _ = self.shared.storage.remove(&path_of(task, seq));
        }
    }
}
