//! A process to be killed: produces what is missing of its input, runs a function on it, and ends
//! when everything is committed. Started again on the same directory, it goes on.
//!
//! `crash_worker DIRECTORY FUNCTION WASM PARTITIONS RECORDS [POINT N]`: with a point of the journal, the
//! process aborts there at the N-th time.
#![allow(clippy::print_stderr, reason = "a test reads it")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pelton_batch::RecordsBuilder;
use pelton_core::{FunctionId, Result, TopicName};
use pelton_server::{
    Action, DeploymentSpec, Hooks, InputSpec, LoadOptions, Node, NodeConfig, POINTS, SyncMode,
};
use pelton_tests::generator;

struct Arguments {
    directory: PathBuf,
    function: String,
    wasm: PathBuf,
    partitions: u32,
    records: u64,
    crash: Option<(String, u64)>,
}

fn arguments() -> Option<Arguments> {
    let mut all = std::env::args().skip(1);
    let mut parsed = Arguments {
        directory: all.next()?.into(),
        function: all.next()?,
        wasm: all.next()?.into(),
        partitions: all.next()?.parse().ok()?,
        records: all.next()?.parse().ok()?,
        crash: None,
    };
    if let Some(point) = all.next() {
        parsed.crash = Some((point, all.next()?.parse().ok()?));
    }
    Some(parsed)
}

/// Aborts the process at the given point, at the given time.
fn hooks(crash: Option<(String, u64)>) -> Hooks {
    let Some((name, nth)) = crash else { return Hooks::default() };
    let torn = name == "Torn";
    let at = POINTS.iter().copied().find(|point| {
        format!("{point:?}") == name || torn && format!("{point:?}") == "AppendBefore"
    });
    let at = at.expect("a point of the journal, or Torn");
    let seen = AtomicU64::new(0);
    Hooks::new(move |point| {
        if point != at || seen.fetch_add(1, Ordering::SeqCst) + 1 < nth {
            return Action::Continue;
        }
        if torn {
            // Half a frame is written, and the process dies when it is told so.
            return Action::Torn(60);
        }
        std::process::abort()
    })
}

fn produce(node: &Node, input: &TopicName, arguments: &Arguments) -> Result<()> {
    for partition in 0..arguments.partitions {
        let mut have = 0;
        for batch in node.read_appended(input, partition) {
            let (base, bytes) = batch?;
            have = base + pelton_batch::Batch::parse(&bytes).map_or(0, |b| b.rows() as u64);
        }
        let mut builder = RecordsBuilder::new();
        for offset in have..arguments.records {
            let record = generator::record(partition, offset);
            let (key, value) = (record.key.as_bytes(), record.value.as_bytes());
            builder.push(Some(key), Some(value), record.timestamp);
            if builder.len() == 37 || offset + 1 == arguments.records {
                node.append(input, partition, &mut builder)?;
            }
        }
    }
    Ok(())
}

fn spec(function: &str, input: &TopicName) -> Result<DeploymentSpec> {
    let id = FunctionId::parse(function).expect("a function name");
    let mut spec = DeploymentSpec::new(id, vec![InputSpec::new(input.clone())]);
    let outputs: &[&str] = match function {
        "router" => &["departed", "cancelled"],
        "windowed_count" => &["out", "late"],
        _ => &["out"],
    };
    for name in outputs {
        spec.outputs.insert((*name).into(), TopicName::parse(name).expect("a topic name"));
    }
    let size = generator::WINDOW_MS.to_string();
    spec.settings.entries.insert("size-ms".into(), size);
    Ok(spec)
}

fn run(arguments: &Arguments) -> Result<()> {
    let mut config = NodeConfig::new(&arguments.directory, LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    config.sync_mode = SyncMode::Group;
    // Small, so that 6,000 records fill many segments and make many snapshots.
    config.segment_bytes = 256 << 10;
    config.hooks = hooks(arguments.crash.clone());
    let node = Node::open(config)?;
    let input = TopicName::parse("in").expect("a topic name");
    node.ensure_topic(&input, arguments.partitions)?;
    let wasm = std::fs::read(&arguments.wasm).expect("the module is there");
    let mut spec = spec(&arguments.function, &input)?;
    let factory = node.load(&wasm, &spec)?;
    spec.snapshot_after_bytes = 4 << 10;
    // Small calls, so that there are many commits to die at.
    spec.limits.set("batch_records", 200)?;
    // Live first, so that records arrive while it runs; then to the end, so that windows fire.
    let live = node.deploy(&spec, factory.clone())?;
    produce(&node, &input, arguments)?;
    std::thread::park_timeout(Duration::from_millis(5));
    live.stop();
    live.wait()?;
    spec.bounded = true;
    node.deploy(&spec, factory)?.wait()?;
    node.sync()
}

fn main() {
    let Some(arguments) = arguments() else {
        eprintln!("usage: crash_worker DIRECTORY FUNCTION WASM PARTITIONS RECORDS [POINT N]");
        std::process::exit(2);
    };
    if let Err(error) = run(&arguments) {
        eprintln!("{error}");
        // A journal that has stopped leaves nothing to do but to start again.
        std::process::exit(if error.to_string().contains("E-JOURNAL-POISONED") { 77 } else { 1 });
    }
}
