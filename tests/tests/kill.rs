//! `kill -9` at random and at every named point of the journal: what is committed in the end is
//! exactly what a plain recomputation says, nothing lost and nothing twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use pelton_batch::Batch;
use pelton_core::TopicName;
use pelton_server::{LoadOptions, Node, NodeConfig, POINTS, Point};
use pelton_tests::generator;

const PARTITIONS: u32 = 2;
const RECORDS: u64 = 6_000;
/// Kills of each kind of function; `PELTON_KILLS` sets another number.
const KILLS: u64 = 25;

fn module(function: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples");
    let folder = match function {
        // Not checked in: `cargo xtask guests` builds it.
        "reservoir" => "target/wasm32-unknown-unknown/release",
        _ => "prebuilt",
    };
    root.join(folder).join(format!("{function}.wasm"))
}

fn worker(directory: &Path, function: &str, crash: Option<(&str, u64)>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crash_worker"));
    command.arg(directory).arg(function).arg(module(function));
    command.arg(PARTITIONS.to_string()).arg(RECORDS.to_string());
    if let Some((point, nth)) = crash {
        command.arg(point).arg(nth.to_string());
    }
    command
}

/// Lets the worker run until it is done; a journal that was told to stop starts again.
fn finish(directory: &Path, function: &str) {
    let status = worker(directory, function, None).status().unwrap();
    assert!(status.success(), "{function}: {status}");
}

