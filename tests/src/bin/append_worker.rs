//! A process to be cut off from power: appends generated records to a journal for ever, and says on
//! stdout how many of them it was told are durable.
//!
//! `append_worker DIRECTORY group|each|none`
#![allow(clippy::print_stderr, reason = "a test reads it")]

use std::io::Write;

use pelton_batch::RecordsBuilder;
use pelton_core::Result;
use pelton_core::TopicName;
use pelton_server::{LoadOptions, Node, NodeConfig, SyncMode};
use pelton_tests::generator;

fn run(directory: &str, mode: SyncMode) -> Result<()> {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    config.segment_bytes = 256 << 10;
    config.sync_mode = mode;
    let node = Node::open(config)?;
    let topic = TopicName::parse("in").expect("a topic name");
    node.ensure_topic(&topic, 1)?;
    let mut offset = 0;
    for batch in node.read_appended(&topic, 0) {
        let (base, bytes) = batch?;
        offset = base + pelton_batch::Batch::parse(&bytes).map_or(0, |b| b.rows() as u64);
    }
    // Commits and the number of records behind each, of which the oldest are not yet durable.
    let mut waiting = std::collections::VecDeque::new();
    let mut builder = RecordsBuilder::new();
    let mut stdout = std::io::stdout().lock();
    loop {
        for _ in 0..1 + offset % 40 {
            let record = generator::record(0, offset);
            let (key, value) = (record.key.as_bytes(), record.value.as_bytes());
            builder.push(Some(key), Some(value), record.timestamp);
            offset += 1;
        }
        waiting.push_back((node.append(&topic, 0, &mut builder)?, offset));
        let durable = node.journal().durable();
        while let Some((_, records)) = waiting.pop_front_if(|(sequence, _)| *sequence <= durable) {
            if writeln!(stdout, "{records}").and_then(|()| stdout.flush()).is_err() {
                return Ok(());
            }
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, mode] = &arguments[..] else {
        eprintln!("usage: append_worker DIRECTORY group|each|none");
        std::process::exit(2);
    };
    let mode = match mode.as_str() {
        "each" => SyncMode::Each,
        "none" => SyncMode::None,
        _ => SyncMode::Group,
    };
    if let Err(error) = run(directory, mode) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
