//! Savepoints: the whole of a task at a commit, frozen in an instant and written by whoever asked
//! for it, in the format of a snapshot.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{Domain, Error, Result, SnapshotReader, TaskMeta, TaskRecord};
use pelton_state::FrozenState;

use super::{Task, start};
use crate::config::TaskConfig;

/// A task as its last commit left it: positions, progress, state, timers, panes, saved memory.
pub struct Savepoint {
    /// Positions, progress and time; `deployment` is the one that has committed last.
    pub meta: TaskMeta,
    /// The sequence of the last commit that it holds.
    pub sequence: u64,
    /// Open window panes.
    pub panes: u64,
    state: FrozenState,
    _held: Arc<()>,
}

impl Savepoint {
    /// Writes what [`Task::start`] reads as a snapshot.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let record = TaskRecord { meta: self.meta.clone(), changes: Bytes::new() };
        let record = record.encode().map_err(io::Error::other)?;
        out.write_all(&(record.len() as u32).to_le_bytes())?;
        out.write_all(&record)?;
        self.state.write_to(out)
    }
}

impl Task {
    /// The task as its last commit left it. Takes an instant, whatever the size of the state; to be
    /// called between two steps.
    ///
    /// # Errors
    /// `E-SAVEPOINT-BUSY` (to be retried) while a commit waits for storage, or an earlier snapshot
    /// or savepoint is still being written.
    pub fn savepoint(&mut self) -> Result<Savepoint> {
        let id = &self.config.id;
        let busy = |why: &str| {
            let text = format!("{id}: {why}");
            Error::new("E-SAVEPOINT-BUSY", Domain::External, text).retry()
        };
        if self.pending.is_some() {
            return Err(busy("a commit waits for storage"));
        }
        if self.snapshot.is_some() || self.is_held() {
            return Err(busy("a snapshot is being written"));
        }
        if !super::owned(&mut self.state)?.fold(usize::MAX) {
            return Err(busy("a shadow is being made of its state"));
        }
        let mut meta = self.meta();
        if let Some(before) = self.committed_deployment() {
            meta.deployment = before;
        }
        meta.layout = Some(start::layout_of(&self.config));
        meta.saved.clone_from(&self.saved);
        let panes = self.state.pane_count() as u64;
        let state = super::owned(&mut self.state)?.freeze();
        let held = Arc::clone(&self.held);
        Ok(Savepoint { meta, sequence: self.sequence, panes, state, _held: held })
    }

    /// Whether a savepoint still holds the state as it was.
    pub(super) fn is_held(&self) -> bool {
        Arc::strong_count(&self.held) > 1
    }
}

/// Positions and time in the bytes of a snapshot or savepoint; its state is not looked at.
///
/// # Errors
/// Bytes that hold none.
pub fn savepoint_meta(bytes: &Bytes) -> Result<TaskMeta> {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let end = 4_usize.saturating_add(length);
    if bytes.len() < end {
        return Err(Error::new("E-SNAPSHOT-READ", Domain::External, "a snapshot is cut short"));
    }
    Ok(TaskRecord::decode(&bytes.slice(4..end))?.meta)
}

/// What the bytes of a savepoint say of the task, after its state was read whole under this
/// configuration: positions and time, and how many window panes are open.
///
/// # Errors
/// State that cannot be read.
pub fn check_savepoint(bytes: Bytes, config: &TaskConfig) -> Result<(TaskMeta, u64)> {
    let reader: SnapshotReader = Box::new(io::Cursor::new(bytes));
    let (record, state) = start::read_snapshot(reader, config)?;
    Ok((record.meta, state.pane_count() as u64))
}
