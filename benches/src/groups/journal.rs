//! The journal against a file: commits of 1,000 records, and reading them back.

use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use pelton_batch::Batch;
use pelton_journal::{Commit, Config, Journal, SyncMode, TopicConfig, Visibility};
use tempfile::TempDir;

use super::Size;
use crate::measure::{Compared, Cost, Cpu, cost, interleaved};
use crate::table::{Amount, Line};
use crate::workload::{BATCH, batch};

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let (commits, rounds) = (size.pick(20, 500, 500), size.pick(1, 9, 9));
    let bytes = batch();
    let mut lines = Vec::new();
    for (mode, name) in [(SyncMode::Group, "group"), (SyncMode::None, "none")] {
        let synced = mode == SyncMode::Group;
        let compared = interleaved(
            rounds,
            || Ok(append(mode, &bytes, commits)?.0.per(commits)),
            || Ok(raw_append(synced, &bytes, commits)?.0.per(commits)),
        )?;
        let raw = if synced { "write + fdatasync" } else { "write" };
        let what = format!("journal append, `{name}`, commits of 1,000 x 116 B, against {raw}");
        lines.push(line(what, &compared, 1.0, "commits/s"));
    }
    let (_, journal, _directory) = append(SyncMode::None, &bytes, commits)?;
    let (_, raw_directory) = raw_append(false, &bytes, commits)?;
    let raw = raw_directory.path().join("raw");
    let compared = interleaved(
        rounds,
        || Ok(scan(&journal, commits)?.per(commits)),
        || Ok(raw_scan(&raw, bytes.len(), commits)?.per(commits)),
    )?;
    lines.push(line(
        "journal scan, checked, against a raw read".to_owned(),
        &compared,
        BATCH as f64,
        "records/s",
    ));
    Ok(lines)
}

fn line(what: String, compared: &Compared, of: f64, unit: &'static str) -> Line {
    let rate = |cost: Cost| Amount::new(of * 1e9 / cost.wall_ns, unit);
    Line::alone("journal", what, rate(compared.ours))
        .beside(rate(compared.native), 1.0 / compared.wall_ratio)
}

fn append(mode: SyncMode, bytes: &[u8], commits: usize) -> Result<(Cost, Journal, TempDir)> {
    let directory = tempfile::tempdir()?;
    let config = Config { sync_mode: mode, ..Config::default() };
    let journal = Journal::open(directory.path(), config)?;
    let topic = journal.create_topic("default/in", TopicConfig::new(1), 0)?;
    let to = topic.partition(0)?;
    let (cost, done) = cost(Cpu::Process, || -> Result<()> {
        let mut last = 0;
        for at in 0..commits {
            let mut commit = Commit::new(at as i64);
            commit.batch(to, BATCH as u32, at as i64, [bytes]);
            last = journal.append(&mut commit)?;
        }
        Ok(journal.wait_durable(last)?)
    });
    done?;
    Ok((cost, journal, directory))
}

/// Appends to a file; with `synced`, another thread syncs it back to back, and once behind the last
/// write.
fn raw_append(synced: bool, bytes: &[u8], commits: usize) -> Result<(Cost, TempDir)> {
    let directory = tempfile::tempdir()?;
    let mut file = File::create(directory.path().join("raw"))?;
    let other = file.try_clone()?;
    let written = AtomicBool::new(false);
    let sync = || -> std::io::Result<()> {
        while !written.load(Ordering::Acquire) {
            other.sync_data()?;
        }
        other.sync_data()
    };
    let (cost, done) = cost(Cpu::Process, || {
        std::thread::scope(|scope| -> Result<()> {
            let syncing = synced.then(|| scope.spawn(sync));
            let writing = (0..commits).try_for_each(|_| file.write_all(bytes));
            written.store(true, Ordering::Release);
            match syncing.map(std::thread::ScopedJoinHandle::join) {
                Some(Ok(synced)) => synced?,
                Some(Err(_)) => anyhow::bail!("the thread that syncs panicked"),
                None => {}
            }
            Ok(writing?)
        })
    });
    done?;
    Ok((cost, directory))
}

fn scan(journal: &Journal, commits: usize) -> Result<Cost> {
    let topic = journal.topic("default/in")?;
    let from = topic.partition(0)?;
    let (cost, rows) = cost(Cpu::Thread, || -> Result<u64> {
        let mut at = 0;
        while let Some(batch) = from.read(at, Visibility::Appended)? {
            ensure!(Batch::parse(&batch.bytes)?.rows() == batch.rows as usize, "a torn batch");
            at = batch.next_offset();
        }
        Ok(at)
    });
    ensure!(rows? as usize == commits * BATCH, "the scan missed records");
    Ok(cost)
}

fn raw_scan(path: &std::path::Path, size: usize, commits: usize) -> Result<Cost> {
    let mut file = File::open(path).context("the file of the raw append")?;
    let mut buffer = vec![0; size];
    let (cost, done) = cost(Cpu::Thread, || {
        (0..commits).try_for_each(|_| {
            file.read_exact(&mut buffer).map(|()| {
                black_box(&buffer);
            })
        })
    });
    done?;
    Ok(cost)
}
