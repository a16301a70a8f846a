//! Functions that the tests run: one for each way of working.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::sync::{Arc, Mutex};

use pelton_batch::layout::tag;
use pelton_batch::{Batch, Kind, OpKind, Operation, OperationsBuilder, RecordsBuilder};
use pelton_core::window::{Assigner, Shape, WindowSpec};
use pelton_core::{Environment, Fault, FaultKind, StoreDeclaration, StoreKind, TimeDomain};

use super::{Native, declare, kv, native, timer};

pub fn op<'a>(kind: OpKind, cause: usize) -> Operation<'a> {
    Operation {
        row: 0,
        kind,
        cause: cause as u32,
        target: 0,
        key: None,
        value: None,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

pub fn emit(out: &mut OperationsBuilder, cause: usize, key: Option<&[u8]>, value: &str) {
    out.push(&Operation { key, value: Some(value.as_bytes()), ..op(OpKind::Emit, cause) });
}

fn number(bytes: Option<&[u8]>) -> i64 {
    bytes.and_then(|b| std::str::from_utf8(b).ok()?.parse().ok()).unwrap_or(0)
}

/// Reads one key of store 0.
pub fn read(environment: &dyn Environment, key: &[u8]) -> Option<Vec<u8>> {
    let mut keys = RecordsBuilder::new();
    keys.push(Some(key), None, 0);
    let values = environment.get_many(0, &keys.finish_as(Kind::Keys)).unwrap();
    let batch = Batch::parse(&values).unwrap();
    batch.records().unwrap().value(0).map(<[u8]>::to_vec)
}

/// What [`versioned_sums`] are like.
#[derive(Clone)]
pub struct Versioned {
    /// The version of its values.
    pub version: u32,
    /// The versions that it migrates.
    pub from: Vec<u32>,
    pub kind: StoreKind,
    /// Values of each call to migrate, as they come.
    pub calls: Arc<Mutex<Vec<usize>>>,
}

impl Versioned {
    pub fn new(version: u32, from: &[u32]) -> Self {
        let calls = Arc::default();
        Self { version, from: from.to_vec(), kind: StoreKind::Kv, calls }
    }

    /// A stored sum: the version that it was written in stands before it.
    pub fn text(&self, sum: i64) -> String {
        format!("{}:{sum}", self.version)
    }

    fn sum(&self, value: &[u8], version: u32) -> Result<i64, Fault> {
        if version != self.version && !self.from.contains(&version) {
            let text = format!("version {version} is not known");
            return Err(Fault::new(FaultKind::Failure, text));
        }
        let text = std::str::from_utf8(value).unwrap();
        let (written, sum) = text.split_once(':').unwrap();
        assert_eq!(written, version.to_string(), "the version is kept beside the value");
        // A key that cannot be migrated.
        if sum == "666" && version != self.version {
            return Err(Fault::new(FaultKind::Trap, "this one cannot"));
        }
        Ok(sum.parse().unwrap())
    }

    fn put(&self, out: &mut OperationsBuilder, row: usize, key: &[u8], sum: i64) {
        let text = self.text(sum);
        let put = op(OpKind::Put, row);
        let (key, value, schema) = (Some(key), Some(text.as_bytes()), self.version);
        out.push(&Operation { key, value, schema, ..put });
    }

    fn migrate(&self, batch: Batch<'_>, out: &mut OperationsBuilder) -> Result<(), Fault> {
        let values = batch.stored_values().unwrap();
        self.calls.lock().unwrap().push(values.len());
        for value in values.iter() {
            assert_ne!(value.schema, self.version);
            self.put(out, value.row, value.key, self.sum(value.value, value.schema)?);
        }
        Ok(())
    }
}

/// [`sums`] in a store whose values have a version. A value `bad` traps.
pub fn versioned_sums(how: &Versioned) -> Native {
    let how = how.clone();
    let mut declaration = declare(&["out"]);
    let kind = how.kind;
    declaration.stores = vec![StoreDeclaration { name: "sums".into(), kind, schema: how.version }];
    native(declaration, move |batch, environment, out| {
        if batch.kind() == Kind::Migrate {
            return how.migrate(batch, out);
        }
        let mut sums = std::collections::BTreeMap::new();
        for record in batch.records().unwrap().iter() {
            let key = record.key().unwrap_or_default();
            if !sums.contains_key(key) {
                let kept = read_with_version(environment, key);
                let kept = kept.map(|(value, version)| how.sum(&value, version)).transpose()?;
                sums.insert(key.to_vec(), kept.unwrap_or_default());
            }
            if record.value() == Some(b"bad") {
                return Err(Fault::new(FaultKind::Trap, "a bad record"));
            }
            let sum = sums.get_mut(key).unwrap();
            *sum += number(record.value());
            how.put(out, record.row(), key, *sum);
            emit(out, record.row(), record.key(), &sum.to_string());
        }
        Ok(())
    })
}

fn read_with_version(environment: &dyn Environment, key: &[u8]) -> Option<(Vec<u8>, u32)> {
    let mut keys = RecordsBuilder::new();
    keys.push(Some(key), None, 0);
    let values = environment.get_many(0, &keys.finish_as(Kind::Keys)).unwrap();
    let batch = Batch::parse(&values).unwrap();
    let version = batch.fixed::<u32>(tag::SCHEMA).map_or(0, |versions| versions.get(0));
    batch.records().unwrap().value(0).map(|value| (value.to_vec(), version))
}

/// Lets records through whose value is even.
pub fn even() -> Native {
    native(declare(&["out"]), |batch, _, out| {
        for record in batch.records().unwrap().iter() {
            if number(record.value()) % 2 == 0 {
                out.forward(record.row() as u32, 0);
            }
        }
        Ok(())
    })
}

/// The running sum of each key: reads once for each key, writes once for each record.
pub fn sums() -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![kv("sums")];
    native(declaration, |batch, environment, out| {
        let mut sums = std::collections::BTreeMap::new();
        for record in batch.records().unwrap().iter() {
            let key = record.key().unwrap_or_default();
            let sum = sums
                .entry(key.to_vec())
                .or_insert_with(|| number(read(environment, key).as_deref()));
            *sum += number(record.value());
            let text = sum.to_string();
            let put = op(OpKind::Put, record.row());
            out.push(&Operation { key: Some(key), value: Some(text.as_bytes()), ..put });
            emit(out, record.row(), record.key(), &text);
        }
        Ok(())
    })
}

/// Says once that a key has been silent for `gap` ms of event time, with the number of records.
pub fn sessions(gap: i64) -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![kv("counts")];
    declaration.timers = vec![timer("gap", TimeDomain::Event)];
    native(declaration, move |batch, environment, out| {
        if batch.kind() == Kind::Timers {
            for timer in batch.timers().unwrap().iter() {
                let key = timer.key.unwrap_or_default();
                let count = number(read(environment, key).as_deref());
                emit(out, timer.row, timer.key, &format!("{count} until {}", timer.due));
                out.push(&Operation { key: Some(key), ..op(OpKind::Delete, timer.row) });
            }
            return Ok(());
        }
        let mut counts = std::collections::BTreeMap::new();
        for record in batch.records().unwrap().iter() {
            let key = record.key().unwrap_or_default();
            let count = counts
                .entry(key.to_vec())
                .or_insert_with(|| number(read(environment, key).as_deref()));
            *count += 1;
            let text = count.to_string();
            let put = op(OpKind::Put, record.row());
            out.push(&Operation { key: Some(key), value: Some(text.as_bytes()), ..put });
            let due = Some(record.timestamp() + gap);
            let set = op(OpKind::SetTimer, record.row());
            out.push(&Operation { key: Some(key), timestamp: due, ..set });
        }
        Ok(())
    })
}

