//! Operations on stores and timers.

use pelton_batch::{OpKind, Operation};
use pelton_core::StoreKind;

use crate::changes::{CHANGES_BYTES_MAX, ChangeRow};
use crate::slot::{Meta, NEVER};
use crate::space::Change;
use crate::state::{TaskState, check_bytes};
use crate::table::KeyRange;
use crate::{StateError, layers::Layers};

/// Most keys that the delete-prefixes of one call may look at in `kv` stores, which have to look at
/// all: nobody is charged for that time.
const PREFIX_ENTRIES_MAX: u64 = 10_000_000;

impl TaskState {
    /// Does what a guest's operation says: `Put`, `Append`, `Delete`, `DeletePrefix`, `SetTimer` or
    /// `CancelTimer`. `expires_ms` is the time at which a put entry expires (`i64::MAX` and `None`:
    /// never); an append that names none keeps the entry's, and always keeps its schema version.
    ///
    /// # Errors
    /// [`StateError`] where a limit, the target or the operation is wrong: then this operation has
    /// done nothing, and the earlier ones of the call are taken back by [`Self::rollback`].
    pub fn apply(&mut self, op: &Operation<'_>, expires_ms: Option<i64>) -> Result<(), StateError> {
        let bytes = op.key.map_or(0, <[u8]>::len) + op.value.map_or(0, <[u8]>::len);
        self.check_pending(bytes as u64)?;
        match op.kind {
            OpKind::SetTimer => self.set_timer(op),
            OpKind::CancelTimer => self.cancel_timer(op),
            _ => {
                let name = &self.store(op.target)?.declaration.name;
                let key = required(op, op.key, "it has no key")?;
                let limit = &self.limits.state_key_bytes;
                StateError::check(limit, key.len() as u64, || format!("a key of store `{name}`"))?;
                self.apply_to_store(op, key, expires_ms, true)?;
                let row = ChangeRow {
                    value: op.value.filter(|_| matches!(op.kind, OpKind::Put | OpKind::Append)),
                    timestamp: expires_ms.filter(|_| op.kind != OpKind::Delete),
                    schema: op.schema,
                    ..ChangeRow::new(op.kind, op.target, op.key)
                };
                self.changes.push(row);
                Ok(())
            }
        }
    }

    /// Refuses what would make the waiting changes too large for one batch.
    pub(crate) fn check_pending(&self, more: u64) -> Result<(), StateError> {
        let amount = self.changes.bytes() + more;
        if amount <= CHANGES_BYTES_MAX {
            return Ok(());
        }
        let what = "state changes of one commit".to_owned();
        Err(StateError::Limit {
            name: "changes_bytes",
            unit: "bytes",
            value: CHANGES_BYTES_MAX,
            amount,
            what,
        })
    }

    /// Changes a store of the layout. With `limited`, sizes are checked; a replay does not.
    pub(crate) fn apply_to_store(
        &mut self,
        op: &Operation<'_>,
        key: &[u8],
        expires_ms: Option<i64>,
        limited: bool,
    ) -> Result<(), StateError> {
        let target = op.target;
        let change = match op.kind {
            OpKind::Put | OpKind::Append => {
                let value = required(op, op.value, "it has no value")?;
                Some(self.write_store(op, key, value, expires_ms, limited)?)
            }
            OpKind::Delete => self.stores[target as usize].space.remove(&mut self.undo, key),
            OpKind::DeletePrefix => return self.delete_prefix(target, key, limited),
            _ => return Err(wrong(op, "it is for an output, a window or the engine")),
        };
        if let Some(change) = change {
            self.note(target, key, change);
        }
        Ok(())
    }

    fn write_store(
        &mut self,
        op: &Operation<'_>,
        key: &[u8],
        value: &[u8],
        expires_ms: Option<i64>,
        limited: bool,
    ) -> Result<Change, StateError> {
        let append = op.kind == OpKind::Append;
        let store = &mut self.stores[op.target as usize];
        let (name, limits, total) = (&store.declaration.name, &self.limits, self.bytes);
        let admit = |before: Option<Meta>| {
            let kept = before.filter(|_| append);
            let length = value.len() + kept.map_or(0, |meta| meta.length);
            if limited {
                let what = || format!("a value of store `{name}`");
                StateError::check(&limits.state_value_bytes, length as u64, what)?;
                check_bytes(limits, total, key, before, length)?;
            }
            let expires = expires_ms.or(kept.map(|meta| meta.number)).unwrap_or(NEVER);
            Ok((expires, kept.map_or(op.schema, |meta| meta.tag)))
        };
        if append {
            store.space.append(&mut self.undo, key, value, admit)
        } else {
            store.space.put(&mut self.undo, key, value, admit)
        }
    }

    fn delete_prefix(
        &mut self,
        target: u16,
        prefix: &[u8],
        limited: bool,
    ) -> Result<(), StateError> {
        let store = &self.stores[target as usize];
        if limited && store.declaration.kind == StoreKind::Kv {
            self.looked_at += store.space.entries;
            if self.looked_at > PREFIX_ENTRIES_MAX {
                return Err(StateError::Limit {
                    name: "prefix_entries",
                    unit: "entries",
                    value: PREFIX_ENTRIES_MAX,
                    amount: self.looked_at,
                    what: format!(
                        "delete-prefix in store `{}`, which looks at every key of a store of kind \
                         kv (declare it as ordered)",
                        store.declaration.name
                    ),
                });
            }
        }
        for key in keys_under(&store.space.layers, prefix) {
            let space = &mut self.stores[target as usize].space;
            if let Some(change) = space.remove(&mut self.undo, &key) {
                self.note(target, &key, change);
            }
        }
        Ok(())
    }
}

/// The keys that start with `prefix`; where the table has an order, in time proportional to them.
pub(crate) fn keys_under(layers: &Layers, prefix: &[u8]) -> Vec<Box<[u8]>> {
    let under = |key: &&[u8]| key.starts_with(prefix);
    match layers.range(KeyRange { start: prefix, end: None }, false) {
        Some(entries) => entries.map(|entry| entry.0).take_while(under).map(Into::into).collect(),
        None => layers.iter().map(|entry| entry.0).filter(under).map(Into::into).collect(),
    }
}

/// A part of an operation that its kind needs.
pub(crate) fn required<'a>(
    op: &Operation<'_>,
    part: Option<&'a [u8]>,
    what: &'static str,
) -> Result<&'a [u8], StateError> {
    part.ok_or_else(|| wrong(op, what))
}

pub(crate) fn wrong(op: &Operation<'_>, what: &'static str) -> StateError {
    StateError::Operation { row: op.row, kind: op.kind, what }
}
