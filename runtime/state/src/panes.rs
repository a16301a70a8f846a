//! Window panes: what a window holds for a key until it fires, and after that until its grace ends.
//!
//! A pane is a slot: its number is its records, its tag twice the times that it fired, plus one
//! while it is pending.

use std::collections::BTreeMap;

use pelton_batch::OpKind;
use pelton_core::window::Window;

use crate::changes::ChangeRow;
use crate::encoding::{pane_key, split_pane, window_prefix};
use crate::layers::Layers;
use crate::slot::{Meta, Slot};
use crate::space::Change;
use crate::state::{TaskState, check_bytes};
use crate::stores::keys_under;
use crate::table::KeyRange;
use crate::{PANES, StateError};

const PENDING: u32 = 1;
const FIRED: u32 = 2;

/// What a window holds for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneRef<'a> {
    /// The accumulator, or the contents.
    pub value: &'a [u8],
    /// Number of records that went into it.
    pub records: u64,
    /// How often it has fired.
    pub fired: u32,
    /// Whether something came in since it fired last.
    pub pending: bool,
}

/// The windows that there are, and which of them hold pending panes.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    panes: BTreeMap<Window, usize>,
    pending: BTreeMap<Window, Pending>,
}

/// The pending panes of a window.
#[derive(Debug)]
struct Pending {
    count: usize,
    /// The encoded key of the first of them.
    first: Box<[u8]>,
}

impl Windows {
    /// Follows a change of a pane, after it has been made in `layers`.
    #[inline]
    pub(crate) fn note(&mut self, layers: &Layers, key: &[u8], change: Change) {
        let pending = |meta: Option<Meta>| meta.is_some_and(|meta| meta.tag & PENDING != 0);
        let (was, is) = (pending(change.before), pending(change.after));
        let appears = i8::from(change.after.is_some()) - i8::from(change.before.is_some());
        if was == is && appears == 0 {
            return;
        }
        let Some((window, _)) = split_pane(key) else { return };
        match appears {
            1 => *self.panes.entry(window).or_default() += 1,
            -1 => take_one(&mut self.panes, window),
            _ => {}
        }
        match (was, is) {
            (false, true) => self.gain(window, key),
            (true, false) => self.lose(layers, window, key),
            _ => {}
        }
    }

    fn gain(&mut self, window: Window, key: &[u8]) {
        match self.pending.get_mut(&window) {
            Some(pending) => {
                pending.count += 1;
                if key < &*pending.first {
                    pending.first = key.into();
                }
            }
            None => {
                self.pending.insert(window, Pending { count: 1, first: key.into() });
            }
        }
    }

    fn lose(&mut self, layers: &Layers, window: Window, key: &[u8]) {
        let Some(pending) = self.pending.get_mut(&window) else { return };
        pending.count -= 1;
        if pending.count == 0 {
            self.pending.remove(&window);
        } else if *pending.first == *key
            && let Some(next) = pending_from(layers, key).next()
        {
            // Panes fire in order, so what is skipped here is skipped once a firing.
            pending.first = next.into();
        }
    }
}

fn take_one(counts: &mut BTreeMap<Window, usize>, window: Window) {
    if let Some(count) = counts.get_mut(&window) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&window);
        }
    }
}

/// The keys of all pending panes from `start` on.
fn pending_from<'a>(layers: &'a Layers, start: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let entries = layers.range(KeyRange { start, end: None }, false);
    let pending = |(key, slot): (&'a [u8], &Slot)| (slot.tag & PENDING != 0).then_some(key);
    entries.into_iter().flatten().filter_map(pending)
}

/// How a pane's value is written.
#[derive(Clone, Copy)]
pub(crate) enum PaneWrite {
    Put,
    Append,
}

