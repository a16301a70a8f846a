//! Window panes: what a window holds for a key until it fires, and after that until its grace ends.
//!
//! A pane is a slot: its number is its records, its tag twice the times that it fired, plus one
//! while it is pending, and the two flags [`FRESH`] and [`ON_TIME`].

use pelton_batch::OpKind;
use pelton_core::window::Window;

use crate::changes::ChangeRow;
use crate::encoding::{pane_key, split_pane, window_prefix};
use crate::slot::Meta;
use crate::state::{Panes, TaskState, check_bytes};
use crate::{PANES, StateError};

const PENDING: u32 = 1;
const FIRED: u32 = 2;
/// It has got records since it fired last.
const FRESH: u32 = 1 << 31;
/// It has fired since its time had come.
const ON_TIME: u32 = 1 << 30;
/// Where counting how often a pane has fired ends.
const FIRED_MAX: u32 = (ON_TIME - 1) / FIRED;

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
    /// Whether it has fired since its time had come: then it fires again for late records only.
    pub on_time: bool,
}

impl<'a> PaneRef<'a> {
    /// The accumulator; `None` where the pane was emptied and nothing has come since.
    #[must_use]
    pub fn accumulator(&self) -> Option<&'a [u8]> {
        (self.records > 0 || !self.value.is_empty()).then_some(self.value)
    }
}

/// Whether a pane with this tag has something to fire.
#[inline]
pub(crate) fn is_pending(tag: u32) -> bool {
    tag & PENDING != 0
}

/// Whether a pane with this tag has got records since it fired last.
#[inline]
pub(crate) fn is_fresh(tag: u32) -> bool {
    tag & FRESH != 0
}

fn times_fired(tag: u32) -> u32 {
    (tag & !(FRESH | ON_TIME)) / FIRED
}

/// The tag of a pane that two others have become: fired as often as the one that fired more, pending
/// if either was, and with the flags of both.
pub(crate) fn merged_tag(one: u32, other: u32) -> u32 {
    let fired = times_fired(one).max(times_fired(other));
    (fired * FIRED) | ((one | other) & (PENDING | FRESH | ON_TIME))
}

/// The numbers of a pane that gets `records` more.
fn more(before: Option<Meta>, records: u64) -> (i64, u32) {
    let (has, tag) = before.map_or((0, 0), |meta| (meta.number as u64, meta.tag));
    let fresh = if records > 0 { FRESH } else { 0 };
    (has.saturating_add(records) as i64, tag | PENDING | fresh)
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
            fired: times_fired(slot.tag),
            pending: is_pending(slot.tag),
            on_time: slot.tag & ON_TIME != 0,
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
        self.write_pane(PaneWrite::Put, window, key, value, |before| more(before, more_records))
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
        self.write_pane(PaneWrite::Append, window, key, bytes, |before| more(before, more_records))
    }

    /// Writes a pane. `numbers` is told what is there and answers its records and its tag.
    pub(crate) fn write_pane(
        &mut self,
        write: PaneWrite,
        window: Window,
        key: Option<&[u8]>,
        bytes: &[u8],
        numbers: impl FnOnce(Option<Meta>) -> (i64, u32),
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
            Ok(numbers(before))
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
        Some(self.panes.windows.first_pending()?.end)
    }

    /// The windows that hold panes, by end and start.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        self.panes.windows.all()
    }

    /// The windows that hold pending panes, and how many of them, by end and start.
    pub fn pending_windows(&self) -> impl Iterator<Item = (Window, usize)> {
        self.panes.windows.all_pending()
    }

    /// At most `max` pending panes of windows that end at or before `watermark` (ms), by window and
    /// key. The first answer for a window sorts its keys.
    #[must_use]
    pub fn due_panes(&mut self, watermark: i64, max: usize) -> Vec<(Window, Option<Box<[u8]>>)> {
        let mut due = Vec::new();
        let Panes { space, windows, .. } = &mut self.panes;
        windows.due(&space.layers, watermark, max, &mut due);
        due
    }

    /// At most `max` panes that have got records since they fired last, by window and key. None
    /// unless the layout says that it is kept track of.
    #[must_use]
    pub fn fresh_panes(&self, max: usize) -> Vec<(Window, Option<Box<[u8]>>)> {
        let fresh = self.panes.fresh.iter().flatten().take(max);
        let panes = fresh.filter_map(|pane| {
            let (window, key) = split_pane(pane)?;
            Some((window, key.map(Into::into)))
        });
        panes.collect()
    }

    /// Whether there is any of them.
    #[must_use]
    pub fn has_fresh_panes(&self) -> bool {
        self.panes.fresh.as_ref().is_some_and(|fresh| !fresh.is_empty())
    }

    /// Marks a pane as fired once more and no longer pending; `on_time`: since its time had come. Its
    /// value stays.
    pub fn mark_fired(&mut self, window: Window, key: Option<&[u8]>, on_time: bool) {
        let key = pane_key(window, key);
        let Some(meta) = self.panes.space.layers.meta(&key) else { return };
        let was_on_time = meta.tag & ON_TIME != 0;
        let flag = if on_time || was_on_time { ON_TIME } else { 0 };
        let tag = ((times_fired(meta.tag) + 1).min(FIRED_MAX) * FIRED) | flag;
        let fired = self.replay_pane(PaneWrite::Append, &key, &[], (meta.number, tag));
        debug_assert!(fired.is_ok(), "nothing refuses an empty append");
        self.journal_pane(OpKind::Append, &key, &[], Some(Meta { tag, ..meta }));
    }

    /// Forgets what a pane holds, but not how often it has fired: there is nothing to fire any more.
    ///
    /// # Errors
    /// [`StateError::Limit`] where too many changes wait; nothing has changed then.
    pub fn empty_pane(&mut self, window: Window, key: Option<&[u8]>) -> Result<(), StateError> {
        if self.pane(window, key).is_none() {
            return Ok(());
        }
        let emptied =
            |before: Option<Meta>| (0, before.map_or(0, |meta| meta.tag & !(PENDING | FRESH)));
        self.write_pane(PaneWrite::Put, window, key, &[], emptied)
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
        self.panes.windows.first()
    }

    /// Removes all panes of a window, as one change.
    pub fn drop_window(&mut self, window: Window) {
        if self.drop_panes(window) {
            let prefix = window_prefix(window);
            self.changes.push(ChangeRow::new(OpKind::DeletePrefix, PANES, Some(&prefix)));
        }
    }

    /// Removes all panes of a window, and tells whether there were any.
    pub(crate) fn drop_panes(&mut self, window: Window) -> bool {
        let keys = self.panes.windows.keys(window);
        keys.iter().fold(false, |any, key| self.drop_pane(key) | any)
    }

    /// Number of panes.
    #[must_use]
    pub fn pane_count(&self) -> usize {
        self.panes.space.entries as usize
    }
}
