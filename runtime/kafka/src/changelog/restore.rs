//! From a changelog back to the records that a task is restored from.

use std::collections::BTreeMap;

use bytes::Bytes;
use pelton_batch::OperationsBuilder;
use pelton_core::{Layout, Recovered, TaskMeta, TaskRecord};

use super::{Index, class, entry, parse_slot};

/// A restored batch of changes ends behind this many bytes, so that none grows past what a batch
/// can hold.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Collects the records of one partition of a changelog, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Restore {
    last: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Restore {
    /// Takes a record in.
    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => self.last.insert(key.to_vec(), value.to_vec()),
            None => self.last.remove(key),
        };
    }

    /// The task as it was committed last, and what its changelog holds.
    ///
    /// # Errors
    /// What is wrong with a record, to follow the name of the changelog.
    pub(crate) fn finish(mut self) -> Result<(Recovered, Index), String> {
        let Some(bytes) = self.last.remove(&[class::META][..]) else {
            return match self.last.is_empty() {
                true => Ok((nothing(), Index::default())),
                false => Err("holds changes but no meta record; it was cut by retention".into()),
            };
        };
        let (sequence, mut meta) = decode_meta(&bytes)?;
        let layout = self.last.remove(&[class::LAYOUT][..]).map(|bytes| decode_layout(&bytes));
        let layout = layout.transpose()?;
        meta.saved = self.last.remove(&[class::SAVED][..]);
        meta.layout.clone_from(&layout);
        let (index, changes) = self.changes(layout.unwrap_or_default())?;
        let record = |changes| TaskRecord { meta: meta.clone(), changes };
        let tail = changes.into_iter().map(record).collect();
        Ok((Recovered { snapshot: None, tail, sequence }, index))
    }

    fn changes(&self, layout: Layout) -> Result<(Index, Vec<Bytes>), String> {
        let mut index = Index::restored(layout);
        let (mut builder, mut size) = (OperationsBuilder::new(), 0);
        let mut changes = Vec::new();
        for (key, value) in &self.last {
            let (slot, chunk) =
                key.split_last_chunk::<4>().ok_or("holds a key that is cut short")?;
            let chunk = u32::from_be_bytes(*chunk);
            let (_, target, key) = parse_slot(slot)
                .filter(|(kind, ..)| matches!(*kind, class::STATE | class::TIMER))
                .ok_or("holds a key of an unknown kind; use a newer Pelton")?;
            builder.push(&entry::decode(value, target, key)?);
            index.count(slot, chunk);
            size += slot.len() + value.len();
            if size >= BATCH_BYTES {
                changes.push(Bytes::from(builder.finish()));
                size = 0;
            }
        }
        // One record at least, so that the last one holds the positions.
        changes.push(if builder.is_empty() { Bytes::new() } else { builder.finish().into() });
        Ok((index, changes))
    }
}

fn nothing() -> Recovered {
    Recovered { snapshot: None, tail: Vec::new(), sequence: 0 }
}

/// The value of the meta record.
///
/// # Errors
/// None in practice, see [`TaskRecord::encode`].
pub(crate) fn encode_meta(sequence: u64, meta: &TaskMeta) -> pelton_core::Result<Vec<u8>> {
    let meta = TaskMeta { layout: None, saved: None, ..meta.clone() };
    let record = TaskRecord { meta, changes: Bytes::new() };
    let mut bytes = sequence.to_le_bytes().to_vec();
    bytes.extend(record.encode()?);
    Ok(bytes)
}

fn decode_meta(bytes: &[u8]) -> Result<(u64, TaskMeta), String> {
    let (sequence, record) = bytes.split_first_chunk().ok_or("has a meta record cut short")?;
    let record = TaskRecord::decode(&Bytes::copy_from_slice(record))
        .map_err(|error| format!("has a meta record that cannot be read: {error}"))?;
    Ok((u64::from_le_bytes(*sequence), record.meta))
}

/// The value of the layout record: a task record that has nothing else.
///
/// # Errors
/// None in practice, see [`TaskRecord::encode`].
pub(super) fn encode_layout(layout: &Layout) -> pelton_core::Result<Vec<u8>> {
    let meta = TaskMeta { layout: Some(layout.clone()), ..TaskMeta::default() };
    TaskRecord { meta, changes: Bytes::new() }.encode()
}

fn decode_layout(bytes: &[u8]) -> Result<Layout, String> {
    let record = TaskRecord::decode(&Bytes::copy_from_slice(bytes))
        .map_err(|error| format!("has a layout record that cannot be read: {error}"))?;
    Ok(record.meta.layout.unwrap_or_default())
}
