//! From a producer through a function to a consumer, at 50,000 records a second on one node.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{Source, Start, TopicPartition};
use pelton_journal::Visibility;
use pelton_journal::adapter::JournalSource;
use pelton_server::SyncMode;

use super::Size;
use super::rig::{Rig, topic};
use crate::guests;
use crate::measure::percentile;
use crate::table::{Amount, Line};

/// Records of a batch; one goes out each ms.
const RECORDS_A_MS: usize = 50;

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let millis = size.pick(200, 10_000, 10_000);
    let mut lines = Vec::new();
    let modes =
        [(SyncMode::None, "none", ("2 ms", "1 ms")), (SyncMode::Group, "group", ("15 ms", "8 ms"))];
    for (mode, name, (floor, aim)) in modes {
        let times = through(mode, millis)?;
        let line = |name: String, share| {
            let what = format!("produce -> filter -> consume at 50k records/s, {name}");
            Line::alone("latency", what, Amount::new(percentile(times.clone(), share), "ns"))
        };
        lines.push(line(format!("`{name}`, p50"), 0.5));
        lines.push(line(format!("`{name}`, p99"), 0.99).held_to(floor, aim));
    }
    Ok(lines)
}

/// For each record the time from before it is appended until a consumer of the output has it, ns.
fn through(mode: SyncMode, millis: usize) -> Result<Vec<f64>> {
    let rig = Rig::new(mode, 10)?;
    let spec = rig.spec(&[], &["out"])?;
    let factory = rig.load(guests::FILTER, &spec)?;
    let deployment = rig.node.deploy(&spec, factory)?;
    let mut out = JournalSource::new(Arc::clone(rig.node.journal()), Visibility::Durable);
    out.assign(&[(TopicPartition::local(topic("out")?, 0), Start::Earliest)])?;
    let start = Instant::now();
    let times = std::thread::scope(|scope| -> Result<Vec<f64>> {
        let producer = scope.spawn(|| produce(&rig, start, millis));
        let times = consume(&mut out, start, millis * RECORDS_A_MS);
        match producer.join() {
            Ok(produced) => produced.and(times),
            Err(_) => anyhow::bail!("the producer panicked"),
        }
    })?;
    deployment.stop();
    deployment.wait()?;
    // What warms up is not what runs.
    Ok(times[times.len() / 10..].to_vec())
}

/// Appends a batch each ms; the value of a record starts with the time at which its batch was due.
#[expect(clippy::disallowed_methods, reason = "the pace of the records is what is asked for")]
fn produce(rig: &Rig, start: Instant, millis: usize) -> Result<()> {
    let (to, mut builder) = (topic("in")?, RecordsBuilder::new());
    let mut value = [b'x'; 101];
    for milli in 0..millis {
        let due = Duration::from_millis(milli as u64);
        if let Some(wait) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(wait);
        }
        value[..8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_le_bytes());
        for record in 0..RECORDS_A_MS {
            builder.push(Some(format!("{record:016}").as_bytes()), Some(&value), milli as i64);
        }
        rig.node.append(&to, 0, &mut builder)?;
    }
    Ok(())
}

fn consume(out: &mut JournalSource, start: Instant, count: usize) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        pollster::block_on(poll_fn(|context| out.poll_ready(context)));
        while let Some(fetch) = out.fetch(0)? {
            let now = start.elapsed().as_nanos() as u64;
            for record in Batch::parse(&fetch.batch)?.records()?.iter() {
                let stamp = record.value().and_then(|value| value.first_chunk());
                ensure!(stamp.is_some(), "a record lost its value");
                let sent = u64::from_le_bytes(stamp.copied().unwrap_or_default());
                times.push(now.saturating_sub(sent) as f64);
            }
        }
    }
    Ok(times)
}
