//! Which windows the records of a slice belong to.

use pelton_core::window::{Window, WindowSpec};

use super::early::EarlyCounts;
use super::sessions::{Joined, Sessions};
use super::sliding::{Copied, Slid, Sliding};
use crate::plan::View;

/// The windows of a slice's records, found one record after the other.
pub(crate) struct Assigning<'a> {
    spec: &'a WindowSpec,
    group_null_keys: bool,
    early: Option<EarlyCounts<'a>>,
    sessions: Option<Sessions<'a>>,
    sliding: Option<Sliding<'a>>,
    /// Rows and the sessions that they belong to, whose windows still grow.
    joined: Vec<(u32, u32)>,
    rows: Rows,
}

/// What was found of the rows of a slice.
#[derive(Default)]
pub(crate) struct Rows {
    /// Rows and the windows that they belong to, in order.
    pub(crate) assigned: Vec<(u32, Window)>,
    /// The panes that each session or sliding window grows from, in the order in which `assigned` has
    /// them.
    pub(crate) sources: Vec<Vec<Window>>,
    /// Panes that are made from others without a record of the slice.
    pub(crate) copied: Vec<Copied>,
    /// Rows that are too late for every window of theirs.
    pub(crate) late: Vec<u32>,
    /// Rows that have no key where one is needed.
    pub(crate) unkeyed: Vec<u32>,
}

/// What a record means for the slice.
pub(crate) enum Assigned {
    /// A window of its ends then; `i64::MAX` where it has none.
    Due(i64),
    /// A window of its fires early: the slice ends with it.
    Full,
    /// It must begin the next slice.
    NextSlice,
}

impl<'a> Assigning<'a> {
    pub(crate) fn new(spec: &'a WindowSpec, view: View<'a>) -> Self {
        let state = view.state;
        Self {
            spec,
            group_null_keys: view.group_null_keys,
            early: spec.early_records.map(|_| EarlyCounts::new(spec, state)),
            sessions: spec.assigner.merges().then(|| Sessions::new(spec, state)),
            sliding: Sliding::new(spec, state),
            joined: Vec::new(),
            rows: Rows::default(),
        }
    }

    /// Puts a record into its windows, judged against the watermark before it.
    pub(crate) fn assign(
        &mut self,
        row: u32,
        key: Option<&'a [u8]>,
        time: i64,
        watermark: i64,
    ) -> Assigned {
        if key.is_none() && !self.group_null_keys {
            self.rows.unkeyed.push(row);
            return Assigned::Due(i64::MAX);
        }
        if let Some(sliding) = &mut self.sliding {
            return match sliding.add(row, key, time, watermark) {
                Slid::Into { first_end } => Assigned::Due(first_end),
                Slid::NextSlice => Assigned::NextSlice,
                Slid::Late => {
                    self.rows.late.push(row);
                    Assigned::Due(i64::MAX)
                }
            };
        }
        match self.sessions.is_some() {
            true => self.join(row, key, time, watermark),
            false => self.put(row, key, time, watermark),
        }
    }

    fn join(&mut self, row: u32, key: Option<&'a [u8]>, time: i64, watermark: i64) -> Assigned {
        let joined = self.sessions.as_mut().map(|sessions| sessions.join(key, time, watermark));
        match joined {
            Some(Joined::Session { index, end, records }) => {
                self.joined.push((row, index));
                match self.spec.fires_early(records) {
                    true => Assigned::Full,
                    false => Assigned::Due(end),
                }
            }
            Some(Joined::NextSlice) => Assigned::NextSlice,
            Some(Joined::Late) | None => {
                self.rows.late.push(row);
                Assigned::Due(i64::MAX)
            }
        }
    }

    fn put(&mut self, row: u32, key: Option<&'a [u8]>, time: i64, watermark: i64) -> Assigned {
        let (mut first_end, mut is_full) = (i64::MAX, false);
        let before = self.rows.assigned.len();
        for window in self.spec.assigner.windows(time) {
            if !self.spec.is_over(&window, watermark) {
                first_end = first_end.min(window.end);
                self.rows.assigned.push((row, window));
                is_full |= self.early.as_mut().is_some_and(|early| early.add(window, key));
            }
        }
        if self.rows.assigned.len() == before {
            self.rows.late.push(row);
        }
        if is_full { Assigned::Full } else { Assigned::Due(first_end) }
    }

    /// The earliest end of a session that has something to fire; `None` where windows do not grow.
    pub(crate) fn first_end(&self) -> Option<i64> {
        self.sessions.as_ref().map(Sessions::first_end)
    }

    /// What was found, with the windows as they are now.
    pub(crate) fn into_rows(mut self) -> Rows {
        if let Some(sessions) = self.sessions {
            let joined = self.joined.iter();
            self.rows.assigned.extend(joined.map(|(row, index)| (*row, sessions.window(*index))));
            self.rows.sources = sessions.into_sources();
        }
        if let Some(sliding) = self.sliding {
            sliding.finish(&mut self.rows);
        }
        self.rows
    }
}
