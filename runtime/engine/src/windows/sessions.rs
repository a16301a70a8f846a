//! Sessions: which one a record belongs to depends on those that its key has.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use pelton_core::window::{Window, WindowSpec};
use pelton_state::TaskState;

/// The sessions that the records of a slice belong to.
pub(crate) struct Sessions<'a> {
    spec: &'a WindowSpec,
    state: &'a TaskState,
    touched: Vec<Session>,
    of_key: HashMap<Option<&'a [u8]>, Vec<u32>, RandomState>,
    /// How many panes of each window sessions of this slice have grown from.
    taken: HashMap<Window, usize, RandomState>,
}

/// A session that a record of the slice belongs to.
struct Session {
    window: Window,
    /// The panes that it grows from, earliest first.
    sources: Vec<Window>,
    records: u64,
}

/// Where a record belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    /// To the session of this number, which ends then and has so many records.
    Session { index: u32, end: i64, records: u64 },
    /// To one whose grace is over.
    Late,
    /// To several, one of which has got records of this slice: it must begin the next slice, since
    /// what is merged are the accumulators as they stand before it.
    NextSlice,
}

impl<'a> Sessions<'a> {
    pub(crate) fn new(spec: &'a WindowSpec, state: &'a TaskState) -> Self {
        Self {
            spec,
            state,
            touched: Vec::new(),
            of_key: HashMap::default(),
            taken: HashMap::default(),
        }
    }

    /// Finds the session of a record, judged against the watermark before it. Sessions that it
    /// touches become one, before its lateness is judged.
    pub(crate) fn join(&mut self, key: Option<&'a [u8]>, time: i64, watermark: i64) -> Joined {
        let Some(own) = self.spec.assigner.windows(time).next() else { return Joined::Late };
        let over = |window: &Window| self.spec.is_over(window, watermark);
        let of_key = self.of_key.entry(key).or_default();
        let mut near = of_key.iter().filter(|at| self.touched[**at as usize].window.touches(&own));
        let (known, more) = (near.next().copied(), near.next().is_some());
        let is_taken = |window: &Window| {
            of_key.iter().any(|at| self.touched[*at as usize].sources.contains(window))
        };
        // A session that fired stays until its grace is over, and no longer, whenever it is dropped.
        let kept = self.state.key_windows(key).iter();
        let kept = kept.filter(|w| w.touches(&own) && !over(w) && !is_taken(w));
        let sources: Vec<Window> = kept.copied().collect();
        match known {
            Some(_) if more || !sources.is_empty() => Joined::NextSlice,
            Some(index) => {
                let session = &mut self.touched[index as usize];
                session.window = session.window.span(&own);
                session.records += 1;
                Joined::Session { index, end: session.window.end, records: session.records }
            }
            None => {
                let window = sources.iter().fold(own, |window, source| window.span(source));
                if over(&window) {
                    return Joined::Late;
                }
                for source in &sources {
                    *self.taken.entry(*source).or_default() += 1;
                }
                let index = self.touched.len() as u32;
                of_key.push(index);
                let kept = sources.iter().filter_map(|source| self.state.pane(*source, key));
                let records = kept.map(|pane| pane.records).sum::<u64>() + 1;
                self.touched.push(Session { window, sources, records });
                Joined::Session { index, end: window.end, records }
            }
        }
    }

    /// The earliest end of a session that has something to fire, those of this slice and all others.
    pub(crate) fn first_end(&self) -> i64 {
        let left = |(window, count): &(Window, usize)| {
            self.taken.get(window).is_none_or(|taken| taken < count)
        };
        let kept = self.state.pending_windows().find(left).map(|(window, _)| window.end);
        let touched = self.touched.iter().map(|session| session.window.end).min();
        kept.into_iter().chain(touched).min().unwrap_or(i64::MAX)
    }

    /// The window of a session of this number.
    pub(crate) fn window(&self, index: u32) -> Window {
        self.touched[index as usize].window
    }

    /// The panes that each session grows from.
    pub(crate) fn into_sources(self) -> Vec<Vec<Window>> {
        self.touched.into_iter().map(|session| session.sources).collect()
    }
}
