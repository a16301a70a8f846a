//! Snapshots: the state is frozen in an instant and written by another thread while the task goes
//! on.

use std::io::Write;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pelton_core::{Result, TaskRecord};

use super::{Task, start};
use crate::telemetry::Counters;

/// Entries that are folded back between two steps.
const FOLD_ENTRIES: usize = 2_000;

impl Task {
    /// Takes a snapshot where the changes since the last one are worth it.
    pub(super) fn snapshot_if_due(&mut self) {
        let state_bytes = self.state.size().bytes();
        let due = self.config.snapshot_after_bytes.max(state_bytes);
        // What a savepoint or a shadow is being copied from has to be folded back first.
        let is_free = || !self.is_held() && self.state.is_folded();
        if self.snapshot.is_none() && self.changed_bytes >= due && is_free() {
            self.begin_snapshot();
        }
    }

    /// Starts a snapshot of the state as the last commit left it. While a commit waits for storage
    /// the state is ahead of it: then it does nothing.
    pub fn begin_snapshot(&mut self) {
        if self.pending.is_some() {
            return;
        }
        let mut meta = self.meta();
        meta.layout = Some(start::layout_of(&self.config));
        meta.saved.clone_from(&self.saved);
        let record = TaskRecord { meta, changes: Bytes::new() };
        let Ok(record) = record.encode() else { return };
        let Some(state) = Arc::get_mut(&mut self.state) else { return };
        let frozen = state.freeze();
        self.changed_bytes = 0;
        let writer = Box::new(move |out: &mut dyn Write| {
            out.write_all(&(record.len() as u32).to_le_bytes())?;
            out.write_all(&record)?;
            frozen.write_to(out)
        });
        self.snapshot = Some(self.sink.snapshot(&self.config.id, self.sequence, writer));
    }

    /// Looks after a snapshot that is under way, and folds back what was written meanwhile.
    pub(super) fn poll_snapshot(&mut self) -> Result<()> {
        if let Some(snapshot) = &mut self.snapshot {
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(done) = snapshot.as_mut().poll(&mut context) {
                self.snapshot = None;
                done?;
                Counters::add(&self.counters.snapshots, 1);
            }
        }
        if self.snapshot.is_none()
            && let Some(state) = Arc::get_mut(&mut self.state)
        {
            state.fold(FOLD_ENTRIES);
        }
        Ok(())
    }

    /// Waits for the snapshot that is under way, if there is one.
    pub(super) async fn finish_snapshot(&mut self) -> Result<()> {
        if let Some(snapshot) = self.snapshot.take() {
            snapshot.await?;
            Counters::add(&self.counters.snapshots, 1);
        }
        Ok(())
    }
}
