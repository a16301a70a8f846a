//! A guest call: the filter over batches of several sizes, against the same filter native.

use std::hint::black_box;

use anyhow::Result;
use pelton_batch::layout::{self, Column, tag};
use pelton_batch::{Batch, Kind, RecordsBuilder};
use pelton_core::{Guest, SharedEnvironment};
use pelton_host::WasmGuest;

use super::Size;
use crate::guests;
use crate::measure::{Cpu, cost, interleaved};
use crate::table::{Amount, Line};
use crate::workload::Numbers;

const SIZES: [usize; 4] = [1, 16, 256, 4_096];

/// A batch whose values are of 100 or 101 bytes, half of each, in no order.
fn input(rows: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(2);
    let mut builder = RecordsBuilder::new();
    for row in 0..rows {
        let value = vec![b'x'; 100 + numbers.below(2) as usize];
        builder.push(Some(format!("{row:016}").as_bytes()), Some(&value), row as i64);
    }
    builder.finish()
}

/// What the SDK's `filter` does, line by line: which rows are kept, and a list of forwards of them.
fn native(input: &[u8], kept: &mut Vec<u8>) -> Result<Vec<u8>> {
    let records = Batch::parse(input)?.records()?;
    kept.resize(records.len() * 4, 0);
    let mut end = 0;
    for record in records.iter() {
        if let Some(slot) = kept.get_mut(end..end + 4) {
            slot.copy_from_slice(&(record.row() as u32).to_le_bytes());
        }
        end += usize::from(record.value().unwrap_or_default().len() > 100) * 4;
    }
    let mut answer = Vec::new();
    let causes = Column { tag: tag::CAUSE, width: 4, bytes: &kept[..end] };
    layout::write(Kind::Operations, end as u32 / 4, &[causes], &mut answer);
    Ok(answer)
}

fn call(guest: &mut WasmGuest, input: &[u8], environment: &SharedEnvironment) -> Result<Vec<u8>> {
    Ok(pollster::block_on(guest.call(input, environment.clone()))?)
}

fn instance(pooled: u32) -> Result<WasmGuest> {
    let factory = guests::load(&guests::engine(pooled)?, guests::FILTER, None)?;
    Ok(pollster::block_on(factory.instance(guests::nothing()))?)
}

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let mut guest = instance(10)?;
    let environment = guests::nothing();
    SIZES.iter().map(|rows| line(*rows, &mut guest, &environment, size)).collect()
}

fn line(
    rows: usize,
    guest: &mut WasmGuest,
    environment: &SharedEnvironment,
    size: Size,
) -> Result<Line> {
    let input = input(rows);
    let mut kept = Vec::new();
    let expected = native(&input, &mut kept)?;
    anyhow::ensure!(call(guest, &input, environment)? == expected, "guest and native differ");
    let calls = size.pick(10_000, 2_000_000, 2_000_000) / (rows + 50);
    let compared = interleaved(
        size.pick(1, 21, 21),
        || {
            let (cost, done) = cost(Cpu::Thread, || {
                (0..calls).try_for_each(|_| {
                    call(guest, black_box(&input), environment).map(|answer| {
                        black_box(answer);
                    })
                })
            });
            done.map(|()| cost.per(calls))
        },
        || {
            let (cost, done) = cost(Cpu::Thread, || {
                (0..calls).try_for_each(|_| {
                    native(black_box(&input), &mut kept).map(|answer| {
                        black_box(answer);
                    })
                })
            });
            done.map(|()| cost.per(calls))
        },
    )?;
    let per_record = |ns: f64| Amount::new(ns / rows as f64, "ns");
    let what = format!("guest call: filter, {rows} x 100 B, a record");
    let line = Line::alone("call", what, per_record(compared.ours.cpu_ns))
        .beside(per_record(compared.native.cpu_ns), compared.cpu_ratio);
    Ok(if rows == 256 { line.held_to("4", "2") } else { line })
}

pub(super) fn fixed(rows: usize, calls: usize) -> Result<()> {
    let mut guest = instance(0)?;
    let (input, environment) = (input(rows), guests::nothing());
    (0..calls).try_for_each(|_| call(&mut guest, &input, &environment).map(drop))
}

pub(super) fn fixed_native(calls: usize) -> Result<()> {
    let (input, mut kept) = (input(256), Vec::new());
    (0..calls).try_for_each(|_| native(&input, &mut kept).map(drop))
}
