//! What takes a call back.
//!
//! A record holds what the writing layer had under a key before. Old values are moved here, not
//! copied; once the call is accepted their buffers serve the next values of that length.

use crate::slot::{Slot, UNMARKED, Value};

/// What was there before.
#[derive(Debug)]
pub(crate) enum Old {
    /// This slot, or nothing.
    Slot(Option<Slot>),
    /// The slot that is still there, but with these numbers and only the first `length` bytes.
    Kept { length: usize, number: i64, tag: u32 },
    /// The slot lies under another key now. The record's key is where it is, `length` bytes of it,
    /// and behind that where it was: in the writing layer itself, or below.
    Moved { length: usize, was_on_top: bool },
}

/// Whether the call under way has saved a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// It has not.
    No,
    /// Its numbers and its length: what follows may be appended, but not overwritten.
    Kept,
    /// Whole: it may be overwritten.
    Whole,
}

#[derive(Debug)]
pub(crate) struct Record {
    space: u16,
    key_start: usize,
    key_length: usize,
    old: Old,
}

/// Buffers that the pool keeps.
const SPARE_MAX: usize = 4096;
/// Largest buffer that it keeps, bytes.
const SPARE_BYTES: usize = 4096;
/// Bytes of keys whose memory is kept from one call to the next.
const KEYS_KEPT: usize = 1 << 20;

/// The undo log of the call under way.
#[derive(Debug, Default)]
pub(crate) struct UndoLog {
    open: bool,
    records: Vec<Record>,
    keys: Vec<u8>,
    spare: Vec<Value>,
}

impl UndoLog {
    /// Starts to record.
    pub(crate) fn begin(&mut self) {
        debug_assert!(!self.open && self.records.is_empty(), "a call is open already");
        self.open = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Forgets the records and keeps their buffers.
    pub(crate) fn accept(&mut self) {
        self.open = false;
        for record in self.records.drain(..) {
            if let Old::Slot(Some(Slot { value: Some(value), .. })) = record.old
                && self.spare.len() < SPARE_MAX
                && value.spilled()
                && value.capacity() <= SPARE_BYTES
            {
                self.spare.push(value);
            }
        }
        self.forget_keys();
    }

    fn forget_keys(&mut self) {
        self.keys.clear();
        self.keys.shrink_to(KEYS_KEPT);
        self.records.shrink_to(KEYS_KEPT / size_of::<Record>());
    }

    /// Stops recording and hands the records over, last first, to be put back by `restore`.
    pub(crate) fn rollback(&mut self, mut restore: impl FnMut(u16, &[u8], Old)) {
        self.open = false;
        while let Some(record) = self.records.pop() {
            let end = record.key_start + record.key_length;
            restore(record.space, &self.keys[record.key_start..end], record.old);
        }
        self.forget_keys();
    }

    /// Records what was under a key, and gives the mark for the slot that is there now. Outside a
    /// call nothing is recorded.
    pub(crate) fn record(&mut self, space: u16, key: &[u8], old: Old) -> u32 {
        if !self.open {
            return UNMARKED;
        }
        let mark = u32::try_from(self.records.len()).unwrap_or(UNMARKED);
        let record = Record { space, key_start: self.keys.len(), key_length: key.len(), old };
        self.records.push(record);
        self.keys.extend_from_slice(key);
        mark
    }

    /// Whether this call has saved the slot under `key` that carries `mark`.
    #[inline]
    pub(crate) fn saved(&self, space: u16, key: &[u8], mark: u32) -> Saved {
        if !self.open {
            return Saved::Whole;
        }
        let Some(record) = self.records.get(mark as usize) else { return Saved::No };
        let range = record.key_start..record.key_start + record.key_length;
        if record.space != space || self.keys.get(range) != Some(key) {
            return Saved::No;
        }
        match record.old {
            Old::Slot(_) => Saved::Whole,
            Old::Moved { .. } => Saved::No,
            Old::Kept { .. } => Saved::Kept,
        }
    }

    /// A buffer that holds `bytes`: a spare one where its size fits.
    #[inline]
    pub(crate) fn buffer(&mut self, bytes: &[u8]) -> Value {
        if bytes.len() <= Value::new().inline_size() {
            return Value::from_slice(bytes);
        }
        let fits = |spare: &Value| {
            (bytes.len()..=bytes.len() + bytes.len() / 4 + 16).contains(&spare.capacity())
        };
        match self.spare.pop() {
            Some(mut spare) if fits(&spare) => {
                spare.clear();
                spare.extend_from_slice(bytes);
                spare
            }
            _ => Value::from_slice(bytes),
        }
    }
}
