//! Where to cut a slice, and which windows its records belong to: a pure function of the records
//! and of where time stands.

use pelton_batch::FormatError;
use pelton_core::window::{Window, WindowSpec};
use pelton_state::TaskState;

use crate::progress::{EventClock, task_watermark};
use crate::slice::Slice;
use crate::windows::{EarlyCounts, Joined, Sessions};

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
    /// Where the windows are sessions: the panes that each grows from, in the order of the first
    /// record that `assigned` has of it.
    pub(crate) sources: Vec<Vec<Window>>,
    /// Rows that are too late for every window of theirs.
    pub(crate) late: Vec<u32>,
    /// Rows that have no key where one is needed.
    pub(crate) unkeyed: Vec<u32>,
}

/// What is found of the records of a slice, one after the other.
#[derive(Default)]
struct Looked {
    assigned: Vec<(u32, Window)>,
    /// Rows and the sessions that they belong to, whose windows still grow.
    joined: Vec<(u32, u32)>,
    late: Vec<u32>,
    unkeyed: Vec<u32>,
}

/// Plans a call: judges each record against the watermark before it, and cuts the slice behind the
/// first record that makes something due, and before one that brings sessions of this slice together.
pub(crate) fn plan(mut slice: Slice, now: Now<'_>, view: View<'_>) -> Result<Plan, FormatError> {
    let mut clocks = now.clocks.to_vec();
    let mut watermark = now.watermark;
    let mut watermarks = Vec::new();
    let mut looked = Looked::default();
    let mut due_at = now.due_at;
    let exact = view.track || view.window.is_some() || due_at != i64::MAX;
    let merging = view.window.filter(|spec| spec.assigner.merges());
    let every = view.window.and_then(|spec| spec.early_records);
    let mut early = every.map(|every| EarlyCounts::new(every, view.state));
    let mut sessions = merging.map(|spec| Sessions::new(spec, view.state));
    let mut cut = None;
    slice.for_each(|row, piece, records, at| {
        if cut.is_some() {
            return;
        }
        let timestamp = records.timestamp(at);
        if let Some(spec) = view.window {
            let key = records.key(at);
            if key.is_none() && !view.group_null_keys {
                looked.unkeyed.push(row as u32);
            } else if let Some(sessions) = &mut sessions {
                match sessions.join(key, timestamp, watermark) {
                    Joined::Session { index, end, records } => {
                        due_at = due_at.min(end);
                        looked.joined.push((row as u32, index));
                        if early.as_ref().is_some_and(|early| early.is_full(records)) {
                            cut = Some(row + 1);
                        }
                    }
                    Joined::Late => looked.late.push(row as u32),
                    Joined::NextSlice => {
                        cut = Some(row);
                        return;
                    }
                }
            } else {
                let before = looked.assigned.len();
                due_at = due_at.min(looked.assign(row as u32, timestamp, spec, watermark));
                if let Some(early) = &mut early {
                    for (_, window) in &looked.assigned[before..] {
                        if early.add(*window, key) {
                            cut = Some(row + 1);
                        }
                    }
                }
            }
        }
        clocks[piece.input].observe(timestamp, now.ceiling);
        if exact {
            watermark = task_watermark(&clocks, watermark);
            if view.track {
                watermarks.push(watermark);
            }
            if let Some(sessions) = sessions.as_ref().filter(|_| watermark >= due_at) {
                // What was to be due may have grown since.
                due_at = sessions.first_end().min(now.due_beside_panes);
            }
            if watermark >= due_at {
                cut = Some(row + 1);
            }
        }
    })?;
    let sources = sessions.map_or_else(Vec::new, |sessions| {
        let rows = looked.joined.iter().map(|(row, index)| (*row, sessions.window(*index)));
        looked.assigned.extend(rows);
        sessions.into_sources()
    });
    let before = now.watermark;
    watermark = task_watermark(&clocks, watermark);
    slice.truncate(cut.unwrap_or(usize::MAX));
    let Looked { assigned, late, unkeyed, .. } = looked;
    Ok(Plan { slice, clocks, before, watermark, watermarks, assigned, sources, late, unkeyed })
}

impl Looked {
    /// Puts a record into its windows, or among the late ones. Answers when the first of them ends.
    fn assign(&mut self, row: u32, timestamp: i64, spec: &WindowSpec, watermark: i64) -> i64 {
        let (before, mut first_end) = (self.assigned.len(), i64::MAX);
        for window in spec.assigner.windows(timestamp) {
            if window.end.saturating_add(spec.grace_ms) > watermark {
                first_end = first_end.min(window.end);
                self.assigned.push((row, window));
            }
        }
        if self.assigned.len() == before {
            self.late.push(row);
        }
        first_end
    }
}

impl Plan {
    /// Whether panes have to be made one before its records are added.
    pub(crate) fn merges(&self) -> bool {
        self.sources.iter().any(|sources| sources.len() > 1)
    }
}
