//! Sessions: which windows a key has, so that a record finds those that it touches; and panes that
//! move to another window, since theirs has grown, or has met another.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pelton_batch::OpKind;
use pelton_core::window::Window;
use smallvec::SmallVec;

use crate::changes::ChangeRow;
use crate::encoding::{WINDOW_BYTES, pane_key, read_window, split_pane};
use crate::panes::{PaneWrite, merged_tag};
use crate::slot::Key;
use crate::space::Change;
use crate::state::TaskState;
use crate::{PANES, StateError};

/// The windows of each key that has panes, earliest first.
#[derive(Debug, Default)]
pub(crate) struct KeyWindows(HashMap<Key, SmallVec<[Window; 1]>, RandomState>);

impl KeyWindows {
    pub(crate) fn note(&mut self, pane: &[u8], change: Change) {
        let Some((prefix, key)) = pane.split_at_checked(WINDOW_BYTES) else { return };
        let Some(window) = read_window(prefix) else { return };
        match (change.before, change.after) {
            (None, Some(_)) => {
                let windows = self.0.entry(key.into()).or_default();
                let at = windows.partition_point(|known| *known < window);
                windows.insert(at, window);
            }
            (Some(_), None) => {
                let Some(windows) = self.0.get_mut(key) else { return };
                windows.retain(|known| *known != window);
                if windows.is_empty() {
                    self.0.remove(key);
                }
            }
            _ => {}
        }
    }
}

impl TaskState {
    /// The windows that hold a pane of this key, earliest first; none unless the layout says that they
    /// can be asked for.
    #[must_use]
    pub fn key_windows(&self, key: Option<&[u8]>) -> &[Window] {
        let Some(windows) = &self.panes.key_windows else { return &[] };
        let pane = pane_key(Window { start: 0, end: 0 }, key);
        windows.0.get(&pane[WINDOW_BYTES..]).map_or(&[], |windows| windows.as_slice())
    }

    /// Moves a pane, as it is, to another window, where this key has none. A pane that is not there
    /// stays away.
    ///
    /// # Errors
    /// [`StateError::Limit`] where too many changes wait; nothing has changed then.
    pub fn move_pane(
        &mut self,
        from: Window,
        to: Window,
        key: Option<&[u8]>,
    ) -> Result<(), StateError> {
        if from == to {
            return Ok(());
        }
        let (from, to) = (pane_key(from, key), pane_key(to, key));
        self.check_pending((from.len() + to.len()) as u64)?;
        if self.rename_pane(&from, &to) {
            let row = ChangeRow::new(OpKind::MovePane, PANES, Some(&from));
            self.changes.push(ChangeRow { value: Some(&to), ..row });
        }
        Ok(())
    }

    /// Moves a pane by its encoded keys, and tells whether it was there.
    pub(crate) fn rename_pane(&mut self, from: &[u8], to: &[u8]) -> bool {
        let Some(moved) = self.panes.space.rename(&mut self.undo, from, to) else { return false };
        self.note(PANES, from, moved.left);
        self.note(PANES, to, moved.came);
        true
    }

    /// Makes a pane in the window `to`, where this key has none: with what the one in `from` holds, and
    /// never fired; or with nothing and nothing to fire, where there is none or it holds no record.
    ///
    /// # Errors
    /// [`StateError::Limit`]; nothing has changed then.
    pub fn copy_pane(
        &mut self,
        from: Option<Window>,
        to: Window,
        key: Option<&[u8]>,
    ) -> Result<(), StateError> {
        let source = from.and_then(|from| self.pane(from, key)).filter(|pane| pane.records > 0);
        let (value, records) = source.map_or((Vec::new(), 0), |p| (p.value.to_vec(), p.records));
        match records {
            0 => self.write_pane(PaneWrite::Put, to, key, &[], |_| (0, 0)),
            _ => self.put_pane(to, key, &value, records),
        }
    }

    /// Drops the panes that windows are no longer made from which begin to slide from `upto` on: of
    /// each key that has panes of windows that end behind `after` and not behind `upto`, all before the
    /// last of them, and that one where it holds no record.
    pub fn close_sliding(&mut self, after: i64, upto: i64) {
        for window in self.panes.windows.ending(after, upto) {
            for pane in self.panes.windows.keys(window) {
                let Some((_, key)) = split_pane(&pane) else { continue };
                let Some(records) = self.pane(window, key).map(|pane| pane.records) else {
                    continue;
                };
                let earlier = self.key_windows(key).iter().copied();
                let earlier: Vec<Window> = earlier.take_while(|known| *known < window).collect();
                earlier.into_iter().for_each(|earlier| self.remove_pane(earlier, key));
                if records == 0 {
                    self.remove_pane(window, key);
                }
            }
        }
    }

    /// Makes one pane of those that this key has in `sources`, at least one, in the window `to` that
    /// holds them all: their records together, fired as often as the one that fired most, pending if
    /// any was. Its value is `value`, or where there is none theirs, one behind the other.
    ///
    /// # Errors
    /// [`StateError::Limit`]; what has changed by then is taken back with the call.
    pub fn merge_panes(
        &mut self,
        sources: &[Window],
        to: Window,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), StateError> {
        let Some((first, others)) = sources.split_first() else { return Ok(()) };
        let (mut records, mut tag) = (0_i64, 0);
        let mut all = Vec::new();
        for window in sources {
            let Some(slot) = self.panes.space.layers.get(&pane_key(*window, key)) else { continue };
            records = records.saturating_add(slot.number);
            tag = merged_tag(tag, slot.tag);
            if value.is_none() && window != first {
                all.extend_from_slice(slot.bytes());
            }
        }
        others.iter().for_each(|window| self.remove_pane(*window, key));
        self.move_pane(*first, to, key)?;
        let (write, value) = match value {
            Some(value) => (PaneWrite::Put, value),
            None => (PaneWrite::Append, &all[..]),
        };
        self.write_pane(write, to, key, value, |_| (records, tag))
    }
}
