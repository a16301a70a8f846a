//! State migration: what a call to migrate is about, what becomes of its answer, and which values of
//! another version a call has read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pelton_batch::{Batch, OpKind, Operation, Records};
use pelton_core::{Fault, FaultKind, StoreDeclaration};
use pelton_state::TaskState;

use crate::apply::{Applied, check_size, malformed};
use crate::config::TaskConfig;
use crate::environment::state_fault;

/// Most values that one call migrates.
pub const MIGRATE_VALUES_MAX: usize = 256;
/// Most bytes of keys and values that one call migrates; a larger value goes alone.
pub const MIGRATE_BYTES_MAX: usize = 256 * 1024;

/// Bytes of a key that a message shows.
const KEY_SHOWN_BYTES: usize = 64;

/// A key of a store, by its index.
pub(crate) type StoreKey = (u16, Box<[u8]>);

/// A value of another version than its store declares.
#[derive(Debug)]
pub(crate) struct OldValue {
    pub(crate) store: u16,
    pub(crate) key: Box<[u8]>,
    /// The version that it was written with.
    pub(crate) version: u32,
    /// The version that the store declares.
    pub(crate) declared: u32,
    /// When it expires, which migration does not change, ms.
    pub(crate) expires_ms: Option<i64>,
}

impl OldValue {
    /// What a migration is to say that failed because of this value.
    pub(crate) fn describe(&self, stores: &[StoreDeclaration]) -> String {
        let name = stores.get(usize::from(self.store)).map_or("?", |store| &store.name);
        let key = show_key(&self.key);
        let Self { version, declared, .. } = self;
        format!(
            "the value of key {key} in store `{name}` is of schema version {version} and cannot be \
             migrated to version {declared}"
        )
    }
}

fn show_key(key: &[u8]) -> String {
    let shown = &key[..key.len().min(KEY_SHOWN_BYTES)];
    let more = if shown.len() < key.len() { "..." } else { "" };
    match std::str::from_utf8(key) {
        Ok(_) => format!("{:?}{more}", String::from_utf8_lossy(shown)),
        Err(_) => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("0x{hex}{more}")
        }
    }
}

/// Applies the answer to a call that migrates `values`: for each a put of its key in the declared
/// version, or a delete. What expires keeps its time.
///
/// # Errors
/// A fault of the guest, which leaves the state for the caller to take back.
pub(crate) fn apply(
    values: &[OldValue],
    answer: &[u8],
    config: &TaskConfig,
    state: &mut TaskState,
) -> Result<Applied, Fault> {
    let batch = Batch::parse(answer).map_err(malformed)?;
    batch.validate().map_err(malformed)?;
    let operations = batch.operations().map_err(malformed)?;
    check_size(&operations, config)?;
    let mut answered = vec![false; values.len()];
    for operation in operations.iter() {
        let cause = operation.cause as usize;
        let value = values.get(cause).filter(|value| answers(value, &operation));
        let Some(value) = value else {
            let text = format!(
                "operation {} ({:?}, cause {cause}) does not migrate its cause: a value is answered \
                 by a put of its key in the declared schema version, or by a delete of its key",
                operation.row, operation.kind
            );
            return Err(Fault::new(FaultKind::Malformed, text));
        };
        state.apply(&operation, value.expires_ms).map_err(state_fault)?;
        answered[cause] = true;
    }
    match answered.iter().position(|answered| !answered) {
        None => Ok(Applied::Done { rejected: 0, fire: Vec::new() }),
        Some(row) => {
            let text = format!("the function did not answer value {row} of a call to migrate");
            Err(Fault::new(FaultKind::Malformed, text))
        }
    }
}

fn answers(value: &OldValue, operation: &Operation<'_>) -> bool {
    let same = operation.target == value.store && operation.key == Some(&*value.key);
    match operation.kind {
        OpKind::Put => same && operation.schema == value.declared,
        OpKind::Delete => same,
        _ => false,
    }
}

/// Keys of values of another version that the call under way has read. Where it fails for good they
/// are migrated by themselves before its record is given up: that tells a migration that fails from
/// a record that does.
#[derive(Debug, Default)]
pub(crate) struct OldReads(Mutex<Vec<StoreKey>>);

impl OldReads {
    fn lock(&self) -> MutexGuard<'_, Vec<StoreKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take(&self) -> Vec<StoreKey> {
        std::mem::take(&mut *self.lock())
    }

    /// Notes those of `keys` that hold such a value.
    pub(crate) fn note(&self, state: &TaskState, store: u16, keys: &Records<'_>) {
        if state.unmigrated(store) == 0 {
            return;
        }
        let mut old = self.lock();
        for key in keys.iter().filter_map(|row| row.key()) {
            let version = state.get(store, key).map(|entry| entry.schema);
            let is_old = state.other_versions(store).any(|(other, _)| version == Some(other));
            if is_old && old.len() < MIGRATE_VALUES_MAX {
                old.push((store, key.into()));
            }
        }
    }

    /// Notes the entries of a scan that are such.
    pub(crate) fn note_entries(&self, state: &TaskState, store: u16, entries: &[u8]) {
        if state.unmigrated(store) > 0
            && let Ok(entries) = Batch::parse(entries).and_then(Batch::records)
        {
            self.note(state, store, &entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::show_key;

    #[test]
    fn keys_are_shown_as_text_or_in_hex_and_cut_short() {
        assert_eq!(show_key(b"plane"), "\"plane\"");
        assert_eq!(show_key(&[0xff, 1]), "0xff01");
        assert_eq!(show_key(&[b'x'; 64]), format!("{:?}", "x".repeat(64)));
        assert_eq!(show_key(&[b'x'; 65]), format!("{:?}...", "x".repeat(64)));
    }
}
