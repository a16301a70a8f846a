//! What the calls of a task have to do with its state: the keys that they asked for, and those that
//! they were about.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pelton_batch::{Batch, Records};

use crate::call::{Call, Work};

/// Keys of stores that calls have read, whether there was a value or not, and the keys of their
/// records, windows and timers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Store, by its index, and key.
    pub entries: BTreeSet<(u16, Vec<u8>)>,
    /// Keys of records, windows and timers; `None` for no key.
    pub keys: BTreeSet<Option<Vec<u8>>>,
}

/// Takes down what is touched.
#[derive(Debug, Default)]
pub struct Reads(Mutex<Touched>);

impl Reads {
    fn lock(&self) -> MutexGuard<'_, Touched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was touched so far.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.lock().clone()
    }

    pub(crate) fn note(&self, store: u16, keys: &Records<'_>) {
        let keys = (0..keys.len()).filter_map(|row| Some((store, keys.key(row)?.to_vec())));
        self.lock().entries.extend(keys);
    }

    /// Notes what a scan has answered.
    pub(crate) fn note_entries(&self, store: u16, entries: &[u8]) {
        if let Ok(entries) = Batch::parse(entries).and_then(Batch::records) {
            self.note(store, &entries);
        }
    }

    /// Notes what a call is about.
    pub(crate) fn note_call(&self, call: &Call) {
        let mut touched = self.lock();
        match &call.work {
            Work::Fire { panes, .. } => {
                touched.keys.extend(panes.iter().map(|pane| pane.key.as_deref().map(Vec::from)));
            }
            Work::Timers(_, timers) => {
                touched.keys.extend(timers.iter().map(|due| due.key.as_deref().map(Vec::from)));
            }
            work => {
                let slices = work.plan().map(|plan| &plan.slice);
                for piece in slices.iter().flat_map(|slice| &slice.pieces) {
                    if let Ok(records) = piece.records() {
                        let key = |row| records.key(row).map(Vec::from);
                        touched.keys.extend(piece.rows.clone().map(key));
                    }
                }
            }
        }
    }
}