impl TaskState {
    /// A pane, where there is one.
    #[must_use]
    pub fn pane(&self, window: Window, key: Option<&[u8]>) -> Option<PaneRef<'_>> {
        let slot = self.panes.space.layers.get(&pane_key(window, key))?;
        Some(PaneRef {
            value: slot.bytes(),
            records: slot.number as u64,
            fired: slot.tag / FIRED,
            pending: slot.tag & PENDING != 0,
        })
    }

    /// Sets the value of a pane, adds to its records and marks it pending; creates it if need be.
    ///
    /// # Errors
    /// [`StateError::Limit`] past `panes`, `pane_bytes` or `state_bytes`; nothing has changed then.
    pub fn put_pane(
        &mut self,
        window: Window,
        key: Option<&[u8]>,
        value: &[u8],
        more_records: u64,
    ) -> Result<(), StateError> {
        self.grow_pane(PaneWrite::Put, window, key, value, more_records)
    }

    /// Appends to the value of a pane, adds to its records and marks it pending; creates it if need
    /// be.
    ///
    /// # Errors
    /// [`StateError::Limit`] past `panes`, `pane_bytes` or `state_bytes`; nothing has changed then.
    pub fn append_pane(
        &mut self,
        window: Window,
        key: Option<&[u8]>,
        bytes: &[u8],
        more_records: u64,
    ) -> Result<(), StateError> {
        self.grow_pane(PaneWrite::Append, window, key, bytes, more_records)
    }

    fn grow_pane(
        &mut self,
        write: PaneWrite,
        window: Window,
        key: Option<&[u8]>,
        bytes: &[u8],
        more_records: u64,
    ) -> Result<(), StateError> {
        let key = pane_key(window, key);
        self.check_pending((key.len() + bytes.len()) as u64)?;
        let (limits, total, count) = (&self.limits, self.bytes, self.panes.space.entries);
        let admit = |before: Option<Meta>| {
            let kept = before.filter(|_| matches!(write, PaneWrite::Append));
            let length = bytes.len() + kept.map_or(0, |meta| meta.length);
            StateError::check(&limits.pane_bytes, length as u64, || "a window pane")?;
            if before.is_none() {
                StateError::check(&limits.panes, count + 1, || "window panes of the task")?;
            }
            check_bytes(limits, total, &key, before, length)?;
            let (records, tag) = before.map_or((0, 0), |meta| (meta.number as u64, meta.tag));
            Ok((records.saturating_add(more_records) as i64, tag | PENDING))
        };
        let space = &mut self.panes.space;
        let (kind, change) = match write {
            PaneWrite::Put => (OpKind::Put, space.put(&mut self.undo, &key, bytes, admit)?),
            PaneWrite::Append => {
                (OpKind::Append, space.append(&mut self.undo, &key, bytes, admit)?)
            }
        };
        self.note(PANES, &key, change);
        self.journal_pane(kind, &key, bytes, change.after);
        Ok(())
    }

    fn journal_pane(&mut self, kind: OpKind, key: &[u8], bytes: &[u8], after: Option<Meta>) {
        let row = ChangeRow {
            value: Some(bytes),
            timestamp: after.map(|meta| meta.number),
            schema: after.map_or(0, |meta| meta.tag),
            ..ChangeRow::new(kind, PANES, Some(key))
        };
        self.changes.push(row);
    }

    /// Writes a pane as a journalled change says.
    pub(crate) fn replay_pane(
        &mut self,
        write: PaneWrite,
        key: &[u8],
        bytes: &[u8],
        numbers: (i64, u32),
    ) -> Result<(), StateError> {
        let space = &mut self.panes.space;
        let change = match write {
            PaneWrite::Put => space.put(&mut self.undo, key, bytes, |_| Ok(numbers))?,
            PaneWrite::Append => space.append(&mut self.undo, key, bytes, |_| Ok(numbers))?,
        };
        self.note(PANES, key, change);
        Ok(())
    }

    /// The earliest end of a window that holds a pending pane, ms.
    #[must_use]
    pub fn next_pane_end(&self) -> Option<i64> {
        Some(self.panes.windows.pending.first_key_value()?.0.end)
    }

    /// At most `max` pending panes of windows that end at or before `watermark` (ms), by window and
    /// key.
    #[must_use]
    pub fn due_panes(&self, watermark: i64, max: usize) -> Vec<(Window, Option<Box<[u8]>>)> {
        let due = self.panes.windows.pending.iter();
        let due = due.take_while(|(window, _)| window.end <= watermark);
        let keys = due.flat_map(|(_, pending)| {
            pending_from(&self.panes.space.layers, &pending.first).take(pending.count)
        });
        let owned = keys.filter_map(split_pane).map(|(window, key)| (window, key.map(Into::into)));
        owned.take(max).collect()
    }

    /// Marks a pane as fired once more and no longer pending. Its value stays.
    pub fn mark_fired(&mut self, window: Window, key: Option<&[u8]>) {
        let key = pane_key(window, key);
        let Some(meta) = self.panes.space.layers.meta(&key) else { return };
        let tag = (meta.tag & !PENDING).saturating_add(FIRED) & !PENDING;
        let fired = self.replay_pane(PaneWrite::Append, &key, &[], (meta.number, tag));
        debug_assert!(fired.is_ok(), "nothing refuses an empty append");
        self.journal_pane(OpKind::Append, &key, &[], Some(Meta { tag, ..meta }));
    }

    /// Removes a pane.
    pub fn remove_pane(&mut self, window: Window, key: Option<&[u8]>) {
        let key = pane_key(window, key);
        if self.drop_pane(&key) {
            self.changes.push(ChangeRow::new(OpKind::Delete, PANES, Some(&key)));
        }
    }

    /// Removes a pane by its encoded key, and tells whether it was there.
    pub(crate) fn drop_pane(&mut self, key: &[u8]) -> bool {
        let Some(change) = self.panes.space.remove(&mut self.undo, key) else { return false };
        self.note(PANES, key, change);
        true
    }

    /// The first window, by end and start, that holds any pane.
    #[must_use]
    pub fn first_window(&self) -> Option<Window> {
        Some(*self.panes.windows.panes.first_key_value()?.0)
    }

    /// Removes all panes of a window, as one change.
    pub fn drop_window(&mut self, window: Window) {
        let prefix = window_prefix(window);
        if self.panes.windows.panes.contains_key(&window) {
            self.drop_panes(&prefix);
            self.changes.push(ChangeRow::new(OpKind::DeletePrefix, PANES, Some(&prefix)));
        }
    }

    /// Removes all panes whose encoded key starts with `prefix`.
    pub(crate) fn drop_panes(&mut self, prefix: &[u8]) {
        for key in keys_under(&self.panes.space.layers, prefix) {
            self.drop_pane(&key);
        }
    }

    /// Number of panes.
    #[must_use]
    pub fn pane_count(&self) -> usize {
        self.panes.space.entries as usize
    }
}
