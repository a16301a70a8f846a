//! Reading stores: one key, many keys, a range.

use pelton_batch::builder::{FixedBuilder, VarBuilder};
use pelton_batch::layout::{self, tag};
use pelton_batch::{Kind, Records};

use crate::StateError;
use crate::slot::{NEVER, Slot};
use crate::state::TaskState;
use crate::table::KeyRange;

/// Bytes of keys and values after which a scan ends early.
const SCAN_BYTES: usize = 1 << 20;

/// Keys that are looked up before their values are copied, so that the processor waits for the
/// memory of several at once.
const LOOKUPS: usize = 16;

/// What a store holds under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The value.
    pub value: &'a [u8],
    /// The schema version that it was written with.
    pub schema: u32,
    /// When it expires, ms; `None` for never.
    pub expires_ms: Option<i64>,
}

impl<'a> From<&'a Slot> for Entry<'a> {
    fn from(slot: &'a Slot) -> Self {
        let expires_ms = (slot.number != NEVER).then_some(slot.number);
        Self { value: slot.bytes(), schema: slot.tag, expires_ms }
    }
}

/// The columns of an answer.
struct Answer {
    rows: usize,
    keys: VarBuilder,
    values: VarBuilder,
    schemas: FixedBuilder<u32>,
}

impl Answer {
    fn new() -> Self {
        let schemas = FixedBuilder::<u32>::new(0);
        Self { rows: 0, keys: VarBuilder::default(), values: VarBuilder::default(), schemas }
    }

    #[inline]
    fn push(&mut self, key: Option<&[u8]>, slot: Option<&Slot>) {
        self.keys.set(self.rows, key);
        self.values.set(self.rows, slot.map(Slot::bytes));
        self.schemas.set(self.rows, slot.map_or(0, |slot| slot.tag));
        self.rows += 1;
    }

    fn finish(mut self, kind: Kind) -> Vec<u8> {
        let mut columns = Vec::with_capacity(8);
        columns.extend(self.keys.columns(tag::KEY, self.rows));
        columns.extend(self.values.columns(tag::VALUE, self.rows));
        columns.extend(self.schemas.column(tag::SCHEMA, self.rows));
        let mut out = Vec::new();
        layout::write(kind, self.rows as u32, &columns, &mut out);
        out
    }
}

/// Entries of a `kv` store that a listing looks at: it is for people, and the task waits for it.
const LISTED_MAX: usize = 1_000_000;

impl TaskState {
    /// The first `limit` entries of a store whose keys start with `prefix`, in key order. Of a `kv`
    /// store with more than a million entries some million are looked at.
    ///
    /// # Errors
    /// [`StateError::UnknownStore`].
    pub fn list(
        &self,
        store: u16,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(&[u8], Entry<'_>)>, StateError> {
        let layers = &self.store(store)?.space.layers;
        let under = |(key, slot)| -> (&[u8], Entry<'_>) { (key, Entry::from(slot)) };
        if let Some(entries) = layers.range(KeyRange { start: prefix, end: None }, false) {
            let entries = entries.take_while(|(key, _)| key.starts_with(prefix));
            return Ok(entries.take(limit).map(under).collect());
        }
        let entries = layers.iter().take(LISTED_MAX).filter(|(key, _)| key.starts_with(prefix));
        let mut entries: Vec<_> = entries.map(under).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.truncate(limit);
        Ok(entries)
    }

    /// The entry of a store under a key. Whether it has expired is not judged.
    #[must_use]
    pub fn get(&self, store: u16, key: &[u8]) -> Option<Entry<'_>> {
        self.store(store).ok()?.space.layers.get(key).map(Entry::from)
    }

    /// A batch of kind `Values`: for each row of `keys` the value under that key, null where there
    /// is none, with the schema versions where any is not 0. A null key has no value.
    ///
    /// # Errors
    /// [`StateError::UnknownStore`], and [`StateError::Limit`] where the values together are larger
    /// than the guest's memory can be.
    pub fn get_many(&self, store: u16, keys: &Records<'_>) -> Result<Vec<u8>, StateError> {
        let store = self.store(store)?;
        let layers = &store.space.layers;
        let mut answer = Answer::new();
        let mut found = [None; LOOKUPS];
        for first in (0..keys.len()).step_by(LOOKUPS) {
            let found = &mut found[..LOOKUPS.min(keys.len() - first)];
            for (slot, row) in found.iter_mut().zip(first..) {
                *slot = keys.key(row).and_then(|key| layers.get(key));
            }
            for slot in found {
                answer.push(None, *slot);
            }
            let bytes = answer.values.bytes_len() as u64;
            StateError::check(&self.limits.memory_bytes, bytes, || {
                format!("values of one read of store `{}`", store.declaration.name)
            })?;
        }
        Ok(answer.finish(Kind::Values))
    }

    /// A batch of kind `Entries`: keys and values from `start` on and before `end`, in key order,
    /// or from the last one back with `reverse`. It has at most `limit` rows, and ends after about
    /// 1 MiB, but holds one row at least if there is one.
    ///
    /// To go on, scan from the last key with a zero byte behind it; in reverse, up to the last key.
    ///
    /// # Errors
    /// [`StateError::UnknownStore`], and [`StateError::NotOrdered`] for a `kv` store.
    pub fn scan(
        &self,
        store: u16,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<u8>, StateError> {
        let store = self.store(store)?;
        let entries = store.space.layers.range(KeyRange { start, end }, reverse);
        let entries = entries
            .ok_or_else(|| StateError::NotOrdered { store: store.declaration.name.clone() })?;
        let mut answer = Answer::new();
        let mut bytes = 0;
        for (key, slot) in entries.take(limit) {
            bytes += key.len() + slot.bytes().len();
            if bytes > SCAN_BYTES && answer.rows > 0 {
                break;
            }
            answer.push(Some(key), Some(slot));
        }
        Ok(answer.finish(Kind::Entries))
    }
}
