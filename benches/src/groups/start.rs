//! Instances, and how long a function takes from its bytes to its first result.

use std::path::Path;

use anyhow::Result;
use pelton_batch::RecordsBuilder;
use pelton_core::Guest;
use pelton_host::HostEngine;

use super::Size;
use crate::guests;
use crate::measure::{Cpu, cost, median, percentile};
use crate::table::{Amount, Line};

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let engine = guests::engine(100)?;
    let factory = guests::load(&engine, guests::FILTER, None)?;
    let mut times = Vec::new();
    for _ in 0..size.pick(20, 5_000, 5_000) {
        let opening = factory.instance(guests::nothing());
        let (cost, guest) = cost(Cpu::Thread, || pollster::block_on(opening));
        drop(guest?);
        times.push(cost.wall_ns);
    }
    let ns = |value: f64| Amount::new(value, "ns");
    let mut lines = vec![
        Line::alone("start", "instantiate and open, p50", ns(median(times.clone()))),
        Line::alone("start", "instantiate and open, p99", ns(percentile(times, 0.99))),
    ];
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..size.pick(1, 9, 9) {
        let cache = tempfile::tempdir()?;
        cold.push(first_result(&engine, cache.path())?);
        cached.push(first_result(&engine, cache.path())?);
    }
    let what = "bytes to first result, filter, compiled in process";
    lines.push(Line::alone("start", what, ns(median(cold))));
    let what = "bytes to first result, filter, from the cache";
    lines.push(Line::alone("start", what, ns(median(cached))));
    Ok(lines)
}

/// Wall time, ns, from the bytes of a function to what its first call answers.
fn first_result(engine: &HostEngine, cache: &Path) -> Result<f64> {
    let mut builder = RecordsBuilder::new();
    builder.push(Some(b"key"), Some(&[b'x'; 101]), 0);
    let input = builder.finish();
    let (cost, answer) = cost(Cpu::Process, || -> Result<Vec<u8>> {
        let factory = guests::load(engine, guests::FILTER, Some(cache))?;
        let mut guest = pollster::block_on(factory.instance(guests::nothing()))?;
        Ok(pollster::block_on(guest.call(&input, guests::nothing()))?)
    });
    answer.map(|_| cost.wall_ns)
}
