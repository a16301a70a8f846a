//! What a task's changelog holds, as far as its writer has to know.

use std::collections::BTreeMap;

use pelton_batch::{Batch, OpKind, Operation};
use pelton_core::{Layout, TaskRecord};

use super::targets::Targets;
use super::{class, entry, restore, slot};

/// A record to be written; no value is a tombstone.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);
type Written = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The number of chunks of every slot that there is, and the numbers of stores and timers.
#[derive(Debug, Default)]
pub(crate) struct Index {
    chunks: BTreeMap<Box<[u8]>, u32>,
    undo: Vec<(Box<[u8]>, Option<u32>)>,
    targets: Targets,
}

impl Index {
    /// What is there of a changelog that was read back, but for the chunks.
    pub(super) fn restored(layout: Layout) -> Self {
        Self { targets: Targets::restored(layout), ..Self::default() }
    }

    /// The records that this commit writes, each key once, the meta record left out. The index
    /// already counts them as written: [`Index::accept`] or [`Index::roll_back`] has to follow.
    ///
    /// # Errors
    /// What is wrong with the changes, to follow the name of the changelog.
    pub(crate) fn apply(&mut self, record: &TaskRecord) -> Result<Vec<Change>, String> {
        debug_assert!(self.undo.is_empty(), "the changes before were neither accepted nor undone");
        let mut written = Written::new();
        if let Some(layout) = &record.meta.layout {
            self.adopt(layout, &mut written)?;
        }
        if let Some(saved) = &record.meta.saved {
            written.insert(vec![class::SAVED], Some(saved.clone()));
        }
        if !record.changes.is_empty() {
            let batch = Batch::parse(&record.changes).and_then(Batch::operations);
            let operations = batch.map_err(|error| format!("cannot take changes: {error}"))?;
            for operation in operations.iter() {
                self.one(&operation, &mut written)?;
            }
        }
        Ok(written.into_iter().collect())
    }

    /// A layout comes once after a start, so its record is written whether it is new or not.
    fn adopt(&mut self, layout: &Layout, written: &mut Written) -> Result<(), String> {
        self.targets.adopt(layout);
        let record = restore::encode_layout(self.targets.known());
        let record = record.map_err(|error| format!("cannot take a layout: {error}"))?;
        written.insert(vec![class::LAYOUT], Some(record));
        Ok(())
    }

    fn one(&mut self, operation: &Operation<'_>, written: &mut Written) -> Result<(), String> {
        let Operation { kind, target, key, .. } = *operation;
        let slot = match kind {
            OpKind::SetTimer | OpKind::CancelTimer => {
                slot(class::TIMER, self.targets.timer(target), key)
            }
            _ => slot(class::STATE, self.targets.store(target), key),
        };
        let mut put = |slot: &[u8], chunk| {
            written.insert(with_chunk(slot, chunk), Some(entry::encode(operation)));
        };
        match kind {
            OpKind::Put | OpKind::SetTimer => {
                put(&slot, 0);
                self.shrink(&slot, 1, written);
                self.set(slot, Some(1));
            }
            OpKind::Append => {
                let chunk = self.chunks.get(&*slot).copied().unwrap_or(0);
                put(&slot, chunk);
                self.set(slot, Some(chunk + 1));
            }
            OpKind::Delete | OpKind::CancelTimer => self.delete(slot, written),
            OpKind::DeletePrefix => {
                let mut prefix = slot;
                prefix[3] = 1;
                self.delete_all(&prefix, written);
            }
            other => return Err(format!("cannot take an operation of kind {other:?}")),
        }
        Ok(())
    }

    fn delete_all(&mut self, prefix: &[u8], written: &mut Written) {
        let from = self.chunks.range(Box::from(prefix)..);
        let slots = from.map(|(slot, _)| slot).take_while(|slot| slot.starts_with(prefix));
        for slot in slots.cloned().collect::<Vec<_>>() {
            self.delete(slot.into_vec(), written);
        }
    }

    fn delete(&mut self, slot: Vec<u8>, written: &mut Written) {
        self.shrink(&slot, 0, written);
        self.set(slot, None);
    }

    /// Takes away the chunks from `keep` on.
    fn shrink(&self, slot: &[u8], keep: u32, written: &mut Written) {
        for chunk in keep..self.chunks.get(slot).copied().unwrap_or(0) {
            written.insert(with_chunk(slot, chunk), None);
        }
    }

    fn set(&mut self, slot: Vec<u8>, chunks: Option<u32>) {
        let slot = slot.into_boxed_slice();
        let before = match chunks {
            Some(chunks) => self.chunks.insert(slot.clone(), chunks),
            None => self.chunks.remove(&slot),
        };
        self.undo.push((slot, before));
    }

    /// Counts a chunk that was read back.
    pub(super) fn count(&mut self, slot: &[u8], chunk: u32) {
        let chunks = self.chunks.entry(slot.into()).or_default();
        *chunks = (*chunks).max(chunk + 1);
    }

    /// What was applied last is written.
    pub(crate) fn accept(&mut self) {
        self.undo.clear();
    }

    /// What was applied last was not written.
    pub(crate) fn roll_back(&mut self) {
        for (slot, before) in self.undo.drain(..).rev() {
            match before {
                Some(chunks) => self.chunks.insert(slot, chunks),
                None => self.chunks.remove(&slot),
            };
        }
    }
}

fn with_chunk(slot: &[u8], chunk: u32) -> Vec<u8> {
    [slot, &chunk.to_be_bytes()].concat()
}
