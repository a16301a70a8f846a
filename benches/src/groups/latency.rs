//! From a producer through a function to a consumer, at fixed rates on one node.

use std::time::Instant;

use anyhow::Result;
use pelton_server::SyncMode;

use super::Size;
use super::paced::{Seen, consume, consumer, produce};
use super::rig::Rig;
use crate::guests;
use crate::measure::percentile;
use crate::table::{Amount, Line};

/// Records of a batch, one batch each ms; what the rate is called; and whether the design holds the
/// 99th percentile of this rate to something.
const RATES: [(usize, &str, bool); 2] = [(1, "1k", false), (50, "50k", true)];

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let millis = size.pick(200, 10_000, 10_000);
    let mut lines = Vec::new();
    let modes =
        [(SyncMode::None, "none", ("2 ms", "1 ms")), (SyncMode::Group, "group", ("15 ms", "8 ms"))];
    for (mode, name, (floor, aim)) in modes {
        for (records_a_ms, rate, held) in RATES {
            let times = through(mode, millis, records_a_ms)?;
            for (share, percentile_name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
                let what = format!(
                    "produce -> filter -> consume at {rate} records/s, `{name}`, {percentile_name}"
                );
                let time = Amount::new(percentile(times.clone(), share), "ns");
                let line = Line::alone("latency", what, time);
                lines.push(if held && share == 0.99 { line.held_to(floor, aim) } else { line });
            }
        }
    }
    Ok(lines)
}

/// For each record the time from before it is appended until a consumer of the output has it, ns.
fn through(mode: SyncMode, millis: usize, records_a_ms: usize) -> Result<Vec<f64>> {
    let rig = Rig::new(mode, 10)?;
    let spec = rig.spec(&[], &["out"])?;
    let factory = rig.load(guests::FILTER, &spec)?;
    let deployment = rig.node.deploy(&spec, factory)?;
    let mut out = consumer(&rig.node)?;
    let start = Instant::now();
    let seen = std::thread::scope(|scope| -> Result<Vec<Seen>> {
        let producer = scope.spawn(|| produce(&rig.node, start, millis, records_a_ms));
        let seen = consume(&mut out, start, millis * records_a_ms);
        match producer.join() {
            Ok(produced) => produced.and(seen),
            Err(_) => anyhow::bail!("the producer panicked"),
        }
    })?;
    deployment.stop();
    deployment.wait()?;
    // What warms up is not what runs.
    Ok(seen[seen.len() / 10..].iter().map(|seen| seen.took_ns).collect())
}