/// Lets the first record of each value through, and forgets a value after `ttl` ms.
pub fn distinct(ttl: i64) -> Native {
    let mut declaration = declare(&["out"]);
    declaration.stores = vec![kv("seen")];
    native(declaration, move |batch, environment, out| {
        let mut seen = std::collections::BTreeSet::new();
        for record in batch.records().unwrap().iter() {
            let value = record.value().unwrap_or_default();
            if seen.contains(value) || read(environment, value).is_some() {
                continue;
            }
            seen.insert(value.to_vec());
            out.forward(record.row() as u32, 0);
            let put = op(OpKind::Put, record.row());
            out.push(&Operation { key: Some(value), value: Some(b"1"), ttl, ..put });
        }
        Ok(())
    })
}

fn window(shape: Shape, assigner: Assigner, grace_ms: i64) -> Option<WindowSpec> {
    Some(WindowSpec { grace_ms, late_output: Some(1), ..WindowSpec::new(assigner, shape) })
}

fn accumulate(out: &mut OperationsBuilder, group: usize, text: &str) {
    out.push(&Operation { value: Some(text.as_bytes()), ..op(OpKind::Accumulator, group) });
}

/// Counts and sums the records of each window and key, record by record.
pub fn window_sums(assigner: Assigner, grace_ms: i64) -> Native {
    let mut declaration = declare(&["out", "late"]);
    declaration.window = window(Shape::Incremental, assigner, grace_ms);
    native(declaration, |batch, _, out| {
        let groups = batch.groups().unwrap();
        let records = groups.records();
        for group in groups.iter() {
            let text = String::from_utf8_lossy(group.accumulator.unwrap_or(b"0 0"));
            let (count, sum) = text.split_once(' ').unwrap();
            let (mut count, mut sum) = (count.parse::<i64>().unwrap(), sum.parse::<i64>().unwrap());
            if batch.kind() == Kind::Finish {
                emit(out, group.index, group.key, &format!("{}: {count} {sum}", group.start));
                continue;
            }
            for row in groups.rows(group.index) {
                if batch.kind() == Kind::Merge {
                    let other = String::from_utf8_lossy(records.value(row).unwrap());
                    let (records, total) = other.split_once(' ').unwrap();
                    count += records.parse::<i64>().unwrap();
                    sum += total.parse::<i64>().unwrap();
                    continue;
                }
                count += 1;
                sum += number(records.value(row));
            }
            let text = format!("{count} {sum}");
            accumulate(out, group.index, &text);
        }
        Ok(())
    })
}

