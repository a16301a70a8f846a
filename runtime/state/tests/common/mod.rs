//! What the tests share: layouts, operations, and a plain model of the state.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this")]

pub mod model;

use pelton_batch::{Batch, OpKind, Operation};
use pelton_core::window::Window;
use pelton_core::{Limits, StoreDeclaration, StoreKind, TimeDomain, TimerDeclaration};
use pelton_state::{FrozenState, StateError, StateLayout, TaskState};

pub const KV: u16 = 0;
pub const ORDERED: u16 = 1;

pub fn store(name: &str, kind: StoreKind) -> StoreDeclaration {
    StoreDeclaration { name: name.into(), kind, schema: 0 }
}

pub fn timer(name: &str, domain: TimeDomain) -> TimerDeclaration {
    TimerDeclaration { name: name.into(), domain }
}

/// A `kv` store, an `ordered` one, two event timers and a processing timer.
pub fn layout() -> StateLayout {
    StateLayout {
        stores: vec![store("counts", StoreKind::Kv), store("index", StoreKind::Ordered)],
        timers: vec![
            timer("session", TimeDomain::Event),
            timer("poll", TimeDomain::Processing),
            timer("close", TimeDomain::Event),
        ],
        limits: Limits::default(),
        key_windows: true,
        fresh: true,
    }
}

pub fn op<'a>(
    kind: OpKind,
    target: u16,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Operation<'a> {
    Operation {
        row: 0,
        kind,
        cause: 0,
        target,
        key,
        value,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

pub fn put<'a>(target: u16, key: &'a [u8], value: &'a [u8]) -> Operation<'a> {
    op(OpKind::Put, target, Some(key), Some(value))
}

pub fn append<'a>(target: u16, key: &'a [u8], value: &'a [u8]) -> Operation<'a> {
    op(OpKind::Append, target, Some(key), Some(value))
}

pub fn delete(target: u16, key: &[u8]) -> Operation<'_> {
    op(OpKind::Delete, target, Some(key), None)
}

pub fn delete_prefix(target: u16, key: &[u8]) -> Operation<'_> {
    op(OpKind::DeletePrefix, target, Some(key), None)
}

pub fn set_timer<'a>(target: u16, key: Option<&'a [u8]>, due: i64) -> Operation<'a> {
    Operation { timestamp: Some(due), ..op(OpKind::SetTimer, target, key, None) }
}

pub fn window(start: i64, end: i64) -> Window {
    Window { start, end }
}

/// Applies in a call of its own, which is accepted.
pub fn commit(state: &mut TaskState, ops: &[Operation<'_>]) {
    state.begin();
    for op in ops {
        state.apply(op, None).unwrap();
    }
    state.accept();
}

/// The value under a key.
pub fn value(state: &TaskState, store: u16, key: &[u8]) -> Option<Vec<u8>> {
    state.get(store, key).map(|entry| entry.value.to_vec())
}

pub type Pair = (Vec<u8>, Vec<u8>);

/// The rows of a scan.
pub fn scan(
    state: &TaskState,
    store: u16,
    start: &[u8],
    end: Option<&[u8]>,
    limit: usize,
    reverse: bool,
) -> Vec<Pair> {
    let bytes = state.scan(store, start, end, limit, reverse).unwrap();
    let batch = Batch::parse(&bytes).unwrap();
    batch.validate().unwrap();
    let records = batch.records().unwrap();
    let pair = |row| (records.key(row).unwrap().to_vec(), records.value(row).unwrap().to_vec());
    (0..records.len()).map(pair).collect()
}

pub fn scan_all(state: &TaskState, store: u16) -> Vec<Pair> {
    scan(state, store, b"", None, usize::MAX, false)
}

pub fn written(frozen: &FrozenState) -> Vec<u8> {
    let mut out = Vec::new();
    frozen.write_to(&mut out).unwrap();
    out
}

pub fn restored(layout: StateLayout, bytes: &[u8]) -> Result<TaskState, StateError> {
    TaskState::restore(layout, &mut &*bytes)
}

/// The state as it is, through a snapshot and back.
pub fn through_snapshot(state: &mut TaskState) -> TaskState {
    let bytes = written(&state.freeze());
    let layout = state.layout();
    while !state.fold(usize::MAX) {}
    restored(layout, &bytes).unwrap()
}
