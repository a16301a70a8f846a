//! Time to live: which entries expire when.

use std::collections::BTreeSet;

use pelton_batch::OpKind;

use crate::changes::ChangeRow;
use crate::encoding;
use crate::slot::{Meta, NEVER};
use crate::space::Change;
use crate::state::TaskState;

/// Entries of declared stores that expire, by (instant, store, key).
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    entries: BTreeSet<Box<[u8]>>,
    scratch: Vec<u8>,
}

impl Expiry {
    /// Follows a change of an entry. Where the instant stays, there is nothing to do.
    #[inline]
    pub(crate) fn note(&mut self, store: u16, key: &[u8], change: Change) {
        let instant = |meta: Option<Meta>| meta.map_or(NEVER, |meta| meta.number);
        let (before, after) = (instant(change.before), instant(change.after));
        if before == after {
            return;
        }
        if before != NEVER {
            self.encode(before, store, key);
            self.entries.remove(&*self.scratch);
        }
        if after != NEVER {
            self.encode(after, store, key);
            self.entries.insert(self.scratch.as_slice().into());
        }
    }

    fn encode(&mut self, instant: i64, store: u16, key: &[u8]) {
        self.scratch.clear();
        encoding::push_i64(&mut self.scratch, instant);
        self.scratch.extend_from_slice(&store.to_be_bytes());
        self.scratch.extend_from_slice(key);
    }

    fn first(&self) -> Option<(i64, &[u8])> {
        encoding::split_i64(self.entries.first()?)
    }
}

impl TaskState {
    /// The earliest time at which an entry of a declared store expires, ms.
    #[must_use]
    pub fn next_expiry(&self) -> Option<i64> {
        Some(self.expiry.first()?.0)
    }

    /// Removes every entry that expires at or before `time` (ms), by time, store and key. Inside a
    /// call it can be taken back.
    pub fn expire(&mut self, time: i64) {
        while let Some((instant, rest)) = self.expiry.first()
            && instant <= time
        {
            // An encoding of ours: the parts are there.
            let Some((target, key)) = encoding::split_u16(rest) else { return };
            let key = key.to_vec();
            let removed = self.stores[target as usize].space.remove(&mut self.undo, &key);
            debug_assert!(removed.is_some(), "the expiry index names an entry that is not there");
            let Some(change) = removed else { return };
            self.note(target, &key, change);
            self.changes.push(ChangeRow::new(OpKind::Delete, target, Some(&key)));
        }
    }

    /// Builds the index anew from the declared stores.
    pub(crate) fn rebuild_expiry(&mut self) {
        self.expiry = Expiry::default();
        for (index, store) in self.stores[..self.declared_stores].iter().enumerate() {
            for (key, slot) in store.space.layers.iter() {
                let change = Change { before: None, after: slot.meta() };
                self.expiry.note(index as u16, key, change);
            }
        }
    }
}
