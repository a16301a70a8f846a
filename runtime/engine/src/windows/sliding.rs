//! Sliding windows: one for each distinct set of a key's records that lie within `size`.
//!
//! Let a window of that length slide along time. What it holds changes where it begins to reach a
//! record, which is when it ends right behind it, and where it has left one, `size` later. Panes are
//! kept at these places: each holds the records of the window that ends there, which are those of all
//! windows up to the next such place. A record splits the places where it comes in and where it goes
//! out, with a copy of the pane before, and is added to all panes in between. A pane without records
//! only says that there is nothing from there on.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use pelton_core::window::{Assigner, Window, WindowSpec};
use pelton_state::TaskState;

use super::assign::Rows;

/// Records of a key in one slice: its panes have copies of one another, and so have their lists.
const ROWS_MAX: u32 = 16;

/// A pane that is made from another, or with nothing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// A row of the slice that has its key.
    pub(crate) row: u32,
    pub(crate) from: Option<Window>,
    pub(crate) to: Window,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slid {
    /// To windows, the first of which ends then.
    Into { first_end: i64 },
    /// To none that is not over.
    Late,
    /// It must begin the next slice.
    NextSlice,
}

/// The sliding windows that records of a slice change.
pub(crate) struct Sliding<'a> {
    size_ms: i64,
    spec: &'a WindowSpec,
    state: &'a TaskState,
    keys: Vec<KeyPanes>,
    of_key: HashMap<Option<&'a [u8]>, usize, RandomState>,
}

/// What the slice changes of a key's panes, by the end of their windows.
struct KeyPanes {
    first_row: u32,
    rows: u32,
    changed: BTreeMap<i64, Changed>,
}

/// A pane of the slice.
#[derive(Clone)]
struct Changed {
    /// The pane that it begins with, as it was before the slice.
    source: Option<Window>,
    /// The records that come to it.
    rows: Vec<u32>,
}

impl<'a> Sliding<'a> {
    /// None where windows do not slide.
    pub(crate) fn new(spec: &'a WindowSpec, state: &'a TaskState) -> Option<Self> {
        let Assigner::Sliding { size_ms } = spec.assigner else { return None };
        Some(Self { size_ms, spec, state, keys: Vec::new(), of_key: HashMap::default() })
    }

    /// Puts a record into its windows, judged against the watermark before it.
    pub(crate) fn add(
        &mut self,
        row: u32,
        key: Option<&'a [u8]>,
        time: i64,
        watermark: i64,
    ) -> Slid {
        let (spec, size_ms, state) = (self.spec, self.size_ms, self.state);
        let window = |end: i64| Window { start: end.saturating_sub(size_ms), end };
        let own = spec.assigner.windows(time).next().map(|window| window.end);
        let left = own.and_then(|own| own.checked_add(size_ms));
        let (Some(own), Some(left)) = (own, left) else { return Slid::Late };
        if spec.is_over(&window(left - 1), watermark) {
            return Slid::Late;
        }
        let at = *self.of_key.entry(key).or_insert_with(|| {
            let changed = BTreeMap::new();
            self.keys.push(KeyPanes { first_row: row, rows: 0, changed });
            self.keys.len() - 1
        });
        let panes = &mut self.keys[at];
        if panes.rows >= ROWS_MAX {
            return Slid::NextSlice;
        }
        let is_open = |end: i64| !spec.is_over(&window(end), watermark);
        let kept = Kept { windows: state.key_windows(key), size_ms };
        let known = || kept.between(own, left).filter(|known| is_open(known.end));
        let of_slice = panes.changed.range(own..left).any(|(end, _)| is_open(*end));
        if !is_open(own) && !of_slice && known().next().is_none() {
            return Slid::Late;
        }
        if is_open(own) {
            panes.split(window(own), &kept);
        }
        panes.split(window(left), &kept);
        for known in known() {
            let same = || Changed { source: Some(*known), rows: Vec::new() };
            panes.changed.entry(known.end).or_insert_with(same);
        }
        let mut first_end = i64::MAX;
        for (end, changed) in panes.changed.range_mut(own..left).filter(|(end, _)| is_open(**end)) {
            first_end = first_end.min(*end);
            changed.rows.push(row);
        }
        panes.rows += 1;
        Slid::Into { first_end }
    }

    /// Adds what was found to `rows`.
    pub(crate) fn finish(self, rows: &mut Rows) {
        let size_ms = self.size_ms;
        for panes in self.keys {
            for (end, Changed { source, rows: added }) in panes.changed {
                let window = Window { start: end.saturating_sub(size_ms), end };
                if added.is_empty() {
                    rows.copied.push(Copied { row: panes.first_row, from: source, to: window });
                    continue;
                }
                rows.assigned.extend(added.into_iter().map(|row| (row, window)));
                rows.sources.push(source.into_iter().collect());
            }
        }
    }
}

/// The panes of a key before the slice, by the windows that they are of.
struct Kept<'a> {
    windows: &'a [Window],
    size_ms: i64,
}

impl<'a> Kept<'a> {
    /// Those that end from `own` on and before `left`.
    fn between(&self, own: i64, left: i64) -> impl Iterator<Item = &'a Window> {
        let place = |end: i64| self.windows.partition_point(|window| window.end < end);
        let size_ms = self.size_ms;
        let between = self.windows[place(own)..place(left)].iter();
        between.filter(move |window| is_of_size(window, size_ms))
    }

    /// The last that ends not behind `end`.
    fn last_before(&self, end: i64) -> Option<Window> {
        let place = self.windows.partition_point(|window| window.end <= end);
        self.windows[..place].iter().rfind(|window| is_of_size(window, self.size_ms)).copied()
    }
}

/// Whether a window is not of a version that had windows of another size.
fn is_of_size(window: &Window, size_ms: i64) -> bool {
    window.end.saturating_sub(window.start) == size_ms
}

impl KeyPanes {
    /// Makes sure that there is a pane of `window`: a copy of the one before.
    fn split(&mut self, window: Window, kept: &Kept<'_>) {
        let known = kept.last_before(window.end);
        let changed = self.changed.range(..=window.end).next_back();
        if known == Some(window) || changed.is_some_and(|(end, _)| *end == window.end) {
            return;
        }
        let copy = match (changed, known) {
            (Some((end, changed)), known) if known.is_none_or(|known| known.end <= *end) => {
                changed.clone()
            }
            (_, source) => Changed { source, rows: Vec::new() },
        };
        self.changed.insert(window.end, copy);
    }
}
