//! Repeating changes that a commit journalled.

use pelton_batch::{Batch, OpKind, Operation};

use crate::encoding::{read_window, split_pane};
use crate::panes::PaneWrite;
use crate::state::TaskState;
use crate::stores::{required, wrong};
use crate::{PANES, StateError};

impl TaskState {
    /// Repeats a batch that [`Self::take_changes`] handed out, under the layout that it was made
    /// with. Limits are not checked, since what was committed counts. Nothing is journalled.
    ///
    /// # Errors
    /// [`StateError`] where the bytes are no such batch, or name what the layout has not. Then only
    /// a part has been repeated, and the state is of no use.
    pub fn replay(&mut self, changes: &[u8]) -> Result<(), StateError> {
        debug_assert!(!self.undo.is_open(), "a call is open: a replay cannot be taken back");
        if changes.is_empty() {
            return Ok(());
        }
        let batch = Batch::parse(changes)?;
        batch.validate()?;
        for op in batch.operations()?.iter() {
            self.repeat(&op)?;
        }
        Ok(())
    }

    fn repeat(&mut self, op: &Operation<'_>) -> Result<(), StateError> {
        match op.kind {
            OpKind::SetTimer => self.write_timer(op, false),
            OpKind::CancelTimer => {
                self.unset_timer(op.target, op.key);
                Ok(())
            }
            _ if op.target == PANES => self.repeat_pane(op),
            _ => {
                self.store(op.target)?;
                let key = required(op, op.key, "it has no key")?;
                self.apply_to_store(op, key, op.timestamp, false)
            }
        }
    }

    fn repeat_pane(&mut self, op: &Operation<'_>) -> Result<(), StateError> {
        let key = required(op, op.key, "it has no key")?;
        if op.kind != OpKind::DeletePrefix && split_pane(key).is_none() {
            return Err(wrong(op, "its key is not that of a pane"));
        }
        let write = match op.kind {
            OpKind::Put => PaneWrite::Put,
            OpKind::Append => PaneWrite::Append,
            OpKind::Delete => {
                self.drop_pane(key);
                return Ok(());
            }
            OpKind::DeletePrefix => {
                let window = read_window(key);
                let window = window.ok_or_else(|| wrong(op, "its key is not a window"))?;
                self.drop_panes(window);
                return Ok(());
            }
            OpKind::MovePane => {
                let to = required(op, op.value, "it does not say where to")?;
                if split_pane(to).is_none() {
                    return Err(wrong(op, "its value is not the key of a pane"));
                }
                self.rename_pane(key, to);
                return Ok(());
            }
            _ => return Err(wrong(op, "it is for an output, a window or the engine")),
        };
        let value = required(op, op.value, "it has no value")?;
        self.replay_pane(write, key, value, (op.timestamp.unwrap_or_default(), op.schema))
    }
}
