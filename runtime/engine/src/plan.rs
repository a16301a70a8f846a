//! Where to cut a slice, and which windows its records belong to: a pure function of the records
//! and of where time stands.

use pelton_batch::{FormatError, Records};
use pelton_core::Triggers;
use pelton_core::window::{Assigner, Window, WindowSpec};
use pelton_state::TaskState;

use crate::progress::{EventClock, task_watermark};
use crate::slice::Slice;
use crate::windows::{Assigned, Assigning, Copied, Rows};

/// Where time stands before a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<'a> {
    /// Of each input.
    pub(crate) clocks: &'a [EventClock],
    /// The task's watermark.
    pub(crate) watermark: i64,
    /// The lowest watermark at which something becomes due; `i64::MAX` for none.
    pub(crate) due_at: i64,
    /// The lowest watermark at which something becomes due that is no pane; `i64::MAX` for none.
    pub(crate) due_beside_panes: i64,
    /// Timestamps above this move no watermark.
    pub(crate) ceiling: i64,
    /// Triggers that are no watermark.
    pub(crate) triggers: Triggers,
}

/// How records are to be looked at.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The windows, where the host keeps any.
    pub(crate) window: Option<&'a WindowSpec>,
    /// Whether records without a key form a group.
    pub(crate) group_null_keys: bool,
    /// Whether the watermark behind each record is wanted.
    pub(crate) track: bool,
    /// Where the panes are that sessions grow from.
    pub(crate) state: &'a TaskState,
}

/// A slice that is cut where something becomes due, and what was found on the way.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) slice: Slice,
    /// Clocks behind the slice.
    pub(crate) clocks: Vec<EventClock>,
    /// The task's watermark before the slice.
    pub(crate) before: i64,
    /// The task's watermark behind the slice.
    pub(crate) watermark: i64,
    /// The task's watermark behind each record; empty unless tracked.
    pub(crate) watermarks: Vec<i64>,
    /// Rows and the windows that they belong to, in order.
    pub(crate) assigned: Vec<(u32, Window)>,
    /// Where the windows are sessions or slide: the panes that each grows from, in the order of the
    /// first record that `assigned` has of it.
    pub(crate) sources: Vec<Vec<Window>>,
    /// Whether those stay as they are.
    pub(crate) slides: bool,
    /// Panes that are made from others without a record of the slice.
    pub(crate) copied: Vec<Copied>,
    /// Rows that are too late for every window of theirs.
    pub(crate) late: Vec<u32>,
    /// Rows that have no key where one is needed.
    pub(crate) unkeyed: Vec<u32>,
    /// Whether its rows do not say when they happened: then that is so of all.
    pub(crate) untimed: bool,
    /// Triggers behind the slice.
    pub(crate) triggers: Triggers,
}

/// Plans a call: judges each record against the watermark before it, and cuts the slice behind the
/// first record that makes something due, and before one that brings sessions of this slice together.
/// Records that do not say when they happened are in slices of their own.
pub(crate) fn plan(mut slice: Slice, now: Now<'_>, view: View<'_>) -> Result<Plan, FormatError> {
    let mut clocks = now.clocks.to_vec();
    let (mut watermark, mut due_at) = (now.watermark, now.due_at);
    let mut watermarks = Vec::new();
    let exact = view.track || view.window.is_some() || due_at != i64::MAX;
    let mut windows = view.window.map(|spec| Assigning::new(spec, view));
    let (mut cut, mut untimed, mut triggers) = (None, false, now.triggers);
    let marker = view.window.and_then(|spec| spec.marker.as_deref());
    slice.for_each(|row, piece, records, at| {
        if cut.is_some() {
            return;
        }
        let is_untimed = piece.fetch.untimed(at).is_some();
        if row > 0 && is_untimed != untimed {
            cut = Some(row);
            return;
        }
        untimed = is_untimed;
        if untimed {
            return;
        }
        if at == piece.rows.start {
            clocks[piece.input].meet(&piece.fetch.siblings);
        }
        let timestamp = records.timestamp(at);
        let is_marker = marker.is_some_and(|name| has_header(records, at, name));
        if is_marker {
            triggers.closing = view.window.is_some_and(|spec| spec.assigner == Assigner::Global);
            cut = Some(row + 1);
        } else if let Some(windows) = &mut windows {
            match windows.assign(row as u32, records.key(at), timestamp, watermark) {
                Assigned::Due(end) => due_at = due_at.min(end),
                Assigned::Full => cut = Some(row + 1),
                Assigned::NextSlice => {
                    cut = Some(row);
                    return;
                }
            }
        }
        clocks[piece.input].observe(timestamp, now.ceiling);
        if is_marker {
            clocks[piece.input].assert_complete(timestamp, now.ceiling);
        }
        if let Some(producer) = piece.fetch.carried(at) {
            clocks[piece.input].heard(producer);
        }
        if exact {
            watermark = task_watermark(&clocks, watermark);
            if view.track {
                watermarks.push(watermark);
            }
            if watermark >= due_at {
                // What was to be due may have grown since.
                let grown = windows.as_ref().and_then(Assigning::first_end);
                due_at = grown.map_or(due_at, |end| end.min(now.due_beside_panes));
            }
            let early = view.window.is_some_and(|spec| passes(spec, watermark, &mut triggers));
            if watermark >= due_at || early {
                cut = Some(row + 1);
            }
        }
    })?;
    let rows = windows.map(Assigning::into_rows).unwrap_or_default();
    let before = now.watermark;
    watermark = task_watermark(&clocks, watermark);
    slice.truncate(cut.unwrap_or(usize::MAX));
    let Rows { assigned, sources, copied, late, unkeyed } = rows;
    let slides = view.window.is_some_and(|spec| spec.assigner.slides());
    Ok(Plan {
        slice,
        clocks,
        before,
        watermark,
        watermarks,
        assigned,
        sources,
        slides,
        copied,
        late,
        unkeyed,
        untimed,
        triggers,
    })
}

fn has_header(records: &Records<'_>, row: usize, name: &str) -> bool {
    records.headers(row).any(|header| header.name == name)
}

/// Whether the watermark has passed a time for which windows are to fire early. Where none has been
/// passed yet, it is the first one that counts from here on.
fn passes(spec: &WindowSpec, watermark: i64, triggers: &mut Triggers) -> bool {
    let Some(passed) = spec.early_time(watermark) else { return false };
    passed > *triggers.every_ms.get_or_insert(passed)
}

impl Plan {
    /// Whether panes have to be made one before its records are added.
    pub(crate) fn merges(&self) -> bool {
        self.sources.iter().any(|sources| sources.len() > 1)
    }
}
