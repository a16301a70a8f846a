//! Functions on a node, durable, against the same in plain Rust over records in memory.
//!
//! The input is on the topic before the clock starts. It stops when everything that came out is
//! durable. All CPU time of the process counts: worker, sync thread, ticker.

use std::hint::black_box;

use anyhow::{Result, ensure};
use pelton_server::SyncMode;

use super::rig::{Rig, Work};
use super::{Size, plain};
use crate::guests;
use crate::measure::{Cost, Cpu, cost, interleaved};
use crate::table::{Amount, Line};
use crate::workload::{Owned, records};

/// Keys of the counts.
const KEYS: u64 = 10_000;

/// A function and its plain twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    FilterMap,
    KeyedCount,
    MinuteCount,
    /// The same against a tuned hash function.
    MinuteCountTuned,
}

impl Job {
    fn is_windowed(self) -> bool {
        matches!(self, Self::MinuteCount | Self::MinuteCountTuned)
    }

    fn wasm(self) -> &'static [u8] {
        match self {
            Self::FilterMap => guests::FILTER_MAP,
            Self::KeyedCount => guests::KEYED_COUNT,
            Self::MinuteCount | Self::MinuteCountTuned => guests::WINDOWED_COUNT,
        }
    }

    fn settings(self) -> (&'static [(&'static str, &'static str)], &'static [&'static str]) {
        match self {
            Self::FilterMap | Self::KeyedCount => (&[], &["out"]),
            Self::MinuteCount | Self::MinuteCountTuned => {
                (&[("size-ms", "60000")], &["out", "late"])
            }
        }
    }

    fn plain(self, records: &[Owned], emit: impl FnMut(Owned)) {
        match self {
            Self::FilterMap => plain::filter_map(records, emit),
            Self::KeyedCount => plain::keyed_count(records, emit),
            Self::MinuteCount => plain::minute_count(records, emit),
            Self::MinuteCountTuned => plain::minute_count_tuned(records, emit),
        }
    }

    fn line(self, ours: f64) -> Line {
        let what = match self {
            Self::FilterMap => "filter+map, durable, records/s per core",
            Self::KeyedCount => "count by key (10,000), durable, records/s per core",
            Self::MinuteCount => "count by key and minute, durable, records/s per core",
            Self::MinuteCountTuned => "the same, native with foldhash instead of std's hash",
        };
        let rate = |ns: f64| Amount::new(1e9 / ns, "records/s");
        let line = Line::alone("engine", what, rate(ours));
        match self {
            Self::FilterMap => line.held_to("0.2", "0.5"),
            Self::KeyedCount | Self::MinuteCountTuned => line,
            Self::MinuteCount => line.held_to("0.13", "0.45"),
        }
    }
}

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let records = records(size.pick(20_000, 1_000_000, 1_000_000), KEYS);
    let jobs = [Job::FilterMap, Job::KeyedCount, Job::MinuteCount, Job::MinuteCountTuned];
    jobs.into_iter().map(|job| line(job, &records, size)).collect()
}

fn line(job: Job, records: &[Owned], size: Size) -> Result<Line> {
    let rig = on_node(job, records, 10)?.1;
    let (mut ours, mut native) = (rig.outputs()?, Vec::new());
    job.plain(records, |record| native.push(record));
    if job.is_windowed() {
        // Plain Rust empties its map in any order.
        let order = |record: &Owned| (record.timestamp, record.key.clone());
        ours.sort_by_cached_key(order);
        native.sort_by_cached_key(order);
    }
    ensure!(ours == native, "{job:?}: the node and plain Rust differ");
    drop((rig, ours, native));
    let compared = interleaved(
        size.pick(1, 7, 7),
        || Ok(on_node(job, records, 10)?.0),
        || {
            let emit = |record| drop(black_box(record));
            let (cost, ()) = cost(Cpu::Thread, || job.plain(black_box(records), emit));
            Ok(cost.per(records.len()))
        },
    )?;
    let (ours, native) = (compared.ours.cpu_ns, compared.native.cpu_ns);
    let rate = Amount::new(1e9 / native, "records/s");
    Ok(job.line(ours).beside(rate, 1.0 / compared.cpu_ratio))
}

/// What a record takes on a node, and the node.
fn on_node(job: Job, records: &[Owned], pooled: u32) -> Result<(Cost, Rig)> {
    let (settings, outputs) = job.settings();
    let work = Work { wasm: job.wasm(), settings, outputs, pooled };
    work.on_node(records)
}

pub(super) fn fixed(job: Job, count: usize) -> Result<()> {
    on_node(job, &records(count, KEYS), 0).map(drop)
}

/// What [`fixed`] does before the function runs.
pub(super) fn fixed_append(count: usize) -> Result<()> {
    Rig::new(SyncMode::Group, 0)?.append(&records(count, KEYS))
}