fn topic(node: &Node, name: &str, partition: u32) -> Vec<(String, String, i64)> {
    let mut rows = Vec::new();
    let mut expected = 0;
    for batch in node.read(&TopicName::parse(name).unwrap(), partition) {
        let (base, bytes) = batch.unwrap();
        assert_eq!(base, expected, "offsets have no gap");
        let batch = Batch::parse(&bytes).unwrap();
        batch.validate().unwrap();
        expected += batch.rows() as u64;
        for record in batch.records().unwrap().iter() {
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            rows.push((text(record.key()), text(record.value()), record.timestamp()));
        }
    }
    rows
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// What the reservoir sends: it draws at random, so a run that nobody kills is the measure.
static SAMPLES: OnceLock<Vec<(String, String, i64)>> = OnceLock::new();

fn samples() -> Vec<(String, String, i64)> {
    let directory = tempfile::tempdir().unwrap();
    finish(directory.path(), "reservoir");
    let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    let node = Node::open(config).unwrap();
    let mut all: Vec<_> = (0..PARTITIONS).flat_map(|at| topic(&node, "out", at)).collect();
    assert_eq!(all.len() as u64, u64::from(PARTITIONS) * RECORDS / 100);
    for partition in 0..PARTITIONS {
        let own = format!("p{partition}-");
        let last = all.iter().filter(|(key, ..)| key.starts_with(&own)).max_by_key(|row| row.2);
        assert_eq!(json(&last.unwrap().1)["seen"], RECORDS);
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Compares everything that was committed with a plain recomputation. Outputs are read from the
/// partition that their key belongs to: each input partition has keys of its own.
fn verify(directory: &Path, function: &str) {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    let node = Node::open(config).unwrap();
    let by_key = |mut rows: Vec<(String, String, i64)>| {
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    };
    if function == "reservoir" {
        let all = (0..PARTITIONS).flat_map(|at| topic(&node, "out", at)).collect();
        assert_eq!(by_key(all), *SAMPLES.get_or_init(samples));
        return;
    }
    for partition in 0..PARTITIONS {
        let own = format!("p{partition}-");
        let rows = |name: &str| -> Vec<(String, String, i64)> {
            let all = (0..PARTITIONS).flat_map(|at| topic(&node, name, at));
            all.filter(|(key, ..)| key.starts_with(&own)).collect()
        };
        let input = |keep: &dyn Fn(&generator::Generated) -> bool| {
            let kept = generator::records(partition, RECORDS).filter(|record| keep(record));
            by_key(kept.map(|r| (r.key, r.value, r.timestamp)).collect())
        };
        match function {
            "filter" => assert_eq!(by_key(rows("out")), input(&|r| r.value.len() > 100)),
            "router" => {
                assert_eq!(by_key(rows("departed")), input(&|r| !r.cancelled));
                assert_eq!(by_key(rows("cancelled")), input(&|r| r.cancelled));
            }
            "flights_stats" => {
                let found = by_key(rows("out")).into_iter().map(|(key, value, _)| {
                    let value = json(&value);
                    (key, value["flights"].as_u64().unwrap(), value["cancelled"].as_u64().unwrap())
                });
                let mut expected = generator::running_flights(partition, RECORDS);
                expected.sort_by(|a, b| a.0.cmp(&b.0));
                assert_eq!(found.collect::<Vec<_>>(), expected);
            }
            _ => {
                let mut found: Vec<_> = rows("out")
                    .into_iter()
                    .map(|(key, value, _)| {
                        let value = json(&value);
                        let (start, count) = (&value["start"], &value["count"]);
                        (start.as_i64().unwrap(), key, count.as_u64().unwrap())
                    })
                    .collect();
                found.sort();
                assert_eq!(found, generator::window_counts(partition, RECORDS));
                assert!(rows("late").is_empty());
            }
        }
    }
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn kill_after(child: &mut Child, wait: Duration) -> Option<ExitStatus> {
    std::thread::park_timeout(wait);
    if let Some(status) = child.try_wait().unwrap() {
        return Some(status);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Kills the worker at random until it has been killed often enough; where it ends before, it
/// starts on a fresh directory. Verifies each directory.
fn kill_at_random(function: &str) {
    let kills = std::env::var("PELTON_KILLS").ok().and_then(|text| text.parse().ok());
    let kills = kills.unwrap_or(KILLS);
    let mut seed = 42;
    let mut killed = 0;
    while killed < kills {
        let directory = tempfile::tempdir().unwrap();
        // The first kills of a directory come early, so that there are many.
        loop {
            let mut child = worker(directory.path(), function, None).spawn().unwrap();
            let wait = Duration::from_millis(20 + random(&mut seed) % 180);
            match kill_after(&mut child, wait) {
                Some(status) => {
                    assert!(status.success(), "{function}: {status}");
                    break;
                }
                None => killed += 1,
            }
            if killed >= kills {
                finish(directory.path(), function);
                break;
            }
        }
        verify(directory.path(), function);
    }
}

#[test]
fn a_stateless_function_that_is_killed_loses_and_repeats_nothing() {
    kill_at_random("filter");
}

#[test]
fn a_keyed_function_that_is_killed_loses_and_repeats_nothing() {
    kill_at_random("flights_stats");
}

#[test]
fn a_windowed_function_that_is_killed_loses_and_repeats_nothing() {
    kill_at_random("windowed_count");
}

#[test]
fn a_function_with_several_outputs_that_is_killed_loses_and_repeats_nothing() {
    kill_at_random("router");
}

#[test]
fn a_function_that_saves_its_memory_and_is_killed_loses_and_repeats_nothing() {
    kill_at_random("reservoir");
}

/// Points that this worker passes, and the times at which it dies there. `SegmentRemove` is not
/// among them: nothing here is old enough to go (the journal's own model test has it).
fn deaths(function: &str) -> Vec<(String, u64)> {
    let mut deaths = vec![("Torn".to_string(), 1), ("Torn".to_string(), 7)];
    for point in POINTS {
        // Only these keep enough state for a snapshot.
        let has_snapshots = ["flights_stats", "windowed_count"].contains(&function);
        let times: &[u64] = match point {
            Point::AppendBefore | Point::AppendAfter => &[1, 7, 60],
            Point::SyncBefore | Point::SyncAfter | Point::Roll | Point::SidecarWrite => &[1, 2],
            Point::SnapshotWrite | Point::SnapshotRename | Point::SnapshotPublish => {
                if has_snapshots {
                    &[1, 2]
                } else {
                    &[]
                }
            }
            Point::SegmentRemove => &[],
        };
        deaths.extend(times.iter().map(|time| (format!("{point:?}"), *time)));
    }
    deaths
}

/// The process dies at the point, and the one that starts again dies there too, if it comes there;
/// the third goes through.
fn die_at_every_point(function: &str) {
    for (point, nth) in deaths(function) {
        let directory = tempfile::tempdir().unwrap();
        let die = || {
            let mut dying = worker(directory.path(), function, Some((&point, nth)));
            dying.stderr(Stdio::null()).status().unwrap()
        };
        let first = die();
        // Aborted, or told by the journal that a frame was torn.
        let died = first.code().is_none() || first.code() == Some(77);
        // How many snapshots there are depends on the speed of the disk: one is certain.
        let may_live = nth > 1 && point.starts_with("Snapshot") && first.success();
        assert!(died || may_live, "{function} did not die at {point} {nth}: {first}");
        die();
        finish(directory.path(), function);
        verify(directory.path(), function);
    }
}

#[test]
fn a_stateless_function_dies_at_any_point_and_loses_and_repeats_nothing() {
    die_at_every_point("filter");
}

#[test]
fn a_keyed_function_dies_at_any_point_and_loses_and_repeats_nothing() {
    die_at_every_point("flights_stats");
}

#[test]
fn a_windowed_function_dies_at_any_point_and_loses_and_repeats_nothing() {
    die_at_every_point("windowed_count");
}

#[test]
fn a_function_that_saves_its_memory_dies_at_any_point_and_loses_and_repeats_nothing() {
    die_at_every_point("reservoir");
}

#[test]
fn a_function_with_several_outputs_dies_at_any_point_and_loses_and_repeats_nothing() {
    die_at_every_point("router");
}
