//! What operations do to stores, and what reads see.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_batch::{Batch, Kind, OpKind, Operation, RecordsBuilder};
use pelton_core::window::Window;
use pelton_state::{Part, StateError, TaskState};

fn keys(keys: &[Option<&[u8]>]) -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    for key in keys {
        builder.push(*key, None, 0);
    }
    builder.finish_as(Kind::Keys)
}

#[test]
fn get_many_answers_in_the_order_of_the_keys_with_nulls_and_schemas() {
    let mut state = TaskState::new(layout());
    let ops = [put(KV, b"a", b"1"), Operation { schema: 7, ..put(KV, b"b", b"") }];
    commit(&mut state, &ops);
    let asked = keys(&[Some(b"b"), Some(b"missing"), None, Some(b"a"), Some(b"b")]);
    let records = Batch::parse(&asked).unwrap().records().unwrap();
    let answer = state.get_many(KV, &records).unwrap();
    let batch = Batch::parse(&answer).unwrap();
    batch.validate().unwrap();
    assert_eq!(batch.kind(), Kind::Values);
    let values = batch.records().unwrap();
    let all: Vec<_> = (0..values.len()).map(|row| values.value(row)).collect();
    assert_eq!(all, [Some(&b""[..]), None, None, Some(b"1"), Some(b"")]);
    let schemas = batch.fixed::<u32>(pelton_batch::layout::tag::SCHEMA).unwrap();
    assert_eq!(schemas.iter().collect::<Vec<_>>(), [7, 0, 0, 0, 7]);
}

#[test]
fn get_many_of_no_keys_answers_no_rows() {
    let state = TaskState::new(layout());
    let asked = keys(&[]);
    let answer = state.get_many(KV, &Batch::parse(&asked).unwrap().records().unwrap()).unwrap();
    assert_eq!(Batch::parse(&answer).unwrap().rows(), 0);
}

#[test]
fn a_scan_goes_on_behind_the_last_key_in_both_directions() {
    let mut state = TaskState::new(layout());
    let all: Vec<Vec<u8>> = (0..100u8).map(|i| vec![b'k', i / 10, i % 10]).collect();
    commit(&mut state, &all.iter().map(|key| put(ORDERED, key, key)).collect::<Vec<_>>());
    let _frozen = state.freeze();
    commit(&mut state, &[delete(ORDERED, &all[50]), put(ORDERED, b"k\x05\0\0", b"new")]);
    let expected: Vec<_> = scan_all(&state, ORDERED).into_iter().map(|pair| pair.0).collect();
    assert_eq!(expected.len(), 100);

    let (mut forward, mut start) = (Vec::new(), Vec::new());
    loop {
        let page = scan(&state, ORDERED, &start, None, 7, false);
        let Some((last, _)) = page.last() else { break };
        start = [last, &b"\0"[..]].concat();
        forward.extend(page.into_iter().map(|pair| pair.0));
    }
    assert_eq!(forward, expected);

    let (mut backward, mut end) = (Vec::new(), None);
    loop {
        let page = scan(&state, ORDERED, b"", end.as_deref(), 7, true);
        let Some((last, _)) = page.last() else { break };
        end = Some(last.clone());
        backward.extend(page.into_iter().map(|pair| pair.0));
    }
    backward.reverse();
    assert_eq!(backward, expected);
}

#[test]
fn a_scan_ends_after_a_mebibyte_but_always_gets_on() {
    let mut state = TaskState::new(layout());
    let value = vec![1; 600 * 1024];
    let ops = [b"a", b"b", b"c"].map(|key| put(ORDERED, key, &value));
    commit(&mut state, &ops);
    assert_eq!(scan_all(&state, ORDERED).len(), 1);
    let _ = state.take_changes();
    let mut raised = layout();
    raised.limits.set("state_value_bytes", 4 << 20).unwrap();
    state.relayout(raised);
    let large = vec![2; 3 << 20];
    commit(&mut state, &[put(ORDERED, b"a", &large)]);
    assert_eq!(scan_all(&state, ORDERED), [(b"a".to_vec(), large)]);
    assert!(scan(&state, ORDERED, b"", None, 0, false).is_empty());
}

#[test]
fn a_kv_store_refuses_scans_and_names_itself() {
    let state = TaskState::new(layout());
    let error = state.scan(KV, b"", None, 1, false).unwrap_err();
    assert!(matches!(error, StateError::NotOrdered { .. }));
    assert!(error.to_string().contains("`counts`"), "{error}");
}

#[test]
fn empty_keys_nul_bytes_and_prefixes_of_each_other_are_different_keys() {
    let all: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0b"];
    for target in [KV, ORDERED] {
        let mut state = TaskState::new(layout());
        commit(&mut state, &all.map(|key| put(target, key, key)));
        for key in all {
            assert_eq!(value(&state, target, key).as_deref(), Some(key));
        }
        commit(&mut state, &[delete(target, b"\0"), delete(target, b"")]);
        assert_eq!(state.size().stores[target as usize].entries, 4);
        assert_eq!(value(&state, target, b"\0\0").as_deref(), Some(&b"\0\0"[..]));
    }
}

#[test]
fn delete_prefix_takes_exactly_the_keys_that_start_so_and_is_one_change() {
    for target in [KV, ORDERED] {
        let mut state = TaskState::new(layout());
        let all: [&[u8]; 6] = [b"", b"\xfe", b"\xff", b"\xff\0", b"\xff\xff", b"a"];
        commit(&mut state, &all.map(|key| put(target, key, b"v")));
        let _ = state.take_changes();
        commit(&mut state, &[delete_prefix(target, b"\xff")]);
        let left: Vec<_> = all.into_iter().filter(|k| value(&state, target, k).is_some()).collect();
        assert_eq!(left, [&b""[..], b"\xfe", b"a"]);
        let changes = state.take_changes();
        assert_eq!(Batch::parse(&changes).unwrap().rows(), 1);
        commit(&mut state, &[delete_prefix(target, b"")]);
        assert_eq!(state.size().bytes(), 0);
    }
}

