//! Many functions that have nothing to do: what they take and how soon they are there.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::super::Size;
use super::super::rig::topic;
use super::{Host, manifest};
use crate::guests;
use crate::measure::resident_bytes;
use crate::table::{Amount, Line};

/// Deploys them, then starts them in a process of its own, where nobody else takes memory.
pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let count = size.pick(10, 1_000, 1_000);
    let directory = tempfile::tempdir()?;
    let host = Host::open(directory.path())?;
    for name in ["in", "out"] {
        host.functions.node().ensure_topic(&topic(name)?, 1)?;
    }
    for number in 0..count {
        host.deploy(&manifest(&format!("idle-{number}")), guests::FILTER, Duration::ZERO)?;
    }
    host.runtime.block_on(host.functions.drain());
    drop(host);
    let program = std::env::current_exe()?;
    let output = Command::new(program).arg("--start-idle").arg(directory.path()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (ns, bytes): (f64, f64) = serde_json::from_slice(&output.stdout)?;
    let name = format!("{count} idle functions of one module");
    let each = Amount::new(bytes / count as f64, "B");
    Ok(vec![
        Line::alone("serve", format!("{name}, started"), Amount::new(ns, "ns")),
        Line::alone("serve", format!("{name}, memory of each"), each),
    ])
}

/// Starts what is deployed in `directory`. Answers the wall time, ns, and by how much the resident
/// memory of the process grew, bytes.
///
/// # Errors
/// Where the directory cannot be opened.
pub(crate) fn start_idle(directory: &Path) -> Result<(f64, f64)> {
    let host = Host::open(directory)?;
    let before = resident_bytes()?;
    let start = Instant::now();
    host.runtime.block_on(host.functions.start_all())?;
    let ns = start.elapsed().as_nanos() as f64;
    Ok((ns, resident_bytes()? - before))
}
