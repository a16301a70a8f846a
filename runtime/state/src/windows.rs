//! Which windows there are, and which of their panes are to fire.
//!
//! The panes themselves lie in a hash table. What has to be found in order is kept beside it, by
//! window: the keys of panes that became pending, sorted only when the window fires, and the keys
//! of those that fired and stay. The lists may name a pane twice, or one that is gone: what the
//! table says counts, and a list that has grown too far is cleaned.

use std::collections::BTreeMap;
use std::ops::Bound;

use pelton_core::window::Window;

use crate::encoding::{WINDOW_BYTES, pane_key_of, read_key, split_pane, window_prefix};
use crate::key_list::KeyList;
use crate::layers::Layers;
use crate::panes::is_pending;
use crate::space::Change;

/// Keys that a list may hold beyond those that count, before it is cleaned.
const LIST_SLACK: usize = 64;

/// The windows that hold panes, by end and start.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    panes: BTreeMap<Window, WindowPanes>,
    /// The windows that hold pending panes, and how many.
    pending: BTreeMap<Window, usize>,
}

/// The panes of a window. Each that is there is in one of the lists.
#[derive(Debug, Default)]
struct WindowPanes {
    count: usize,
    /// Pending panes in order.
    queue: KeyList,
    /// The first of the queue that may be pending.
    head: usize,
    /// Panes that became pending since the queue was sorted.
    fresh: KeyList,
    /// Panes that fired and are still there.
    kept: KeyList,
}

impl Windows {
    /// Follows a change of a pane, after it has been made in `layers`.
    #[inline]
    pub(crate) fn note(&mut self, layers: &Layers, key: &[u8], change: Change) {
        let was = change.before.is_some_and(|meta| is_pending(meta.tag));
        let is = change.after.is_some_and(|meta| is_pending(meta.tag));
        if was == is && change.before.is_some() == change.after.is_some() {
            return;
        }
        let Some((window, _)) = split_pane(key) else { return };
        match (was, is) {
            (false, true) => *self.pending.entry(window).or_default() += 1,
            (true, false) => take_one(&mut self.pending, window),
            _ => {}
        }
        let pending = self.pending.get(&window).copied().unwrap_or_default();
        let panes = self.panes.entry(window).or_default();
        match (change.before, change.after) {
            (None, Some(_)) => panes.count += 1,
            (Some(_), None) => panes.count -= 1,
            _ => {}
        }
        if panes.count == 0 {
            self.panes.remove(&window);
            return;
        }
        if change.after.is_some() {
            panes.enlist(layers, window, &key[WINDOW_BYTES..], is.then_some(pending));
        }
    }

    /// The earliest window that holds a pending pane.
    pub(crate) fn first_pending(&self) -> Option<Window> {
        Some(*self.pending.first_key_value()?.0)
    }

    /// The windows that hold panes, by end and start.
    pub(crate) fn all(&self) -> impl Iterator<Item = Window> {
        self.panes.keys().copied()
    }

    /// The windows that hold pending panes, and how many, by end and start.
    pub(crate) fn all_pending(&self) -> impl Iterator<Item = (Window, usize)> {
        self.pending.iter().map(|(window, count)| (*window, *count))
    }

    /// The windows that end behind `after` and not behind `upto`.
    pub(crate) fn ending(&self, after: i64, upto: i64) -> Vec<Window> {
        if after >= upto {
            return Vec::new();
        }
        let last = |end| Window { start: i64::MAX, end };
        let windows = self.panes.range((Bound::Excluded(last(after)), Bound::Included(last(upto))));
        windows.map(|(window, _)| *window).collect()
    }

    /// The first window by end and start.
    pub(crate) fn first(&self) -> Option<Window> {
        Some(*self.panes.first_key_value()?.0)
    }

    /// Adds the first pending panes of windows that end at or before `watermark` to `due`, by window
    /// and key, until it holds `max`.
    pub(crate) fn due(
        &mut self,
        layers: &Layers,
        watermark: i64,
        max: usize,
        due: &mut Vec<(Window, Option<Box<[u8]>>)>,
    ) {
        for (window, pending) in self.pending.iter().take_while(|(w, _)| w.end <= watermark) {
            let Some(panes) = self.panes.get_mut(window) else { continue };
            let keys = panes.pending(layers, *window, (*pending).min(max - due.len()));
            due.extend(keys.map(|key| (*window, key.map(Into::into))));
            if due.len() >= max {
                return;
            }
        }
    }

    /// The encoded keys of all panes of a window; some may be gone, some twice.
    pub(crate) fn keys(&self, window: Window) -> Vec<Box<[u8]>> {
        let Some(panes) = self.panes.get(&window) else { return Vec::new() };
        let lists = [panes.queue.iter(), panes.fresh.iter(), panes.kept.iter()];
        let prefix = window_prefix(window);
        lists.into_iter().flatten().map(|key| [&prefix, key].concat().into()).collect()
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

fn has_pending(layers: &Layers, window: Window, key: &[u8]) -> bool {
    layers.meta(&pane_key_of(window, key)).is_some_and(|meta| is_pending(meta.tag))
}

impl WindowPanes {
    /// Puts a pane on the list that it belongs to: of those that are pending (then `pending` is how
    /// many there are), or of those that stay.
    #[inline]
    fn enlist(&mut self, layers: &Layers, window: Window, key: &[u8], pending: Option<usize>) {
        let (list, counts) = match pending {
            Some(pending) => (&mut self.fresh, pending),
            None => (&mut self.kept, self.count),
        };
        list.push(key);
        if list.len() > 2 * counts + LIST_SLACK {
            list.sort();
            match pending {
                Some(_) => list.retain(|key| has_pending(layers, window, key)),
                None => list.retain(|key| layers.meta(&pane_key_of(window, key)).is_some()),
            }
        }
    }

    /// The keys of at most `max` pending panes, in order.
    fn pending(
        &mut self,
        layers: &Layers,
        window: Window,
        max: usize,
    ) -> impl Iterator<Item = Option<&[u8]>> {
        if !self.fresh.is_empty() {
            self.queue.drop_first(self.head);
            self.queue.append(&mut self.fresh);
            self.queue.sort();
            self.head = 0;
        }
        let fired = |key: &&[u8]| !has_pending(layers, window, key);
        self.head += self.queue.iter().skip(self.head).take_while(fired).count();
        let keys = self.queue.iter().skip(self.head);
        keys.filter(move |key| has_pending(layers, window, key)).take(max).filter_map(read_key)
    }
}
