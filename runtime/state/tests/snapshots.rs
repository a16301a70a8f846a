//! Freezing, writing, folding, restoring.

#![allow(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

mod common;

use common::*;
use pelton_batch::Operation;
use pelton_core::{Coded, TimeDomain};
use pelton_state::{FrozenState, StateError, TaskState};

fn small() -> TaskState {
    let mut state = TaskState::new(layout());
    state.begin();
    state.apply(&Operation { schema: 2, ..put(KV, b"k\0", b"value") }, Some(9)).unwrap();
    state.apply(&put(ORDERED, b"", b""), None).unwrap();
    state.apply(&set_timer(1, None, -7), None).unwrap();
    state.apply(&Operation { value: Some(b"x"), ..set_timer(0, Some(b""), 7) }, None).unwrap();
    state.put_pane(window(-10, 0), Some(b"p"), b"content", 3).unwrap();
    state.mark_fired(window(-10, 0), Some(b"p"), true);
    state.put_pane(window(0, 10), None, b"", 1).unwrap();
    state.accept();
    state
}

#[test]
fn a_snapshot_restores_everything() {
    let mut state = small();
    let mut copy = through_snapshot(&mut state);
    assert_eq!(copy.digest(), state.digest());
    assert_eq!(copy.size(), state.size());
    assert_eq!(copy.next_expiry(), Some(9));
    assert_eq!(copy.next_timer(TimeDomain::Processing), Some(-7));
    assert_eq!(copy.due_panes(i64::MAX, 9), [(window(0, 10), None)]);
    assert_eq!(copy.pane(window(-10, 0), Some(b"p")), state.pane(window(-10, 0), Some(b"p")));
}

#[test]
fn an_empty_state_has_a_snapshot_too() {
    let mut state = TaskState::new(Default::default());
    assert_eq!(through_snapshot(&mut state).digest(), state.digest());
}

#[test]
fn frozen_snapshot_does_not_see_later_writes() {
    let mut state = small();
    let digest = state.digest();
    let frozen = state.freeze();
    state.begin();
    for (target, key) in [(KV, &b"k\0"[..]), (ORDERED, b"")] {
        state.apply(&append(target, key, b"later"), None).unwrap();
        state.apply(&put(target, b"later", b"later"), None).unwrap();
        state.apply(&delete(target, key), None).unwrap();
    }
    state.apply(&set_timer(0, None, 1), None).unwrap();
    state.mark_fired(window(0, 10), None, true);
    state.drop_window(window(-10, 0));
    state.accept();
    let after = state.digest();
    assert_eq!(restored(layout(), &written(&frozen)).unwrap().digest(), digest);
    assert!(!state.fold(usize::MAX), "folded into what another thread reads");
    drop(frozen);
    assert!(state.fold(usize::MAX));
    assert_eq!(state.digest(), after);
    assert_eq!(through_snapshot(&mut state).digest(), after);
}

#[test]
fn a_thawed_state_is_one_of_its_own() {
    let mut state = small();
    let digest = state.digest();
    assert!(state.is_folded());
    let mut copy = state.freeze().thaw(Default::default());
    assert_eq!((copy.digest(), copy.size()), (digest, state.size()));
    assert_eq!(copy.next_expiry(), Some(9));
    assert_eq!(copy.next_timer(TimeDomain::Processing), Some(-7));
    assert_eq!(copy.due_panes(i64::MAX, 9), [(window(0, 10), None)]);
    assert_eq!(copy.unmigrated(KV), state.unmigrated(KV));
    state.begin();
    state.apply(&put(KV, b"k\0", b"later"), None).unwrap();
    state.accept();
    assert_eq!(copy.digest(), digest);
    assert!(!state.is_folded());
    assert!(state.fold(usize::MAX) && state.is_folded());
}

#[test]
fn another_thread_writes_while_calls_go_on() {
    let mut state = TaskState::new(layout());
    for i in 0..20_000u32 {
        commit(&mut state, &[put(KV, &i.to_be_bytes(), b"before")]);
    }
    let digest = state.digest();
    let frozen: FrozenState = state.freeze();
    let writer = std::thread::spawn(move || written(&frozen));
    for i in 10_000..30_000u32 {
        commit(&mut state, &[put(KV, &i.to_be_bytes(), b"after")]);
    }
    let bytes = writer.join().unwrap();
    let after = state.digest();
    let mut slices = 0;
    while !state.fold(1_000) {
        slices += 1;
        assert_eq!(state.digest(), after);
    }
    assert!((19..=21).contains(&slices), "20,000 entries in slices of 1,000: {slices}");
    assert_eq!(state.digest(), after);
    assert_eq!(restored(layout(), &bytes).unwrap().digest(), digest);
}

