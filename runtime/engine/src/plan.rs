//! Where to cut a slice, and which windows its records belong to: a pure function of the records
//! and of where time stands.

use pelton_batch::FormatError;
use pelton_core::window::{Window, WindowSpec};

use crate::progress::{EventClock, task_watermark};
use crate::slice::Slice;

/// Where time stands before a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<'a> {
    /// Of each input.
    pub(crate) clocks: &'a [EventClock],
    /// The task's watermark.
    pub(crate) watermark: i64,
    /// The lowest watermark at which something becomes due; `i64::MAX` for none.
    pub(crate) due_at: i64,
    /// Timestamps above this move no watermark.
    pub(crate) ceiling: i64,
}

/// How records are to be looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The windows, where the host keeps any.
    pub(crate) window: Option<&'a WindowSpec>,
    /// Whether records without a key form a group.
    pub(crate) group_null_keys: bool,
    /// Whether the watermark behind each record is wanted.
    pub(crate) track: bool,
}

/// A slice that is cut where something becomes due, and what was found on the way.
#[derive(Debug)]
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
    /// Rows that are too late for every window of theirs.
    pub(crate) late: Vec<u32>,
    /// Rows that have no key where one is needed.
    pub(crate) unkeyed: Vec<u32>,
}

/// Plans a call: judges each record against the watermark before it, and cuts the slice behind the
/// first record that makes something due.
pub(crate) fn plan(mut slice: Slice, now: Now<'_>, view: View<'_>) -> Result<Plan, FormatError> {
    let mut clocks = now.clocks.to_vec();
    let mut watermark = now.watermark;
    let mut watermarks = Vec::new();
    let (mut assigned, mut late, mut unkeyed) = (Vec::new(), Vec::new(), Vec::new());
    let mut due_at = now.due_at;
    let exact = view.track || view.window.is_some() || due_at != i64::MAX;
    let mut cut = None;
    slice.for_each(|row, piece, records, at| {
        if cut.is_some() {
            return;
        }
        let timestamp = records.timestamp(at);
        if let Some(spec) = view.window {
            if records.key(at).is_none() && !view.group_null_keys {
                unkeyed.push(row as u32);
            } else {
                let before = assigned.len();
                for window in spec.assigner.windows(timestamp) {
                    if window.end.saturating_add(spec.grace_ms) > watermark {
                        due_at = due_at.min(window.end);
                        assigned.push((row as u32, window));
                    }
                }
                if assigned.len() == before {
                    late.push(row as u32);
                }
            }
        }
        clocks[piece.input].observe(timestamp, now.ceiling);
        if exact {
            watermark = task_watermark(&clocks, watermark);
            if view.track {
                watermarks.push(watermark);
            }
            if watermark >= due_at {
                cut = Some(row + 1);
            }
        }
    })?;
    let before = now.watermark;
    watermark = task_watermark(&clocks, watermark);
    slice.truncate(cut.unwrap_or(usize::MAX));
    Ok(Plan { slice, clocks, before, watermark, watermarks, assigned, late, unkeyed })
}
