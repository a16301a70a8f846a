//! What a table holds under a key.

use smallvec::SmallVec;

/// `Slot::expires` of an entry that stays.
pub(crate) const NEVER: i64 = i64::MAX;
/// `Slot::undo` of an entry that no undo record is known for.
pub(crate) const UNMARKED: u32 = u32::MAX;

/// A key as the tables keep it: up to 36 bytes lie in the table itself, so that a lookup of a pane or
/// a short key touches no other memory.
pub(crate) type Key = SmallVec<[u8; 36]>;
/// A value: counters and other small ones lie in the table itself.
pub(crate) type Value = SmallVec<[u8; 16]>;

/// A value and what goes with it. Stores, timers and panes all keep slots; the two numbers mean
/// for each of them what its own module says.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// The value; `None` is a tombstone, which only an overlay holds.
    pub(crate) value: Option<Value>,
    /// Stores: when it expires, ms, [`NEVER`] for never. Timers: when it is due. Panes: records.
    pub(crate) number: i64,
    /// Stores: schema version. Timers: whether there is a value. Panes: times fired and pending.
    pub(crate) tag: u32,
    /// Index of the undo record that saved this slot in the call under way. It is only a hint: the
    /// record tells whether it is about this key, so that nothing has to be reset between calls.
    pub(crate) undo: u32,
}

impl Slot {
    /// A slot that no undo record is known for.
    pub(crate) fn new(value: Value, number: i64, tag: u32) -> Self {
        Self { value: Some(value), number, tag, undo: UNMARKED }
    }

    /// What hides an entry of the layer below.
    pub(crate) fn tombstone() -> Self {
        Self { value: None, number: 0, tag: 0, undo: UNMARKED }
    }

    /// The value; empty for a tombstone.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }

    /// What indexes and sizes depend on; `None` for a tombstone.
    #[inline]
    pub(crate) fn meta(&self) -> Option<Meta> {
        let value = self.value.as_ref()?;
        Some(Meta { length: value.len(), number: self.number, tag: self.tag })
    }

    /// Replaces the value in its own buffer, where that is not far too large.
    pub(crate) fn overwrite(&mut self, bytes: &[u8]) {
        match &mut self.value {
            Some(value) if value.capacity() <= bytes.len() * 2 + 64 => {
                value.clear();
                value.extend_from_slice(bytes);
            }
            other => *other = Some(Value::from_slice(bytes)),
        }
    }
}

/// A slot without its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Bytes of the value.
    pub(crate) length: usize,
    /// As in [`Slot`].
    pub(crate) number: i64,
    /// As in [`Slot`].
    pub(crate) tag: u32,
}