#[test]
fn writes_while_folding_do_not_hold_it_up() {
    let mut state = TaskState::new(layout());
    commit(&mut state, &[put(ORDERED, b"base", b"1")]);
    let frozen = state.freeze();
    for i in 0..100u8 {
        commit(&mut state, &[put(ORDERED, &[i], b"overlay")]);
    }
    drop(frozen);
    for round in 0..200u8 {
        commit(&mut state, &[put(ORDERED, &[round], b"folding"), delete(ORDERED, b"base")]);
        if state.fold(1) {
            assert!(round <= 100, "fold never ends");
            assert_eq!(scan_all(&state, ORDERED).len(), 100.max(usize::from(round) + 1));
            return;
        }
    }
    panic!("fold never ends");
}

#[test]
fn a_second_freeze_before_the_fold_is_right_even_while_the_first_is_read() {
    let mut state = small();
    let first = (state.digest(), state.freeze());
    commit(&mut state, &[put(KV, b"2", b"2"), delete(KV, b"k\0")]);
    let second = (state.digest(), state.freeze());
    commit(&mut state, &[put(KV, b"3", b"3")]);
    for (digest, frozen) in [first, second] {
        assert_eq!(restored(layout(), &written(&frozen)).unwrap().digest(), digest);
    }
    let last = state.digest();
    assert!(state.fold(usize::MAX));
    assert_eq!(state.digest(), last);
}

#[test]
fn a_snapshot_with_any_bit_flipped_is_refused() {
    let bytes = written(&small().freeze());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let Err(error) = restored(layout(), &flipped) else { panic!("byte {at}, bit {bit}") };
            assert!(error.code().starts_with("E-SNAPSHOT-"), "{error}");
        }
    }
}

#[test]
fn a_snapshot_cut_at_any_length_is_refused() {
    let bytes = written(&small().freeze());
    for length in 0..bytes.len() {
        let error = restored(layout(), &bytes[..length]).unwrap_err();
        assert!(matches!(error, StateError::Snapshot { .. }), "{length}: {error}");
    }
    restored(layout(), &bytes).unwrap();
}

#[test]
fn a_snapshot_with_blocks_missing_doubled_or_swapped_is_refused() {
    // The blocks lie inside one value, which would only come out different.
    let mut state = TaskState::new(layout());
    let large: Vec<u8> = (0..300_000u32).map(|i| (i / 1_000) as u8).collect();
    commit(&mut state, &[put(ORDERED, b"k", &large)]);
    let bytes = written(&state.freeze());
    let (head, blocks) = bytes.split_at(12);
    const BLOCK: usize = 8 + 64 * 1024;
    let (zero, rest) = blocks.split_at(BLOCK);
    let (one, rest) = rest.split_at(BLOCK);
    let (two, rest) = rest.split_at(BLOCK);
    for wrong in [
        [zero, one, rest].concat(),
        [zero, one, one, two, rest].concat(),
        [zero, one, one, rest].concat(),
        [zero, two, one, rest].concat(),
    ] {
        let error = restored(layout(), &[head, &wrong].concat()).unwrap_err();
        assert!(matches!(error, StateError::Snapshot { .. }), "{error}");
    }
}

#[test]
fn a_snapshot_of_a_newer_format_says_so() {
    let mut bytes = written(&small().freeze());
    bytes[8] = 2;
    let error = restored(layout(), &bytes).unwrap_err();
    assert!(matches!(error, StateError::SnapshotVersion { found: 2, known: 1 }), "{error}");
}

#[test]
fn values_larger_than_a_block_go_through() {
    let mut state = TaskState::new(layout());
    let large: Vec<u8> = (0..300_000u32).map(|i| i as u8).collect();
    commit(&mut state, &[put(KV, b"large", &large), put(KV, &large[..8_000], b"")]);
    assert_eq!(value(&through_snapshot(&mut state), KV, b"large"), Some(large));
}

#[test]
fn a_failing_disk_is_reported_and_leaves_the_state_usable() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut state = small();
    let digest = state.digest();
    let frozen = state.freeze();
    let length = written(&frozen).len();
    for room in [0, 8, 12, 20, length - 1] {
        let error = frozen.write_to(&mut Full(room)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
    frozen.write_to(&mut Full(length)).unwrap();
    drop(frozen);
    assert!(state.fold(usize::MAX));
    assert_eq!(state.digest(), digest);
}