#[test]
fn an_append_keeps_expiry_and_schema_of_what_it_appends_to() {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&Operation { schema: 3, ..put(KV, b"k", b"ab") }, Some(50)).unwrap();
    state.apply(&Operation { schema: 4, ..append(KV, b"k", b"cd") }, None).unwrap();
    state.apply(&Operation { schema: 5, ..append(KV, b"new", b"x") }, Some(60)).unwrap();
    state.accept();
    let entry = state.get(KV, b"k").unwrap();
    assert_eq!((entry.value, entry.schema, entry.expires_ms), (&b"abcd"[..], 3, Some(50)));
    let entry = state.get(KV, b"new").unwrap();
    assert_eq!((entry.value, entry.schema, entry.expires_ms), (&b"x"[..], 5, Some(60)));
}

#[test]
fn an_entry_expires_at_its_time_and_not_before() {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&put(KV, b"k", b"v"), Some(100)).unwrap();
    state.apply(&put(ORDERED, b"stays", b"v"), Some(i64::MAX)).unwrap();
    state.accept();
    assert_eq!(state.next_expiry(), Some(100));
    state.begin();
    state.expire(99);
    assert!(state.get(KV, b"k").is_some(), "a read does not judge expiry");
    state.expire(100);
    assert!(state.get(KV, b"k").is_none());
    state.rollback();
    assert_eq!((value(&state, KV, b"k").is_some(), state.next_expiry()), (true, Some(100)));
    state.begin();
    state.expire(i64::MAX);
    state.accept();
    assert_eq!(state.size().entries(), 1, "i64::MAX is never");
}

#[test]
fn a_put_without_expiry_takes_the_old_one_away() {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&put(KV, b"k", b"v"), Some(100)).unwrap();
    state.apply(&put(KV, b"k", b"v"), None).unwrap();
    state.accept();
    assert_eq!(state.next_expiry(), None);
}

#[test]
fn operations_that_are_no_state_changes_or_lack_something_are_refused() {
    let mut state = TaskState::new(layout());
    state.begin();
    for broken in [
        op(OpKind::Emit, KV, Some(b"k"), Some(b"v")),
        op(OpKind::Put, KV, None, Some(b"v")),
        op(OpKind::Put, KV, Some(b"k"), None),
        op(OpKind::Append, KV, Some(b"k"), None),
        op(OpKind::SetTimer, 0, Some(b"k"), None),
    ] {
        let error = state.apply(&broken, None).unwrap_err();
        assert!(matches!(error, StateError::Operation { .. }), "{error}");
    }
    assert!(matches!(
        state.apply(&put(2, b"k", b"v"), None),
        Err(StateError::UnknownStore { target: 2, declared: 2 })
    ));
    let panes = put(pelton_state::PANES, b"k", b"v");
    assert!(matches!(state.apply(&panes, None), Err(StateError::UnknownStore { .. })));
    let timer = set_timer(3, None, 0);
    assert!(matches!(state.apply(&timer, None), Err(StateError::UnknownTimer { .. })));
    state.accept();
    assert_eq!(state.take_changes(), [0; 0], "what was refused is not journalled");
    assert_eq!(state.digest(), TaskState::new(layout()).digest());
}

#[test]
fn a_listing_is_in_key_order_under_its_prefix_and_up_to_its_limit() {
    for store in [KV, ORDERED] {
        let mut state = TaskState::new(layout());
        let puts = [b"b2", b"a1", b"b1", b"b3"].map(|key| put(store, key, b"x"));
        commit(&mut state, &puts);
        let keys = |prefix: &[u8], limit| -> Vec<Vec<u8>> {
            let listed = state.list(store, prefix, limit).unwrap();
            listed.into_iter().map(|(key, _)| key.to_vec()).collect()
        };
        assert_eq!(keys(b"", 9), [b"a1", b"b1", b"b2", b"b3"]);
        assert_eq!(keys(b"b", 2), [b"b1", b"b2"]);
        assert!(keys(b"c", 9).is_empty());
    }
}

#[test]
fn what_is_not_retained_is_gone_with_its_timers_and_panes_and_is_no_change() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"a", b"1"), put(KV, b"b", b"2"), put(ORDERED, b"a", b"3")]);
    let (one, other) = (Window { start: 0, end: 10 }, Window { start: 10, end: 20 });
    state.begin();
    state.put_pane(one, Some(b"a"), b"x", 1).unwrap();
    state.put_pane(one, Some(b"b"), b"y", 1).unwrap();
    state.put_pane(other, None, b"z", 1).unwrap();
    state.accept();
    let _ = state.take_changes();
    state.retain(|part| match part {
        Part::Entry { store, key } => (store, key) == (KV, b"b"),
        Part::Timer { key } | Part::Pane { key } => key == Some(b"b"),
    });
    assert!(state.take_changes().is_empty());
    assert_eq!((state.get(KV, b"a"), state.get(ORDERED, b"a")), (None, None));
    assert_eq!(state.get(KV, b"b").unwrap().value, b"2");
    assert_eq!(state.pane_count(), 1);
    assert_eq!(state.pane(one, Some(b"b")).unwrap().value, b"y");
    assert_eq!((state.next_pane_end(), state.first_window()), (Some(10), Some(one)));
}
