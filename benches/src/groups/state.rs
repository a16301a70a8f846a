//! State: reads and writes of many keys, a range in order, against maps of the standard kind.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::Bound;

use anyhow::{Result, ensure};
use hashbrown::HashMap;
use pelton_batch::{Batch, Kind, OpKind, Operation, RecordsBuilder};
use pelton_core::{StoreDeclaration, StoreKind};
use pelton_state::{StateLayout, TaskState};

use super::Size;
use crate::measure::{Cost, Cpu, cost, interleaved};
use crate::table::{Amount, Line};
use crate::workload::{Numbers, key};

/// Keys that one call reads or writes.
const KEYS_A_CALL: usize = 1_000;
const VALUE: [u8; 32] = [7; 32];

fn state(kind: StoreKind, keys: u64) -> Result<TaskState> {
    let store = StoreDeclaration { name: "values".into(), kind, schema: 0 };
    let mut state = TaskState::new(StateLayout { stores: vec![store], ..StateLayout::default() });
    let all: Vec<_> = (0..keys).map(key).collect();
    for keys in all.chunks(KEYS_A_CALL) {
        put(&mut state, keys)?;
    }
    Ok(state)
}

fn put(state: &mut TaskState, keys: &[Vec<u8>]) -> Result<()> {
    state.begin();
    for key in keys {
        let put = Operation {
            row: 0,
            kind: OpKind::Put,
            cause: 0,
            target: 0,
            key: Some(key),
            value: Some(&VALUE),
            timestamp: None,
            partition: None,
            ttl: 0,
            schema: 0,
        };
        state.apply(&put, None)?;
    }
    state.accept();
    black_box(state.take_changes());
    Ok(())
}

/// Calls of keys that are there, in no order.
fn calls(count: usize, keys: u64) -> Vec<Vec<Vec<u8>>> {
    let mut numbers = Numbers::new(3);
    let mut call = || (0..KEYS_A_CALL).map(|_| key(numbers.below(keys))).collect();
    (0..count).map(|_| call()).collect()
}

fn asked(keys: &[Vec<u8>]) -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    for key in keys {
        builder.push(Some(key), None, 0);
    }
    builder.finish_as(Kind::Keys)
}

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let keys = size.pick(10_000, 1_000_000, 1_000_000);
    let (calls, rounds) = (calls(size.pick(2, 100, 100), keys), size.pick(1, 9, 9));
    let mut lines = kv(keys, &calls, rounds)?;
    lines.push(ordered(keys, &calls, rounds)?);
    Ok(lines)
}

fn line(what: &str, count: usize, rounds: usize, ours: Run<'_>, native: Run<'_>) -> Result<Line> {
    let compared = interleaved(rounds, || Ok(ours()?.per(count)), || Ok(native()?.per(count)))?;
    let ns = |cost: Cost| Amount::new(cost.cpu_ns, "ns");
    Ok(Line::alone("state", what, ns(compared.ours))
        .beside(ns(compared.native), compared.cpu_ratio))
}

type Run<'a> = &'a mut dyn FnMut() -> Result<Cost>;

fn kv(keys: u64, calls: &[Vec<Vec<u8>>], rounds: usize) -> Result<Vec<Line>> {
    let mut state = state(StoreKind::Kv, keys)?;
    let mut map: HashMap<Vec<u8>, Vec<u8>> =
        (0..keys).map(|number| (key(number), VALUE.to_vec())).collect();
    let count = calls.len() * KEYS_A_CALL;
    let batches: Vec<_> = calls.iter().map(|keys| asked(keys)).collect();
    let get = line(
        "state get, a key, 1,000 a call, against hashbrown",
        count,
        rounds,
        &mut || {
            let (cost, done) = cost(Cpu::Thread, || -> Result<()> {
                for batch in &batches {
                    let keys = Batch::parse(batch)?.records()?;
                    black_box(state.get_many(0, &keys)?);
                }
                Ok(())
            });
            done.map(|()| cost)
        },
        &mut || {
            let (cost, found) = cost(Cpu::Thread, || {
                let values = calls.iter().flatten().filter_map(|key| map.get(key));
                values.map(|value| black_box(value.clone()).len()).sum::<usize>()
            });
            ensure!(found == count * VALUE.len(), "a key is missing");
            Ok(cost)
        },
    )?;
    let put = line(
        "state put, a key, 1,000 a call, with undo and changes, against hashbrown",
        count,
        rounds,
        &mut || {
            let (cost, done) =
                cost(Cpu::Thread, || calls.iter().try_for_each(|keys| put(&mut state, keys)));
            done.map(|()| cost)
        },
        &mut || {
            let (cost, ()) = cost(Cpu::Thread, || {
                for key in calls.iter().flatten() {
                    map.insert(key.clone(), VALUE.to_vec());
                }
            });
            Ok(cost)
        },
    )?;
    Ok(vec![get, put])
}

fn ordered(keys: u64, calls: &[Vec<Vec<u8>>], rounds: usize) -> Result<Line> {
    let state = state(StoreKind::Ordered, keys)?;
    let map: BTreeMap<Vec<u8>, Vec<u8>> =
        (0..keys).map(|number| (key(number), VALUE.to_vec())).collect();
    let starts: Vec<&Vec<u8>> = calls.iter().flat_map(|keys| keys.first()).collect();
    line(
        "state scan, an entry, 1,000 a scan, against a BTreeMap",
        starts.len() * KEYS_A_CALL,
        rounds,
        &mut || {
            let (cost, done) = cost(Cpu::Thread, || {
                starts.iter().try_for_each(|start| {
                    state.scan(0, start, None, KEYS_A_CALL, false).map(|entries| {
                        black_box(entries);
                    })
                })
            });
            done?;
            Ok(cost)
        },
        &mut || {
            let (cost, ()) = cost(Cpu::Thread, || {
                for start in &starts {
                    let from = (Bound::Included(&start[..]), Bound::Unbounded);
                    let entries = map.range::<[u8], _>(from).take(KEYS_A_CALL);
                    let entries = entries.map(|(key, value)| (key.clone(), value.clone()));
                    black_box(entries.collect::<Vec<_>>());
                }
            });
            Ok(cost)
        },
    )
}

/// Reads and writes so many keys.
pub(super) fn fixed(count: usize) -> Result<()> {
    let (mut state, calls) = (state(StoreKind::Kv, 10_000)?, calls(50, 10_000));
    let keys_of_a_call = calls.first().map_or(1, Vec::len);
    for keys in calls.iter().cycle().take(count / keys_of_a_call) {
        black_box(state.get_many(0, &Batch::parse(&asked(keys))?.records()?)?);
        put(&mut state, keys)?;
    }
    Ok(())
}
