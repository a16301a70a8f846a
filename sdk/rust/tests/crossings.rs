//! What crosses the boundary: as few reads, writes and bytes as can be.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use pelton_core::{Environment, Fault, GuestFactory, LogLevel};
use pelton_sdk::batch::{Batch, Kind, OpKind, RecordsBuilder};
use pelton_sdk::prelude::*;
use pelton_sdk::testing::NativeFunction;

/// A host that counts how often it is asked, and for how many keys.
#[derive(Default)]
struct Counting {
    asked: Mutex<Vec<usize>>,
}

impl Environment for Counting {
    fn get_many(&self, _: u16, keys: &[u8]) -> Result<Vec<u8>, Fault> {
        let rows = Batch::parse(keys).unwrap().rows();
        self.asked.lock().unwrap().push(rows);
        let mut values = RecordsBuilder::new();
        for _ in 0..rows {
            values.push(None, None, 0);
        }
        Ok(values.finish_as(Kind::Values))
    }

    fn scan(&self, _: u16, _: &[u8], _: Option<&[u8]>, _: u32, _: bool) -> Result<Vec<u8>, Fault> {
        unreachable!("nothing here scans")
    }

    fn now(&self, _: u32) -> i64 {
        unreachable!("the time of a record is in its batch")
    }

    fn watermark(&self) -> i64 {
        0
    }

    fn random(&self, row: u32, draw: u32) -> u64 {
        u64::from(row) << 32 | u64::from(draw)
    }

    fn config(&self, _: &str) -> Option<String> {
        None
    }

    fn config_entries(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    fn secret(&self, _: &str) -> Option<String> {
        None
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn counter(&self, _: &str, _: f64) {}

    fn gauge(&self, _: &str, _: f64) {}
}

/// The answer of a function to 1,000 records over ten keys, and what it asked for.
fn call(make: fn() -> Box<dyn pelton_sdk::Function>) -> (Vec<u8>, Vec<usize>) {
    let host = Arc::new(Counting::default());
    let function = NativeFunction::open(make, "default/f", &[], host.clone()).unwrap();
    let mut guest = pollster::block_on(function.instantiate(host.clone())).unwrap();
    let mut records = RecordsBuilder::new();
    for row in 0..1_000 {
        let key = format!("key-{}", row % 10);
        records.push(Some(key.as_bytes()), Some(&vec![b'x'; row]), row as i64);
    }
    let answer = pollster::block_on(guest.call(&records.finish(), host.clone())).unwrap();
    let asked = host.asked.lock().unwrap().clone();
    (answer, asked)
}

mod long {
    pelton_sdk::filter!(|record| record.value_bytes().len() >= 500);
}

#[test]
fn a_filter_answers_row_numbers_and_nothing_else() {
    let (answer, asked) = call(long::function);
    let batch = Batch::parse(&answer).unwrap();
    batch.validate().unwrap();
    let forwards = batch.operations().unwrap().plain_forwards().unwrap();
    assert!(forwards.iter().eq(500..1_000));
    assert_eq!(answer.len(), 16 + 16 + 500 * 4);
    assert!(asked.is_empty());
}

mod counting {
    use super::*;

    struct Count(Store<String, u64>);

    impl Process for Count {
        fn open(setup: &mut Setup<'_>) -> pelton_sdk::Result<Self> {
            Ok(Self(setup.store("counts")))
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> pelton_sdk::Result<()> {
            assert_eq!(ctx.now(), record.timestamp());
            assert_eq!((ctx.random() >> 32, ctx.random() & 0xff), (ctx.now() as u64, 1));
            self.0.update(ctx, record.key_text()?, |count| *count += 1)
        }
    }

    pelton_sdk::process!(Count);
}

#[test]
fn a_call_reads_its_keys_in_one_crossing_and_writes_each_once() {
    let (answer, asked) = call(counting::function);
    assert_eq!(asked, [10]);
    let batch = Batch::parse(&answer).unwrap();
    batch.validate().unwrap();
    let operations: Vec<_> = batch.operations().unwrap().iter().collect();
    assert_eq!(operations.len(), 10);
    for (at, operation) in operations.iter().enumerate() {
        assert_eq!((operation.kind, operation.cause), (OpKind::Put, 990 + at as u32));
        assert_eq!(operation.value, Some(&[100][..]));
    }
}

mod elsewhere {
    use super::*;

    struct Elsewhere(Store<u64, u64>);

    impl Process for Elsewhere {
        fn open(setup: &mut Setup<'_>) -> pelton_sdk::Result<Self> {
            Ok(Self(setup.store("others")))
        }

        fn record(&mut self, record: &Record<'_>, ctx: &mut Context<'_>) -> pelton_sdk::Result<()> {
            if record.timestamp() == 0 {
                self.0.prefetch(ctx, 0..50);
            }
            self.0.get(ctx, record.timestamp() as u64 % 100)?;
            Ok(())
        }
    }

    pelton_sdk::process!(Elsewhere);
}

#[test]
fn other_keys_are_read_once_each_or_ahead_together() {
    let (_, asked) = call(elsewhere::function);
    assert_eq!(asked[0], 50);
    assert_eq!(asked[1..], [1; 50]);
}
