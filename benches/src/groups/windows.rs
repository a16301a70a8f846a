//! Windows of every kind, panes, timers: on a node, durable, as in `engine`.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use pelton_core::window::Window;
use pelton_state::{StateLayout, TaskState};

use super::Size;
use super::rig::Work;
use crate::guests::{CONTENTS, TIMERS, WINDOWED_COUNT, WINDOWS};
use crate::measure::{interleaved, median, resident_bytes};
use crate::table::{Amount, Line};
use crate::workload::{Owned, key, records};

/// Keys of the counts: two records each ms give each key one in five seconds.
const KEYS: u64 = 10_000;

pub(super) fn run(size: Size) -> Result<Vec<Line>> {
    let input = records(size.pick(20_000, 200_000, 1_000_000), KEYS);
    let mut lines = vec![catch_up(&input, size)?];
    for (kind, what) in [
        ("hopping", "a minute every quarter of one"),
        ("sliding", "sliding over ten seconds"),
        ("session", "sessions with a gap of five seconds"),
    ] {
        let settings = [("windows", kind)];
        let input = (work(WINDOWS, &settings), &input[..]);
        lines.push(line(&format!("count by key: {what}"), input, size)?);
    }
    lines.push(line(
        "count by key and minute: whole contents",
        (work(CONTENTS, &[]), &input),
        size,
    )?);
    let hour = Work { outputs: &["out", "late"], ..work(WINDOWED_COUNT, &[]) };
    let panes = many_keys(size.pick(20_000, 1_000_000, 1_000_000));
    lines.push(line("count by key: each record opens a pane of its own", (hour, &panes), size)?);
    lines.push(memory(size.pick(10_000, 1_000_000, 1_000_000))?);
    for (round, what) in [("1000", "by the second"), ("100", "by the tenth"), ("1", "by the ms")] {
        lines.push(timers(what, round, &input, size)?);
    }
    Ok(lines)
}

fn work<'a>(wasm: &'a [u8], settings: &'a [(&'a str, &'a str)]) -> Work<'a> {
    Work { wasm, settings, outputs: &["out"], pooled: 10 }
}

/// The minute's count that the others are compared with.
const TUMBLING: Work<'_> =
    Work { wasm: WINDOWS, settings: &[("windows", "tumbling")], outputs: &["out"], pooled: 10 };

/// Records with a key of their own each.
fn many_keys(count: usize) -> Vec<Owned> {
    let numbered = records(count, 1).into_iter().enumerate();
    numbered.map(|(number, record)| Owned { key: key(number as u64), ..record }).collect()
}

fn rate(ns: f64) -> Amount {
    Amount::new(1e9 / ns, "records/s")
}

/// By the clock on the wall, with one worker: what was on the topic before.
fn catch_up(input: &[Owned], size: Size) -> Result<Line> {
    let rounds = 0..size.pick(1, 3, 5);
    let walls = rounds.map(|_| Ok(TUMBLING.on_node(input)?.0.wall_ns));
    let each = median(walls.collect::<Result<_>>()?);
    let what = "count by key and minute: catching up, wall clock, one worker";
    Ok(Line::alone("windows", what, rate(each)))
}

/// Records a second and core, beside those of the minute's count.
fn line(what: &str, (work, input): (Work<'_>, &[Owned]), size: Size) -> Result<Line> {
    let (_, rig) = work.on_node(input)?;
    ensure!(!rig.outputs()?.is_empty(), "{what}: nothing came out");
    drop(rig);
    let compared = interleaved(
        size.pick(1, 3, 5),
        || Ok(work.on_node(input)?.0),
        || Ok(TUMBLING.on_node(input)?.0),
    )?;
    let line = Line::alone("windows", what, rate(compared.ours.cpu_ns));
    Ok(line.beside(rate(compared.native.cpu_ns), 1.0 / compared.cpu_ratio))
}

/// A record that sets a timer, which fires: beside one that sets none.
fn timers(what: &str, round_ms: &str, input: &[Owned], size: Size) -> Result<Line> {
    let settings = [("round-ms", round_ms)];
    let compared = interleaved(
        size.pick(1, 3, 5),
        || Ok(work(TIMERS, &settings).on_node(input)?.0),
        || Ok(work(TIMERS, &[]).on_node(input)?.0),
    )?;
    let each = |ns| Amount::new(ns, "ns");
    let what = format!("a record that sets a timer, due {what}");
    let line = Line::alone("windows", what, each(compared.ours.cpu_ns));
    Ok(line.beside(each(compared.native.cpu_ns), compared.cpu_ratio))
}

/// Opens panes in a process of its own, where nobody else takes memory.
fn memory(count: u64) -> Result<Line> {
    let program = std::env::current_exe()?;
    let output = Command::new(program).arg("--open-panes").arg(count.to_string()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes: f64 = serde_json::from_slice(&output.stdout).context("bytes")?;
    let what = format!("memory of each of {count} open panes, key of 16 B");
    Ok(Line::alone("windows", what, Amount::new(bytes / count as f64, "B")))
}

/// Opens panes of one window, with a count in each, as a task does: a thousand a call.
pub(super) fn open_panes(count: u64) -> Result<f64> {
    let layout = StateLayout { key_windows: true, ..StateLayout::default() };
    let mut state = TaskState::new(layout);
    let window = Window { start: 0, end: 3_600_000 };
    let before = resident_bytes()?;
    for first in (0..count).step_by(1_000) {
        state.begin();
        for number in first..count.min(first + 1_000) {
            state.put_pane(window, Some(&key(number)), &[1], 1)?;
        }
        state.accept();
        drop(state.take_changes());
    }
    Ok(resident_bytes()? - before)
}
