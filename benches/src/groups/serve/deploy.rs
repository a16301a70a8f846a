//! From a deployment to its first output.

use std::time::{Duration, Instant};

use anyhow::Result;
use pelton_batch::RecordsBuilder;

use super::super::Size;
use super::super::paced::{consume, consumer};
use super::super::rig::topic;
use super::{Host, manifest};
use crate::guests;
use crate::measure::median;
use crate::table::{Amount, Line};

/// A record waits on the topic; the clock runs from the module's bytes until its output is durable.
pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let mut times = Vec::new();
    for _ in 0..size.pick(1, 9, 9) {
        let directory = tempfile::tempdir()?;
        let host = Host::open(directory.path())?;
        let node = host.functions.node();
        for name in ["in", "out"] {
            node.ensure_topic(&topic(name)?, 1)?;
        }
        let mut builder = RecordsBuilder::new();
        builder.push(Some(b"key"), Some(&[0; 101]), 0);
        node.append(&topic("in")?, 0, &mut builder)?;
        let start = Instant::now();
        host.deploy(&manifest("first"), guests::FILTER, Duration::ZERO)?;
        consume(&mut consumer(node)?, start, 1)?;
        times.push(start.elapsed().as_nanos() as f64);
        host.runtime.block_on(host.functions.drain());
    }
    let what = "deploy until its first output is durable, filter, compiled in process";
    Ok(vec![Line::alone("serve", what, Amount::new(median(times), "ns"))])
}
