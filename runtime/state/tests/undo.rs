//! Taking a call back.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_core::TimeDomain;
use pelton_state::TaskState;

fn filled() -> TaskState {
    let mut state = TaskState::new(layout());
    state.begin();
    for target in [KV, ORDERED] {
        for key in [&b"a"[..], b"ab", b"b", b""] {
            state.apply(&put(target, key, b"before"), Some(40)).unwrap();
        }
    }
    state.apply(&set_timer(0, Some(b"a"), 10), None).unwrap();
    state.put_pane(window(0, 10), Some(b"a"), b"pane", 2).unwrap();
    state.put_pane(window(0, 10), Some(b"b"), b"pane", 2).unwrap();
    state.accept();
    state
}

/// Every kind of change, several of them to the same keys.
fn change_everything(state: &mut TaskState) {
    for target in [KV, ORDERED] {
        for op in [
            append(target, b"a", b"+"),
            put(target, b"a", b"second"),
            append(target, b"a", b"++"),
            delete(target, b"a"),
            append(target, b"a", b"reborn"),
            put(target, b"new", b"1"),
            delete(target, b"new"),
            delete_prefix(target, b"a"),
            put(target, b"ab", b"longer than before"),
            delete(target, b"missing"),
        ] {
            state.apply(&op, Some(7)).unwrap();
        }
    }
    state.expire(50);
    state.apply(&set_timer(0, Some(b"a"), 5), None).unwrap();
    state.apply(&set_timer(2, None, 6), None).unwrap();
    for timer in state.due_timers(TimeDomain::Event, 7, 9) {
        state.remove_timer(TimeDomain::Event, &timer);
    }
    state.append_pane(window(0, 10), Some(b"a"), b"+", 1).unwrap();
    state.mark_fired(window(0, 10), Some(b"a"), true);
    state.put_pane(window(0, 10), Some(b"a"), b"p", 1).unwrap();
    state.put_pane(window(-5, 5), None, b"early", 1).unwrap();
    state.remove_pane(window(0, 10), Some(b"b"));
    state.drop_window(window(0, 10));
}

fn assert_rollback_is_exact(state: &mut TaskState) {
    let seen = |state: &mut TaskState| {
        let timers = state.due_timers(TimeDomain::Event, i64::MAX, 99);
        let panes = (state.due_panes(i64::MAX, 99), state.first_window(), state.next_pane_end());
        let rest = (state.size(), state.next_expiry(), scan_all(state, ORDERED));
        (state.digest(), timers, panes, rest)
    };
    let before = seen(state);
    for _ in 0..3 {
        state.begin();
        change_everything(state);
        assert_ne!(state.digest(), before.0);
        state.rollback();
        assert_eq!(seen(state), before);
        assert_eq!(state.take_changes(), [0; 0]);
    }
}

#[test]
fn rollback_restores_exactly() {
    let mut state = filled();
    let _ = state.take_changes();
    assert_rollback_is_exact(&mut state);
}

#[test]
fn rollback_restores_exactly_while_frozen_and_while_folding() {
    let mut state = filled();
    let _ = state.take_changes();
    let frozen = state.freeze();
    let bytes = written(&frozen);
    assert_rollback_is_exact(&mut state);
    state.begin();
    change_everything(&mut state);
    state.accept();
    let _ = state.take_changes();
    assert_rollback_is_exact(&mut state);
    assert_eq!(written(&frozen).len(), bytes.len());
    drop(frozen);
    while !state.fold(1) {
        assert_rollback_is_exact(&mut state);
    }
    assert_rollback_is_exact(&mut state);
    assert_eq!(restored(layout(), &bytes).unwrap().digest(), filled().digest());
}

#[test]
fn only_the_call_under_way_is_taken_back() {
    let mut state = filled();
    let before = state.digest();
    commit(&mut state, &[put(KV, b"a", b"accepted")]);
    let accepted = state.digest();
    state.begin();
    state.apply(&put(KV, b"a", b"taken back"), None).unwrap();
    state.rollback();
    assert_eq!(state.digest(), accepted);
    assert_ne!(accepted, before);
    let mut copy = TaskState::new(layout());
    copy.replay(&state.take_changes()).unwrap();
    assert_eq!(copy.digest(), accepted);
}

#[test]
fn a_rollback_without_a_call_does_nothing() {
    let mut state = filled();
    let before = state.digest();
    state.rollback();
    assert_eq!(state.digest(), before);
    assert!(!state.take_changes().is_empty());
}

#[test]
fn the_same_key_in_another_store_is_saved_by_itself() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"k", b"1")]);
    commit(&mut state, &[put(ORDERED, b"k", b"1")]);
    for (first, second) in [(KV, ORDERED), (ORDERED, KV)] {
        state.begin();
        state.apply(&put(first, b"k", b"2"), None).unwrap();
        state.apply(&put(second, b"k", b"2"), None).unwrap();
        state.rollback();
        for target in [KV, ORDERED] {
            assert_eq!(value(&state, target, b"k").as_deref(), Some(&b"1"[..]));
        }
    }
}
