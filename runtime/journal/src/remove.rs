//! Removing tasks, all of them by one commit.

use crate::commit::Commit;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::snapshot::path_of;
use crate::task::Task;

impl Journal {
    /// Forgets tasks, their commit records and their snapshots, and sets or removes registry
    /// `entries`, in one commit made at `time_ms`: a crash finds everything removed, or nothing.
    /// Answers the commit; where there is nothing to remove, the one that was appended last.
    ///
    /// # Errors
    /// [`Error::UnknownTask`] where one was removed before, and those of [`Journal::append`]: nothing
    /// was removed.
    pub fn remove_tasks(
        &self,
        tasks: &[Task],
        entries: &[(&str, Option<&[u8]>)],
        time_ms: i64,
    ) -> Result<u64> {
        let _control = self.shared.control_lock();
        if let Some(gone) = tasks.iter().find(|task| task.is_removed()) {
            return Err(Error::UnknownTask { key: gone.key().to_owned() });
        }
        let mut commit = Commit::new(time_ms);
        commit.is_urgent = true;
        tasks.iter().for_each(|task| commit.control(Control::TaskRemoved { id: task.id().0 }));
        entries.iter().for_each(|(key, value)| commit.entry(key, *value));
        if commit.is_empty() {
            return Ok(self.appended());
        }
        let seq = self.append(&mut commit)?;
        for task in tasks {
            if let Some(snapshot) = task.snapshot_ref() {
                self.shared.remove_later(seq, path_of(task, snapshot.seq));
            }
        }
        Ok(seq)
    }
}
