//! Schema versions of values: counted as they change, and found.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{KV, ORDERED, append, commit, delete, delete_prefix, layout, put};
use pelton_batch::Operation;
use pelton_state::{StateLayout, TaskState, VersionSearch};
use proptest::prelude::*;

/// The layout of the other tests, its stores at version 2.
fn at_two() -> StateLayout {
    let mut layout = layout();
    layout.stores.iter_mut().for_each(|store| store.schema = 2);
    layout
}

fn of_version<'a>(schema: u32, operation: Operation<'a>) -> Operation<'a> {
    Operation { schema, ..operation }
}

fn found(state: &TaskState, store: u16, version: u32) -> BTreeSet<Vec<u8>> {
    let mut search = VersionSearch::default();
    let keys = state.find_version(store, |found| found == version, &mut search);
    keys.into_iter().map(|key| key.to_vec()).collect()
}

#[test]
fn values_of_other_versions_are_counted_and_found_in_both_kinds_of_store() {
    for store in [KV, ORDERED] {
        let mut state = TaskState::new(at_two());
        commit(
            &mut state,
            &[
                of_version(1, put(store, b"a", b"1")),
                of_version(1, put(store, b"b", b"1")),
                of_version(3, put(store, b"c", b"3")),
                of_version(2, put(store, b"d", b"2")),
            ],
        );
        assert_eq!(state.unmigrated(store), 3);
        let versions: BTreeMap<u32, u64> = state.other_versions(store).collect();
        assert_eq!(versions, BTreeMap::from([(1, 2), (3, 1)]));
        assert_eq!(found(&state, store, 1), BTreeSet::from([b"a".to_vec(), b"b".to_vec()]));
        commit(&mut state, &[of_version(2, put(store, b"a", b"2")), delete(store, b"c")]);
        assert_eq!(state.unmigrated(store), 1);
        // What an append adds to keeps its version.
        commit(&mut state, &[of_version(2, append(store, b"b", b"+"))]);
        assert_eq!(state.unmigrated(store), 1);
        assert_eq!(state.unmigrated(9), 0);
    }
}

#[test]
fn a_new_declaration_makes_values_old_and_the_one_before_makes_them_current_again() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(KV, b"a", b""), put(ORDERED, b"a", b"")]);
    let _ = state.take_changes();
    assert_eq!(state.unmigrated(KV), 0);
    state.relayout(at_two());
    assert_eq!((state.unmigrated(KV), state.unmigrated(ORDERED)), (1, 1));
    state.relayout(layout());
    assert_eq!(state.unmigrated(KV), 0);
}

#[test]
fn a_search_answers_so_many_keys_and_goes_on_behind_them() {
    for store in [KV, ORDERED] {
        let mut state = TaskState::new(at_two());
        let key = |number: u32| number.to_be_bytes();
        // The limits of a search: 4,096 keys, about 50,000 entries.
        for number in 0..60_000_u32 {
            let schema = if number < 55_000 { 2 } else { 1 };
            commit(&mut state, &[of_version(schema, put(store, &key(number), b""))]);
        }
        let mut search = VersionSearch::default();
        let mut searches = 0;
        while state.unmigrated(store) > 0 {
            let keys = state.find_version(store, |version| version == 1, &mut search);
            assert!(keys.len() <= 4_096);
            assert!(keys.is_sorted());
            for key in keys {
                commit(&mut state, &[of_version(2, put(store, &key, b""))]);
            }
            searches += 1;
        }
        assert!((2..=4).contains(&searches), "{searches} searches");
    }
}

#[test]
fn exactly_as_many_keys_as_a_search_answers_are_found_at_once_and_one_more_is_not() {
    for store in [KV, ORDERED] {
        let mut state = TaskState::new(at_two());
        for number in 0..4_096_u32 {
            commit(&mut state, &[of_version(1, put(store, &number.to_be_bytes(), b""))]);
        }
        assert_eq!(found(&state, store, 1).len(), 4_096);
        commit(&mut state, &[of_version(1, put(store, b"more", b""))]);
        assert_eq!(found(&state, store, 1).len(), 4_096);
    }
}

proptest! {
    #[test]
    fn counts_are_those_of_a_plain_count_whatever_happens(
        steps in prop::collection::vec((0..8_u8, 0..6_u8, 0..4_u32), 1..60),
        store in prop_oneof![Just(KV), Just(ORDERED)],
    ) {
        let mut state = TaskState::new(at_two());
        let mut frozen = None;
        for (what, key, schema) in steps {
            let key = [key];
            match what {
                0..=2 => commit(&mut state, &[of_version(schema, put(store, &key, b"value"))]),
                3 => commit(&mut state, &[of_version(schema, append(store, &key, b"+"))]),
                4 => commit(&mut state, &[delete(store, &key), of_version(schema, put(store, &[9], b""))]),
                5 => {
                    state.begin();
                    state.apply(&of_version(schema, put(store, &key, b"undone")), None).unwrap();
                    state.apply(&delete_prefix(store, b""), None).unwrap();
                    state.rollback();
                }
                6 => frozen = Some(state.freeze()),
                _ => {
                    frozen = None;
                    state.fold(2);
                }
            }
            let mut counts = BTreeMap::new();
            for (_, entry) in state.list(store, b"", usize::MAX).unwrap() {
                *counts.entry(entry.schema).or_insert(0) += 1;
            }
            counts.remove(&2);
            prop_assert_eq!(state.other_versions(store).collect::<BTreeMap<_, _>>(), counts.clone());
            let mut search = VersionSearch::default();
            let keys = state.find_version(store, |version| version != 2, &mut search);
            prop_assert_eq!(keys.len() as u64, counts.values().sum::<u64>());
        }
        drop(frozen);
        let again = common::through_snapshot(&mut state);
        prop_assert_eq!(again.unmigrated(store), state.unmigrated(store));
    }
}
