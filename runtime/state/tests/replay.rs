//! Batches of changes: what they hold, and which are refused.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_batch::{Batch, Kind, OpKind, Operation, OperationsBuilder};
use pelton_core::TimeDomain;
use pelton_state::{PANES, StateError, TaskState};

#[test]
fn changes_are_operations_with_indexes_and_absolute_times() {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&Operation { schema: 4, ..put(ORDERED, b"k", b"v") }, Some(77)).unwrap();
    state.apply(&set_timer(1, None, 5), None).unwrap();
    state.put_pane(window(0, 10), Some(b"k"), b"acc", 2).unwrap();
    state.drop_window(window(0, 10));
    state.accept();
    let changes = state.take_changes();
    let batch = Batch::parse(&changes).unwrap();
    batch.validate().unwrap();
    assert_eq!(batch.kind(), Kind::Operations);
    let ops: Vec<_> = batch.operations().unwrap().iter().collect();
    let brief = |op: &Operation<'_>| (op.kind, op.target, op.timestamp, op.schema);
    assert_eq!(brief(&ops[0]), (OpKind::Put, ORDERED, Some(77), 4));
    assert_eq!(brief(&ops[1]), (OpKind::SetTimer, 1, Some(5), 0));
    assert_eq!((ops[1].key, ops[1].value), (None, None));
    let pending_and_fresh = 1 << 31 | 1;
    assert_eq!(brief(&ops[2]), (OpKind::Put, PANES, Some(2), pending_and_fresh));
    let prefix = [128, 0, 0, 0, 0, 0, 0, 10, 128, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ops[2].key, Some(&[&prefix[..], &[1, b'k']].concat()[..]));
    assert_eq!((ops[3].kind, ops[3].key), (OpKind::DeletePrefix, Some(&prefix[..])));
    assert!(state.take_changes().is_empty(), "taken twice");
}

#[test]
fn changes_of_several_calls_come_out_together_in_order() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"k", b"1")]);
    state.begin();
    state.apply(&put(KV, b"k", b"taken back"), None).unwrap();
    state.rollback();
    commit(&mut state, &[put(KV, b"k", b"2")]);
    let changes = state.take_changes();
    let ops = Batch::parse(&changes).unwrap().operations().unwrap();
    let values: Vec<_> = ops.iter().map(|op| op.value.unwrap()).collect();
    assert_eq!(values, [b"1", b"2"]);
}

#[test]
fn a_replay_journals_nothing_and_cannot_be_taken_back_by_a_later_call() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"k", b"1")]);
    let changes = state.take_changes();
    let mut copy = TaskState::new(layout());
    copy.replay(&changes).unwrap();
    copy.replay(b"").unwrap();
    assert!(copy.take_changes().is_empty());
    copy.begin();
    copy.rollback();
    assert_eq!(copy.digest(), state.digest());
}

#[test]
fn batches_that_are_no_changes_are_refused() {
    let batch = |ops: &[Operation<'_>]| {
        let mut builder = OperationsBuilder::new();
        for op in ops {
            builder.push(op);
        }
        builder.finish()
    };
    let mut state = TaskState::new(layout());
    assert!(matches!(state.replay(b"not a batch at all"), Err(StateError::Format(_))));
    let refused = |result| matches!(result, Err(StateError::Operation { .. }));
    assert!(refused(state.replay(&batch(&[op(OpKind::Emit, KV, Some(b"k"), Some(b"v"))]))));
    assert!(refused(state.replay(&batch(&[put(PANES, b"short", b"v")]))));
    let unknown = state.replay(&batch(&[put(9, b"k", b"v")]));
    assert!(matches!(unknown, Err(StateError::UnknownStore { target: 9, .. })));
    let unknown = state.replay(&batch(&[set_timer(9, None, 1)]));
    assert!(matches!(unknown, Err(StateError::UnknownTimer { target: 9, .. })));
}

#[test]
fn a_timer_fires_only_once_time_has_passed_it_and_the_latest_set_wins() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[set_timer(0, Some(b"k"), 10), set_timer(0, Some(b"k"), 20)]);
    assert!(state.due_timers(TimeDomain::Event, 20, 9).is_empty());
    let due = state.due_timers(TimeDomain::Event, 21, 9);
    assert_eq!(due.len(), 1);
    state.begin();
    state.apply(&set_timer(0, Some(b"k"), 30), None).unwrap();
    state.remove_timer(TimeDomain::Event, &due[0]);
    state.accept();
    assert_eq!(state.next_timer(TimeDomain::Event), Some(30), "a timer set anew stays");
}

#[test]
fn timers_fire_by_time_then_target_then_key_with_none_first() {
    let mut state = TaskState::new(layout());
    let keys: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"\0"), Some(b"a")];
    let mut expected = Vec::new();
    for due in [i64::MIN, -1, 0, 1] {
        for target in [0, 2] {
            expected.extend(keys.map(|key| (due, target, key)));
        }
    }
    for (due, _, _) in expected.iter().step_by(8) {
        let mut ops: Vec<_> =
            [2, 0].into_iter().flat_map(|t| keys.map(|k| set_timer(t, k, *due))).collect();
        ops.reverse();
        commit(&mut state, &ops);
        let fired = state.due_timers(TimeDomain::Event, i64::MAX, 99);
        let fired: Vec<_> = fired.iter().map(|t| (t.due, t.target, t.key.as_deref())).collect();
        let this: Vec<_> = expected.iter().copied().filter(|(d, _, _)| d == due).collect();
        assert_eq!(fired, this);
    }
    assert_eq!(state.timer_count(), 8);
}
