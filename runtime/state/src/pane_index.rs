//! What is kept beside the panes, so that those are found that are asked for.

use std::collections::BTreeSet;

use crate::panes::is_fresh;
use crate::sessions::KeyWindows;
use crate::slot::Key;
use crate::space::Change;
use crate::state::Panes;

impl Panes {
    /// Follows a change of a pane.
    #[inline]
    pub(crate) fn note(&mut self, key: &[u8], change: Change) {
        self.windows.note(&self.space.layers, key, change);
        if let Some(windows) = &mut self.key_windows {
            windows.note(key, change);
        }
        if let Some(fresh) = &mut self.fresh {
            note_fresh(fresh, key, change);
        }
    }

    /// Knows the windows of each key from here on, or no longer.
    pub(crate) fn index_key_windows(&mut self, wanted: bool) {
        if wanted == self.key_windows.is_some() {
            return;
        }
        self.key_windows = wanted.then(KeyWindows::default);
        if let Some(windows) = &mut self.key_windows {
            for (key, slot) in self.space.layers.iter() {
                windows.note(key, Change { before: None, after: slot.meta() });
            }
        }
    }

    /// Knows the panes that have got records since they fired last from here on, or no longer.
    pub(crate) fn index_fresh(&mut self, wanted: bool) {
        if wanted == self.fresh.is_some() {
            return;
        }
        self.fresh = wanted.then(BTreeSet::new);
        if let Some(fresh) = &mut self.fresh {
            for (key, slot) in self.space.layers.iter() {
                note_fresh(fresh, key, Change { before: None, after: slot.meta() });
            }
        }
    }
}

fn note_fresh(fresh: &mut BTreeSet<Key>, key: &[u8], change: Change) {
    let was = change.before.is_some_and(|meta| is_fresh(meta.tag));
    let is = change.after.is_some_and(|meta| is_fresh(meta.tag));
    match (was, is) {
        (false, true) => drop(fresh.insert(key.into())),
        (true, false) => drop(fresh.remove(key)),
        _ => {}
    }
}