/// As [`window_sums`], but what it makes depends on the order in which records were added and windows
/// were merged.
pub fn window_histories(assigner: Assigner, grace_ms: i64) -> Native {
    let mut declaration = declare(&["out", "late"]);
    declaration.window = window(Shape::Incremental, assigner, grace_ms);
    native(declaration, |batch, _, out| {
        let groups = batch.groups().unwrap();
        let records = groups.records();
        for group in groups.iter() {
            let mut text = String::from_utf8_lossy(group.accumulator.unwrap_or(b"")).into_owned();
            if batch.kind() == Kind::Finish {
                let text =
                    format!("{}..{} #{}: {text}", group.start, group.end, group.pane.number());
                emit(out, group.index, group.key, &text);
                continue;
            }
            for row in groups.rows(group.index) {
                let value = String::from_utf8_lossy(records.value(row).unwrap_or_default());
                text = match batch.kind() {
                    Kind::Merge => format!("({text}|{value})"),
                    _ => format!("{text}{value}"),
                };
            }
            accumulate(out, group.index, &text);
        }
        Ok(())
    })
}

/// Rejects, beside what the function does, every record whose value is 3.
pub fn refusing(function: &Native) -> Native {
    let body = std::sync::Arc::clone(&function.body);
    native(function.declaration.clone(), move |batch, environment, out| {
        body(batch, environment, out)?;
        if batch.kind() == Kind::Accumulate {
            let records = batch.groups().unwrap().records();
            for row in (0..records.len()).filter(|row| records.value(*row) == Some(b"3")) {
                out.push(&Operation { value: Some(b"three"), ..op(OpKind::Reject, row) });
            }
        }
        Ok(())
    })
}

/// The function with its windows changed.
pub fn with_window(function: &Native, change: impl FnOnce(&mut WindowSpec)) -> Native {
    let mut declaration = function.declaration.clone();
    if let Some(spec) = &mut declaration.window {
        change(spec);
    }
    let body = std::sync::Arc::clone(&function.body);
    native(declaration, move |batch, environment, out| body(batch, environment, out))
}

/// Fires after every so many records, and begins anew then where `discard` says so.
pub fn early(function: &Native, records: u64, discard: bool) -> Native {
    with_window(function, |spec| {
        (spec.early_records, spec.discard) = (Some(records), discard);
    })
}

/// Fires what has come with each `every_ms` of event time.
pub fn early_every(function: &Native, every_ms: i64, discard: bool) -> Native {
    with_window(function, |spec| {
        (spec.early_every_ms, spec.discard) = (Some(every_ms), discard);
    })
}

/// Takes records with the header [`MARKER`](super::MARKER) for markers.
pub fn marked(function: &Native) -> Native {
    with_window(function, |spec| spec.marker = Some(super::MARKER.into()))
}

/// The same from whole contents.
pub fn window_contents(assigner: Assigner, grace_ms: i64) -> Native {
    let mut declaration = declare(&["out", "late"]);
    declaration.window = window(Shape::Contents, assigner, grace_ms);
    native(declaration, |batch, _, out| {
        let groups = batch.groups().unwrap();
        for group in groups.iter() {
            let rows: Vec<usize> = groups.rows(group.index).collect();
            let sum: i64 = rows.iter().map(|row| number(groups.records().value(*row))).sum();
            let text = format!("{}: {} {sum}", group.start, rows.len());
            emit(out, group.index, group.key, &text);
        }
        Ok(())
    })
}

/// Traps at each record whose value is 13, as often as it meets it: a poison record.
pub fn poisoned(function: &Native) -> Native {
    let body = std::sync::Arc::clone(&function.body);
    native(function.declaration.clone(), move |batch, environment, out| {
        if batch.kind() == Kind::Records
            && batch.records().unwrap().iter().any(|record| record.value() == Some(b"13"))
        {
            return Err(Fault::new(FaultKind::Trap, "thirteen"));
        }
        body(batch, environment, out)
    })
}

/// Fails in every way that leaves nothing behind: a trap of a batch, a failure that passes.
pub fn shaky(function: &Native, seed: u64) -> Native {
    let body = std::sync::Arc::clone(&function.body);
    let calls = std::sync::atomic::AtomicU64::new(0);
    native(function.declaration.clone(), move |batch, environment, out| {
        let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dice = pelton_engine::random(seed, call, 0) % 16;
        body(batch, environment, out)?;
        let units = match batch.kind() {
            Kind::Records | Kind::Accumulate | Kind::Timers | Kind::Migrate => batch.rows(),
            _ => batch.groups().unwrap().len(),
        };
        let kind = match dice {
            0 if units > 1 => pelton_core::FaultKind::Trap,
            1 if units > 1 => pelton_core::FaultKind::Deadline,
            2 => {
                let fault = Fault::new(pelton_core::FaultKind::Failure, "not now");
                return Err(Fault { retryable: true, ..fault });
            }
            _ => return Ok(()),
        };
        Err(Fault::new(kind, "on purpose"))
    })
}
