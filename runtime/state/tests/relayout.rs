//! Going over to code that declares other stores and timers.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_core::{StoreKind, TimeDomain};
use pelton_state::{StateError, StateLayout, TaskState};

/// The stores and timers of [`layout`] with other indexes, one of each missing and one new.
fn other() -> StateLayout {
    StateLayout {
        stores: vec![store("fresh", StoreKind::Kv), store("counts", StoreKind::Kv)],
        timers: vec![timer("close", TimeDomain::Event), timer("poll", TimeDomain::Processing)],
        ..layout()
    }
}

fn filled() -> TaskState {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&put(KV, b"k", b"count"), Some(30)).unwrap();
    state.apply(&put(ORDERED, b"k", b"index"), Some(20)).unwrap();
    for target in 0..3 {
        state.apply(&set_timer(target, Some(b"k"), i64::from(target)), None).unwrap();
    }
    state.put_pane(window(0, 10), None, b"pane", 1).unwrap();
    state.accept();
    let _ = state.take_changes();
    state
}

#[test]
fn stores_and_timers_are_found_by_name() {
    let mut state = filled();
    let bytes = written(&state.freeze());
    state.relayout(other());
    for state in [state, restored(other(), &bytes).unwrap()] {
        assert_eq!(value(&state, 1, b"k").as_deref(), Some(&b"count"[..]));
        assert_eq!(value(&state, 0, b"k"), None);
        let due = state.due_timers(TimeDomain::Event, 100, 9);
        assert_eq!(due.iter().map(|timer| (timer.target, timer.due)).collect::<Vec<_>>(), [(0, 2)]);
        assert_eq!(state.next_timer(TimeDomain::Processing), Some(1));
        assert_eq!(state.digest(), filled().digest());
        assert!(state.pane(window(0, 10), None).is_some());
    }
}

#[test]
fn what_the_new_layout_lacks_is_kept_and_found_after_a_rollback_of_the_code() {
    let mut state = restored(other(), &written(&filled().freeze())).unwrap();
    assert!(matches!(state.scan(2, b"", None, 9, false), Err(StateError::UnknownStore { .. })));
    assert_eq!(state.next_expiry(), Some(30), "what is kept aside does not expire");
    assert_eq!(state.timer_count(), 3);
    commit(&mut state, &[put(1, b"k", b"newer")]);
    let _ = state.take_changes();
    let mut back = restored(layout(), &written(&state.freeze())).unwrap();
    assert_eq!(value(&back, KV, b"k").as_deref(), Some(&b"newer"[..]));
    assert_eq!(scan_all(&back, ORDERED), [(b"k".to_vec(), b"index".to_vec())]);
    assert_eq!(back.due_timers(TimeDomain::Event, 100, 9).len(), 2);
    back.begin();
    back.expire(20);
    back.accept();
    assert!(scan_all(&back, ORDERED).is_empty());
}

#[test]
fn changes_after_a_snapshot_replay_under_the_layout_that_wrote_them() {
    let mut state = filled();
    let bytes = written(&state.freeze());
    commit(&mut state, &[put(ORDERED, b"tail", b"1"), set_timer(2, None, 50)]);
    let first = state.take_changes();
    state.relayout(other());
    commit(&mut state, &[put(1, b"tail", b"2"), set_timer(0, None, 60)]);
    let second = state.take_changes();

    let mut copy = TaskState::restore_as_written(Default::default(), &mut &*bytes).unwrap();
    copy.replay(&first).unwrap();
    copy.relayout(other());
    copy.replay(&second).unwrap();
    assert_eq!(copy.digest(), state.digest());
    copy.relayout(layout());
    assert_eq!(value(&copy, KV, b"tail").as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_store_that_changes_its_kind_keeps_its_entries() {
    let mut state = TaskState::new(layout());
    for i in 0..1_000u16 {
        commit(&mut state, &[put(KV, &i.to_be_bytes(), b"v")]);
    }
    let _ = state.take_changes();
    let digest = state.digest();
    let frozen = state.freeze();
    let mut ordered = layout();
    ordered.stores[0].kind = StoreKind::Ordered;
    state.relayout(ordered);
    assert_eq!(scan_all(&state, KV).len(), 1_000);
    assert_eq!(state.digest(), digest);
    assert_eq!(restored(layout(), &written(&frozen)).unwrap().digest(), digest);
    state.relayout(layout());
    assert_eq!(state.digest(), digest);
}

#[test]
fn an_undeclared_store_without_entries_is_forgotten() {
    let mut state = TaskState::new(layout());
    state.relayout(StateLayout::default());
    assert!(state.size().stores.is_empty());
}
