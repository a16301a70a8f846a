//! How long records wait while a function is swapped under load.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pelton_server::functions::Outcome;

use super::super::Size;
use super::super::paced::{Seen, consume, consumer, produce};
use super::super::rig::topic;
use super::{Host, manifest};
use crate::guests;
use crate::measure::percentile;
use crate::table::{Amount, Line};

/// Records of a batch, one batch each ms.
const RECORDS_A_MS: usize = 50;
/// From one swap to the next.
const SWAP_EVERY: Duration = Duration::from_millis(100);
/// What came until this long after a swap waited for it, if for anything.
const AFTER: Duration = Duration::from_millis(20);
/// Longest wait for a version's trial.
const TRIAL: Duration = Duration::from_secs(10);

/// For each swap the longest time that a record took, beside the same of as long times between.
pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let swaps = size.pick(2, 100, 100);
    let directory = tempfile::tempdir()?;
    let host = Host::open(directory.path())?;
    for name in ["in", "out"] {
        host.functions.node().ensure_topic(&topic(name)?, 1)?;
    }
    host.deploy(&version(0), guests::FILTER, Duration::ZERO)?;
    let (seen, times) = under_load(&host, swaps)?;
    let (mut swapped, mut quiet) = (Vec::new(), Vec::new());
    for (from, until) in times {
        let (length, half) = (until - from, SWAP_EVERY.as_nanos() as f64 / 2.0);
        swapped.push(longest(&seen, from, until));
        quiet.push(longest(&seen, from + half, from + half + length.min(half)));
    }
    host.runtime.block_on(host.functions.drain());
    let line = |name: &str, share| {
        let what = format!("longest wait of a record around a live swap at 50k records/s, {name}");
        let ours = percentile(swapped.clone(), share);
        let plain = percentile(quiet.clone(), share).max(1.0);
        Line::alone("serve", what, Amount::new(ours, "ns"))
            .beside(Amount::new(plain, "ns"), ours / plain)
    };
    Ok(vec![line("p50", 0.5), line("p99", 0.99)])
}

/// From when until when, ns from the start.
type Span = (f64, f64);

/// What the consumer saw, and from when until when each swap could be felt, ns.
fn under_load(host: &Host, swaps: usize) -> Result<(Vec<Seen>, Vec<Span>)> {
    let millis = (swaps + 2) * SWAP_EVERY.as_millis() as usize;
    let node = host.functions.node();
    let mut out = consumer(node)?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce(node, start, millis, RECORDS_A_MS));
        let swapper = scope.spawn(|| swap(host, start, swaps));
        let seen = consume(&mut out, start, millis * RECORDS_A_MS)?;
        match (producer.join(), swapper.join()) {
            (Ok(produced), Ok(times)) => produced.and(Ok((seen, times?))),
            _ => bail!("a thread panicked"),
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "the pace of the swaps is what is asked for")]
fn swap(host: &Host, start: Instant, swaps: usize) -> Result<Vec<Span>> {
    let mut times = Vec::new();
    for number in 1..=swaps {
        let due = SWAP_EVERY * number as u32;
        if let Some(wait) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(wait);
        }
        let from = start.elapsed();
        let report = host.deploy(&version(number), guests::FILTER, TRIAL)?;
        ensure!(report.outcome == Outcome::Swapped, "no live swap: {:?}", report.outcome);
        let until = start.elapsed() + AFTER;
        times.push((from.as_nanos() as f64, until.as_nanos() as f64));
    }
    Ok(times)
}

/// The same function with another configuration is another version.
fn version(number: usize) -> String {
    format!("{}[config]\nnumber = \"{number}\"\n", manifest("swapped"))
}

fn longest(seen: &[Seen], from: f64, until: f64) -> f64 {
    let within = seen.iter().filter(|seen| (from..until).contains(&seen.at_ns));
    within.map(|seen| seen.took_ns).fold(0.0, f64::max)
}
