//! Firing: panes whose time has come, as calls.

use bytes::Bytes;
use pelton_batch::{Group, GroupsBuilder, Kind, Pane, RecordsBuilder};
use pelton_core::window::{Shape, Window, WindowSpec};
use pelton_state::{PaneRef, StateError, TaskState};

use super::contents;
use crate::call::{Call, Firing, PaneGroup, Work};

/// What a record of a batch takes beside its key, value and headers: its timestamp and two ends.
const ROW_BYTES: usize = 16;

/// How large a call may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) groups: usize,
    pub(crate) bytes: usize,
}

/// The call that fires `panes`, or as many of the first of them as there is room for. A pane that is
/// too large for one batch comes alone, in pieces.
pub(crate) fn fire_call(
    panes: Vec<PaneGroup>,
    state: &TaskState,
    spec: &WindowSpec,
    room: Room,
    why: Firing,
) -> Call {
    match spec.shape {
        Shape::Incremental => finish_call(panes, state, room, why),
        Shape::Contents => contents_call(panes, state, room, why),
    }
}

/// The call that fires the first of `panes` early; the others follow in the same commit. What fires
/// early cannot be made again with fewer panes, so it comes alone.
pub(crate) fn early_call(
    mut panes: Vec<PaneGroup>,
    state: &TaskState,
    spec: &WindowSpec,
    room: Room,
) -> Call {
    let after = panes.split_off(1.min(panes.len()));
    let room = Room { groups: 1, ..room };
    let mut call = fire_call(panes, state, spec, room, Firing::Early);
    if let Work::Fire { rest, .. } = &mut call.work {
        *rest = after;
    }
    call
}

fn pane_of(pane: Option<&PaneRef<'_>>, why: Firing, piece: u32) -> Pane {
    let flag = match why {
        Firing::Early => Pane::EARLY,
        Firing::Due if pane.is_some_and(|pane| pane.on_time) => Pane::LATE,
        Firing::Due | Firing::Closed => 0,
    };
    Pane::new(pane.map_or(0, |pane| pane.fired), flag | piece)
}

fn finish_call(mut panes: Vec<PaneGroup>, state: &TaskState, room: Room, why: Firing) -> Call {
    let mut builder = GroupsBuilder::in_order();
    let mut bytes = 0;
    let mut count = 0;
    for group in panes.iter().take(room.groups) {
        let pane = state.pane(group.window, group.key.as_deref());
        let value = pane.and_then(|pane| pane.accumulator());
        bytes += value.map_or(0, <[u8]>::len) + key_bytes(group);
        if count > 0 && bytes > room.bytes {
            break;
        }
        builder.group(&Group {
            index: 0,
            key: group.key.as_deref(),
            start: group.window.start,
            end: group.window.end,
            pane: pane_of(pane.as_ref(), why, Pane::FIRST | Pane::LAST),
            accumulator: value,
        });
        count += 1;
    }
    panes.truncate(count);
    Call {
        work: Work::Fire { panes, why, rest: Vec::new() },
        batches: vec![Bytes::from(builder.finish(Kind::Finish))],
    }
}

fn contents_call(mut panes: Vec<PaneGroup>, state: &TaskState, room: Room, why: Firing) -> Call {
    let mut builder = GroupsBuilder::in_order();
    let (mut count, mut bytes) = (0, 0);
    for group in panes.iter().take(room.groups) {
        let Some(pane) = state.pane(group.window, group.key.as_deref()) else { continue };
        // As they are kept, records are as large as in a batch, but for their key.
        bytes += pane.value.len() + pane.records as usize * key_bytes(group);
        if bytes > room.bytes {
            break;
        }
        let mut reader = contents::Reader::new(pane.value);
        while reader.next_into(group.key.as_deref(), builder.records()).is_some() {}
        close(&mut builder, group, pane_of(Some(&pane), why, Pane::FIRST | Pane::LAST));
        count += 1;
    }
    if count == 0 {
        panes.truncate(1);
        let batches = pieces(&panes, state, room, why);
        return Call { work: Work::Fire { panes, why, rest: Vec::new() }, batches };
    }
    panes.truncate(count);
    Call {
        work: Work::Fire { panes, why, rest: Vec::new() },
        batches: vec![Bytes::from(builder.finish(Kind::Window))],
    }
}

fn key_bytes(group: &PaneGroup) -> usize {
    group.key.as_deref().map_or(0, <[u8]>::len)
}

fn batch_bytes(rows: &RecordsBuilder) -> usize {
    rows.bytes_len() + rows.len() * ROW_BYTES
}

fn close(builder: &mut GroupsBuilder, group: &PaneGroup, pane: Pane) {
    builder.group(&Group {
        index: 0,
        key: group.key.as_deref(),
        start: group.window.start,
        end: group.window.end,
        pane,
        accumulator: None,
    });
}

/// One large pane as several batches, the first and the last of them flagged.
fn pieces(panes: &[PaneGroup], state: &TaskState, room: Room, why: Firing) -> Vec<Bytes> {
    let mut batches = Vec::new();
    for group in panes {
        let Some(pane) = state.pane(group.window, group.key.as_deref()) else { continue };
        let mut reader = contents::Reader::new(pane.value);
        let mut first = Pane::FIRST;
        loop {
            let mut builder = GroupsBuilder::in_order();
            let rows = builder.records();
            while batch_bytes(rows) < room.bytes
                && reader.next_into(group.key.as_deref(), rows).is_some()
            {}
            let last = if reader.is_empty() { Pane::LAST } else { 0 };
            close(&mut builder, group, pane_of(Some(&pane), why, first | last));
            batches.push(Bytes::from(builder.finish(Kind::Window)));
            first = 0;
            if last != 0 {
                break;
            }
        }
    }
    batches
}

/// Takes note that `panes` have fired: they are dropped where no record can come to them any more.
///
/// # Errors
/// The limits of panes, which an unchanged pane cannot exceed.
pub(crate) fn fired(
    panes: &[PaneGroup],
    state: &mut TaskState,
    spec: &WindowSpec,
    watermark: i64,
    why: Firing,
) -> Result<(), StateError> {
    for PaneGroup { window, key, .. } in panes {
        let key = key.as_deref();
        let begins_anew = spec.discard && *window == Window::ALWAYS;
        let is_over = !spec.assigner.slides() && spec.is_over(window, watermark);
        if why == Firing::Closed || begins_anew || is_over {
            state.remove_pane(*window, key);
            continue;
        }
        state.mark_fired(*window, key, why == Firing::Due);
        if spec.discard {
            state.empty_pane(*window, key)?;
        } else if why == Firing::Early && state.pane(*window, key).is_some() {
            // It fires again when its time has come.
            state.append_pane(*window, key, &[], 0)?;
        }
    }
    Ok(())
}

/// Drops windows whose grace is over and that have nothing left to fire. Answers up to which end it
/// has looked at those that slide, where it had done so up to `closed_to` before.
pub(crate) fn close_passed(
    state: &mut TaskState,
    spec: &WindowSpec,
    watermark: i64,
    closed_to: i64,
) -> i64 {
    if state.next_pane_end().is_some_and(|end| end <= watermark) {
        return closed_to;
    }
    if spec.assigner.slides() {
        let upto = watermark.saturating_sub(spec.grace_ms);
        state.close_sliding(closed_to, upto);
        return upto;
    }
    while let Some(window) = state.first_window() {
        if !spec.is_over(&window, watermark) {
            break;
        }
        state.drop_window(window);
    }
    closed_to
}
