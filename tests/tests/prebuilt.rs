//! The checked-in guests do what a fresh build of their source does: the same records in, the same
//! bytes out, dead letters included. Compilers of other releases give other modules, so that it is
//! what they do that is compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, TopicName};
use pelton_server::{DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig, PoisonSpec};
use pelton_tests::generator::records;

/// Enough for some windows, and for some batches.
const RECORDS: u64 = 3_000;
const APPENDED_AT_ONCE: usize = 250;
/// So far apart that days go by.
const STEP_MS: i64 = 20 * 60_000;
const DAY_MS: i64 = 24 * 3_600_000;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples")
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// Everything that a function makes of the generated records, by topic; and the number of records.
fn output(wasm: &[u8]) -> (Vec<(String, Vec<String>)>, usize) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
    config.workers = 1;
    config.segment_bytes = 16 << 20;
    config.load.engine.pooled_instances = 16;
    let node = Node::open(config).unwrap();
    append(&node);
    let id = FunctionId::parse("f").unwrap();
    let mut spec = DeploymentSpec::new(id, vec![InputSpec::new(topic("in"))]);
    spec.bounded = true;
    // The ready-made functions refuse entries that they do not know.
    if slot_of(wasm).is_none() {
        spec.settings.entries.insert("flights-min".into(), "1".into());
    }
    spec.on_poison = PoisonSpec::DeadLetter(topic("dead"));
    let factory = node.load(wasm, &spec).unwrap();
    let mut topics = factory.declaration().outputs.clone();
    for name in &topics {
        spec.outputs.insert(name.clone(), topic(name));
    }
    node.deploy(&spec, factory).unwrap().wait().unwrap();
    node.sync().unwrap();
    topics.push("dead".into());
    let all: Vec<_> = topics.into_iter().map(|name| (name.clone(), read(&node, &name))).collect();
    let sent = all.iter().filter(|(name, _)| name != "dead").map(|(_, records)| records.len());
    let sent = sent.sum();
    (all, sent)
}

fn append(node: &Node) {
    node.ensure_topic(&topic("in"), 1).unwrap();
    let all: Vec<_> = records(0, RECORDS).collect();
    let mut totals: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut time = 0;
    for some in all.chunks(APPENDED_AT_ONCE) {
        let mut builder = RecordsBuilder::new();
        for record in some {
            time += STEP_MS;
            let (flights, cancelled) = totals.entry(&record.key).or_default();
            *flights += 1;
            // Every tenth day is one that stands out.
            *cancelled += u64::from(time / DAY_MS % 10 == 9);
            let more = format!(
                r#"{{"origin":"JFK","flights":{flights},"cancelled":{cancelled},{}"#,
                record.value.strip_prefix('{').unwrap()
            );
            builder.push(Some(record.key.as_bytes()), Some(more.as_bytes()), time);
        }
        node.append(&topic("in"), 0, &mut builder).unwrap();
    }
}

/// The records of a topic, all of each.
fn read(node: &Node, name: &str) -> Vec<String> {
    let mut out = Vec::new();
    for batch in node.read(&topic(name), 0) {
        let (_, bytes) = batch.unwrap();
        for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
            let headers: Vec<_> = record.headers().map(|h| (h.name, h.value)).collect();
            let (key, value, time) = (record.key(), record.value(), record.timestamp());
            out.push(format!("{key:?} {value:?} {time} {headers:?}"));
        }
    }
    out
}

/// Where the module of the ready-made functions is given its name.
fn slot_of(module: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b"pelton:standard-library=";
    Some(module.windows(MARK.len()).position(|bytes| bytes == MARK)? + MARK.len())
}

/// A module. That of the ready-made functions is none before it is given a name.
fn read_guest(file: &Path) -> Vec<u8> {
    let mut module = std::fs::read(file).unwrap();
    if let Some(slot) = slot_of(&module) {
        module[slot..][..5].copy_from_slice(b"count");
    }
    module
}

#[test]
fn checked_in_guests_answer_as_a_fresh_build_of_their_source_does() {
    let mut compared = 0;
    for entry in std::fs::read_dir(examples().join("prebuilt")).unwrap() {
        let prebuilt = entry.unwrap().path();
        if prebuilt.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let name = prebuilt.file_name().unwrap().to_str().unwrap().replace('-', "_");
        let fresh = examples().join("target/wasm32-unknown-unknown/release").join(&name);
        assert!(fresh.exists(), "no {}; `cargo xtask guests` builds it", fresh.display());
        let fresh = read_guest(&fresh);
        let (ours, sent) = output(&read_guest(&prebuilt));
        assert!(sent > 0, "{name} sends nothing, so that nothing is compared");
        let (theirs, _) = output(&fresh);
        for ((topic, ours), (other, theirs)) in ours.iter().zip(&theirs) {
            let differs = ours.iter().zip(theirs).position(|(a, b)| a != b);
            let same = topic == other && ours.len() == theirs.len() && differs.is_none();
            assert!(
                same,
                "{name} is not what its source does: `{topic}` has {} records, of a fresh build \
                 {} (first difference: {differs:?}); run `cargo xtask guests --update`",
                ours.len(),
                theirs.len()
            );
        }
        assert_eq!(ours.len(), theirs.len(), "{name} declares other outputs");
        compared += 1;
    }
    assert!(compared >= 6, "only {compared}");
}
