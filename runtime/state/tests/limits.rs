//! Every limit of the state, at the limit and one past it.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_batch::{OpKind, Operation};
use pelton_core::{Coded, FaultKind};
use pelton_state::{ENTRY_BYTES, StateError, TaskState};

fn limited(name: &str, value: u64) -> TaskState {
    let mut layout = layout();
    layout.limits.set(name, value).unwrap();
    TaskState::new(layout)
}

/// Refused by this limit, with nothing changed.
fn assert_refused(
    state: &mut TaskState,
    limit: &str,
    change: impl FnOnce(&mut TaskState) -> Result<(), StateError>,
) {
    let (digest, size, bytes) = (state.digest(), state.size(), state.changes_bytes());
    let error = change(state).unwrap_err();
    assert!(matches!(&error, StateError::Limit { name, .. } if *name == limit), "{error}");
    assert!(error.to_string().contains(limit), "{error}");
    assert_eq!((error.code(), error.fault_kind()), ("E-GUEST-STATE-SIZE", FaultKind::StateSize));
    assert_eq!((state.digest(), state.size(), state.changes_bytes()), (digest, size, bytes));
}

#[test]
fn state_key_bytes_at_the_limit_and_one_past() {
    let mut state = limited("state_key_bytes", 8);
    state.begin();
    for kind in [OpKind::Put, OpKind::Append, OpKind::Delete, OpKind::DeletePrefix] {
        state.apply(&op(kind, ORDERED, Some(&[1; 8]), Some(b"v")), None).unwrap();
        assert_refused(&mut state, "state_key_bytes", |state| {
            state.apply(&op(kind, ORDERED, Some(&[1; 9]), Some(b"v")), None)
        });
    }
    state.apply(&set_timer(0, Some(&[1; 8]), 5), None).unwrap();
    assert_refused(&mut state, "state_key_bytes", |state| {
        state.apply(&set_timer(0, Some(&[1; 9]), 5), None)
    });
}

#[test]
fn state_value_bytes_at_the_limit_and_one_past() {
    let mut state = limited("state_value_bytes", 8);
    state.begin();
    state.apply(&put(KV, b"k", &[1; 8]), None).unwrap();
    assert_refused(&mut state, "state_value_bytes", |state| {
        state.apply(&put(KV, b"k", &[1; 9]), None)
    });
    assert_refused(&mut state, "state_value_bytes", |state| {
        state.apply(&append(KV, b"k", &[1]), None)
    });
    state.apply(&append(KV, b"k", b""), None).unwrap();
    let timer = |value| Operation { value: Some(value), ..set_timer(1, None, 5) };
    state.apply(&timer(&[1; 8]), None).unwrap();
    assert_refused(&mut state, "state_value_bytes", |state| state.apply(&timer(&[1; 9]), None));
}

#[test]
fn state_bytes_counts_stores_timers_and_panes_together() {
    let limit = 4 * ENTRY_BYTES + 100;
    let mut state = limited("state_bytes", limit);
    state.begin();
    state.apply(&put(KV, &[1; 10], &[1; 10]), None).unwrap();
    state.apply(&put(ORDERED, &[1; 10], &[1; 10]), None).unwrap();
    state.apply(&set_timer(0, Some(&[1; 7]), 5), None).unwrap();
    state.put_pane(window(0, 10), Some(&[1; 13]), &[1; 20], 1).unwrap();
    assert_eq!(state.size().bytes(), limit);
    assert_refused(&mut state, "state_bytes", |state| {
        state.apply(&put(KV, &[1; 10], &[1; 11]), None)
    });
    assert_refused(&mut state, "state_bytes", |state| {
        state.apply(&append(KV, &[1; 10], &[1]), None)
    });
    assert_refused(&mut state, "state_bytes", |state| state.apply(&put(KV, b"", b""), None));
    assert_refused(&mut state, "state_bytes", |state| state.apply(&set_timer(0, None, 5), None));
    assert_refused(&mut state, "state_bytes", |state| {
        state.append_pane(window(0, 10), Some(&[1; 13]), &[1], 1)
    });
    state.apply(&put(KV, &[1; 10], &[1; 9]), None).unwrap();
    state.apply(&append(ORDERED, &[1; 10], &[1]), None).unwrap();
    state.accept();
    assert_eq!(state.size().bytes(), limit);
}

#[test]
fn state_past_a_limit_that_was_lowered_can_still_shrink() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"k", &[1; 100])]);
    let _ = state.take_changes();
    let mut lowered = layout();
    lowered.limits.set("state_bytes", 10).unwrap();
    state.relayout(lowered);
    commit(&mut state, &[put(KV, b"k", &[1; 99]), delete(KV, b"k")]);
    assert_eq!(state.size().bytes(), 0);
}

#[test]
fn timers_at_the_limit_and_one_past() {
    let mut state = limited("timers", 2);
    state.begin();
    state.apply(&set_timer(0, None, 5), None).unwrap();
    state.apply(&set_timer(1, None, 5), None).unwrap();
    assert_refused(&mut state, "timers", |state| state.apply(&set_timer(2, None, 5), None));
    state.apply(&set_timer(1, None, 6), None).unwrap();
    state.apply(&op(OpKind::CancelTimer, 0, None, None), None).unwrap();
    state.apply(&set_timer(2, None, 5), None).unwrap();
}

#[test]
fn panes_and_pane_bytes_at_the_limit_and_one_past() {
    let mut state = limited("panes", 2);
    state.begin();
    state.put_pane(window(0, 1), None, b"", 1).unwrap();
    state.put_pane(window(1, 2), None, b"", 1).unwrap();
    assert_refused(&mut state, "panes", |state| state.put_pane(window(2, 3), None, b"", 1));
    assert_refused(&mut state, "panes", |state| state.append_pane(window(2, 3), None, b"", 1));
    state.put_pane(window(1, 2), None, b"again", 1).unwrap();
    state.drop_window(window(0, 1));
    state.put_pane(window(2, 3), None, b"", 1).unwrap();

    let mut state = limited("pane_bytes", 4);
    state.begin();
    state.put_pane(window(0, 1), None, &[1; 4], 1).unwrap();
    assert_refused(&mut state, "pane_bytes", |state| {
        state.put_pane(window(0, 1), None, &[1; 5], 1)
    });
    assert_refused(&mut state, "pane_bytes", |state| {
        state.append_pane(window(0, 1), None, &[1], 1)
    });
}

#[test]
fn a_call_that_passes_a_limit_is_taken_back_whole() {
    let mut state = limited("state_value_bytes", 8);
    commit(&mut state, &[put(KV, b"k", b"old")]);
    let changes = state.take_changes();
    let digest = state.digest();
    state.begin();
    state.apply(&put(KV, b"k", b"new"), None).unwrap();
    state.apply(&put(KV, b"k", &[1; 9]), None).unwrap_err();
    state.rollback();
    assert_eq!((state.digest(), state.take_changes().len()), (digest, 0));
    let mut copy = TaskState::new(layout());
    copy.replay(&changes).unwrap();
    assert_eq!(copy.digest(), digest);
}

#[test]
fn what_was_committed_is_replayed_even_past_a_limit() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"k", &[1; 100]), set_timer(0, None, 5), set_timer(1, None, 5)]);
    let mut lowered = layout();
    lowered.limits.set("state_value_bytes", 1).unwrap();
    lowered.limits.set("timers", 1).unwrap();
    let mut copy = TaskState::new(lowered);
    copy.replay(&state.take_changes()).unwrap();
    assert_eq!(copy.digest(), state.digest());
}
