//! A call: what the guest is given, and what its causes stand for.

use bytes::Bytes;
use pelton_batch::{FormatError, HeaderIter, Records};
use pelton_core::window::Window;
use pelton_core::{Offsets, TimeDomain};
use pelton_state::DueTimer;

use crate::migrate::OldValue;
use crate::outputs::Outgoing;
use crate::plan::Plan;
use crate::slice::Slice;

/// A pane that a call is about: the group that operations name as their cause.
#[derive(Debug, Clone)]
pub(crate) struct PaneGroup {
    pub(crate) window: Window,
    pub(crate) key: Option<Bytes>,
    /// The time of what is sent for it, ms: where a window fires.
    pub(crate) time: i64,
    /// Records that this call adds to it.
    pub(crate) records: u64,
    /// The panes that a session grows from, earliest first; the one that a sliding window does.
    pub(crate) sources: Vec<Window>,
    /// Whether those stay as they are.
    pub(crate) slides: bool,
    /// What the guest made of the accumulators of several sources.
    pub(crate) merged: Option<Bytes>,
}

impl PaneGroup {
    /// The pane as it fires; `now` is the highest timestamp so far, which is the time of what a window
    /// without an end sends.
    pub(crate) fn firing(window: Window, key: Option<Bytes>, now: i64) -> Self {
        let time = if window == Window::ALWAYS { now } else { window.end.saturating_sub(1) };
        Self { window, key, time, records: 0, sources: Vec::new(), slides: false, merged: None }
    }
}

/// Why panes fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firing {
    /// Their time has come; once more, where late records came.
    Due,
    /// Before it: since the guest said so, enough records have come, or enough time has passed.
    Early,
    /// A marker closes them, which have no end.
    Closed,
}

/// What a call works on.
#[derive(Debug)]
pub(crate) enum Work {
    /// Records go to the guest.
    Records(Plan),
    /// The accumulators that sessions grow from are merged; what comes of it is what the records are
    /// added to, in the call that follows.
    Merge(Plan, Vec<PaneGroup>),
    /// Records are added to the accumulators of these groups.
    Accumulate(Plan, Vec<PaneGroup>),
    /// Records are kept in the contents of these groups; the guest is not called.
    Collect(Plan, Vec<PaneGroup>, Vec<Vec<u8>>),
    /// These panes fire. Those that fire early behind records come one by one; `rest` are those that
    /// follow in the same commit.
    Fire { panes: Vec<PaneGroup>, why: Firing, rest: Vec<PaneGroup> },
    /// These timers are due.
    Timers(TimeDomain, Vec<DueTimer>),
    /// These values are of another schema version than the function declares.
    Migrate(Vec<OldValue>),
}

/// A call that is ready to be made: one batch, or the pieces of one pane, in order.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) work: Work,
    pub(crate) batches: Vec<Bytes>,
}

impl Work {
    /// Records, groups, timers or values that the call is about: what a fault halves.
    pub(crate) fn units(&self) -> usize {
        match self {
            Self::Records(plan)
            | Self::Merge(plan, _)
            | Self::Accumulate(plan, _)
            | Self::Collect(plan, ..) => plan.slice.rows,
            Self::Fire { panes, .. } => panes.len(),
            Self::Timers(_, timers) => timers.len(),
            Self::Migrate(values) => values.len(),
        }
    }

    /// The plan of the records that the call consumes.
    pub(crate) fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Records(plan)
            | Self::Merge(plan, _)
            | Self::Accumulate(plan, _)
            | Self::Collect(plan, ..) => Some(plan),
            Self::Fire { .. } | Self::Timers(..) | Self::Migrate(_) => None,
        }
    }

    /// The groups that causes name.
    pub(crate) fn groups(&self) -> &[PaneGroup] {
        match self {
            Self::Merge(_, groups) | Self::Accumulate(_, groups) | Self::Collect(_, groups, _) => {
                groups
            }
            Self::Fire { panes, .. } => panes,
            _ => &[],
        }
    }
}

/// A piece of a slice: its first row in the slice, the records of its fetched batch, its first row
/// in those, its input and its offsets.
type RowPiece<'a> = (usize, Records<'a>, usize, usize, &'a Offsets);

/// Rows of a slice, found by their number.
pub(crate) struct RowIndex<'a> {
    pieces: Vec<RowPiece<'a>>,
    rows: usize,
}

impl<'a> RowIndex<'a> {
    pub(crate) fn new(slice: &'a Slice) -> Result<Self, FormatError> {
        let mut pieces = Vec::with_capacity(slice.pieces.len());
        let mut row = 0;
        for piece in &slice.pieces {
            let offsets = &piece.fetch.offsets;
            pieces.push((row, piece.records()?, piece.rows.start, piece.input, offsets));
            row += piece.rows.len();
        }
        Ok(Self { pieces, rows: row })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    fn piece(&self, row: usize) -> Option<&RowPiece<'a>> {
        if row >= self.rows {
            return None;
        }
        match &self.pieces[..] {
            [only] => Some(only),
            many => many.get(many.partition_point(|piece| piece.0 <= row).checked_sub(1)?),
        }
    }

    /// The records that hold `row`, and its row in them.
    pub(crate) fn get(&self, row: usize) -> Option<(&Records<'a>, usize)> {
        let (start, records, first, ..) = self.piece(row)?;
        Some((records, first + row - start))
    }

    /// The input of `row` and its offset there.
    pub(crate) fn place(&self, row: usize) -> Option<(usize, u64)> {
        let (start, _, first, input, offsets) = self.piece(row)?;
        Some((*input, offsets.get(first + row - start)))
    }

    /// Rows from `row` on that are stored one behind the other, `row` included.
    pub(crate) fn run_end(&self, row: usize) -> usize {
        let at = self.pieces.partition_point(|piece| piece.0 <= row);
        self.pieces.get(at).map_or(self.rows, |next| next.0)
    }

    /// `row` as a unit that can be given up.
    pub(crate) fn unit(&self, row: usize) -> Option<Unit<'a>> {
        let (start, records, first, input, offsets) = self.piece(row)?;
        let at = first + row - start;
        Some(Unit::Row { records: *records, row: at, input: *input, offset: offsets.get(at) })
    }
}

/// One record, pane or timer that is given up.
#[expect(clippy::large_enum_variant, reason = "lives on the stack, one at a time")]
pub(crate) enum Unit<'a> {
    Row { records: Records<'a>, row: usize, input: usize, offset: u64 },
    Group { window: Window, time: i64, key: Option<&'a [u8]>, value: Option<&'a [u8]> },
    Timer(&'a DueTimer),
}

impl Unit<'_> {
    pub(crate) fn kind_name(&self) -> &'static str {
        match self {
            Self::Row { .. } => "record",
            Self::Group { .. } => "window",
            Self::Timer(_) => "timer",
        }
    }

    pub(crate) fn outgoing(&self) -> Outgoing<'_> {
        let (key, value, timestamp) = match self {
            Self::Row { records, row, .. } => {
                (records.key(*row), records.value(*row), records.timestamp(*row))
            }
            Self::Group { time, key, value, .. } => (*key, *value, *time),
            Self::Timer(timer) => (timer.key.as_deref(), timer.value.as_deref(), timer.due),
        };
        Outgoing { key, value, timestamp, partition: None }
    }

    pub(crate) fn headers(&self) -> std::iter::Flatten<std::option::IntoIter<HeaderIter<'_>>> {
        let headers = match self {
            Self::Row { records, row, .. } => Some(records.headers(*row)),
            _ => None,
        };
        headers.into_iter().flatten()
    }
}
