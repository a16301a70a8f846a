//! A function that misbehaves, through host, engine and journal, beside one that does not: the record
//! at fault is a dead letter with its code, its neighbours in the same batch are not, and the other
//! function notices nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, TopicName};
use pelton_server::{
    Deployment, DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig, PoisonSpec,
};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples")
}

fn module(path: &str) -> Vec<u8> {
    let path = examples().join(path);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask guests` builds it", path.display())
    })
}

struct World {
    node: Node,
    _directory: tempfile::TempDir,
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

impl World {
    /// One worker, so that the two functions have to share it.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
        config.workers = 1;
        config.segment_bytes = 16 << 20;
        config.load.engine.pooled_instances = 16;
        Self { node: Node::open(config).unwrap(), _directory: directory }
    }

    fn append(&self, name: &str, values: &[&str]) {
        self.node.ensure_topic(&topic(name), 1).unwrap();
        let mut builder = RecordsBuilder::new();
        for (at, value) in values.iter().enumerate() {
            builder.push(Some(b"k"), Some(value.as_bytes()), at as i64);
        }
        self.node.append(&topic(name), 0, &mut builder).unwrap();
    }

    fn deploy(&self, function: &str, wasm: &[u8], input: &str, outputs: &[&str]) -> Deployment {
        let id = FunctionId::parse(function).unwrap();
        let mut spec = DeploymentSpec::new(id, vec![InputSpec::new(topic(input))]);
        spec.bounded = true;
        spec.on_poison = PoisonSpec::DeadLetter(topic(&format!("{function}-dead")));
        for name in outputs {
            spec.outputs.insert((*name).into(), topic(&format!("{function}-{name}")));
        }
        let factory = self.node.load(wasm, &spec).unwrap();
        self.node.deploy(&spec, factory).unwrap()
    }

    fn read(&self, name: &str, header: Option<&str>) -> Vec<String> {
        self.node.sync().unwrap();
        let mut values = Vec::new();
        for batch in self.node.read(&topic(name), 0) {
            let (_, bytes) = batch.unwrap();
            for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                let bytes = match header {
                    Some(name) => record.header(name),
                    None => record.value(),
                };
                values.push(String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned());
            }
        }
        values
    }
}

/// What the record says, and the code of its dead letter; none where it goes through.
const CASES: &[(&str, Option<&str>)] = &[
    ("trap", Some("E-GUEST-TRAP")),
    ("panic", Some("E-GUEST-TRAP")),
    ("divide", Some("E-GUEST-TRAP")),
    ("overflow", Some("E-GUEST-TRAP")),
    ("loop", Some("E-GUEST-DEADLINE")),
    ("memory", Some("E-GUEST-MEMORY")),
    ("reject", Some("E-GUEST-FAILURE")),
    ("fail", Some("E-GUEST-FAILURE")),
    ("flood", Some("E-GUEST-OUTPUT-SIZE")),
    ("bad-output", Some("E-GUEST-UNKNOWN-TARGET")),
    ("bad-store", Some("E-GUEST-UNKNOWN-TARGET")),
    ("bad-timer", Some("E-GUEST-UNKNOWN-TARGET")),
    ("bad-cause", Some("E-GUEST-UNKNOWN-TARGET")),
    ("unknown-operation", Some("E-GUEST-MALFORMED")),
    ("malformed", Some("E-GUEST-MALFORMED")),
    ("truncated", Some("E-GUEST-MALFORMED")),
    ("empty", Some("E-GUEST-MALFORMED")),
    ("slow", None),
];

#[test]
fn one_bad_record_is_one_dead_letter_and_the_neighbour_notices_nothing() {
    let faulty = module("target/wasm32-unknown-unknown/release/faulty.wasm");
    let filter = module("prebuilt/filter.wasm");
    let long = "x".repeat(200);
    for (mode, code) in CASES {
        let world = World::new();
        world.append("in", &["a", "b", mode, "c", "d"]);
        world.append("good-in", &vec![&long[..]; 500]);
        let bad = world.deploy("bad", &faulty, "in", &["out"]);
        let good = world.deploy("good", &filter, "good-in", &["out"]);
        bad.wait().unwrap_or_else(|error| panic!("{mode}: {error}"));
        good.wait().unwrap();
        let mut expected = vec!["a", "b", "c", "d"];
        match code {
            Some(code) => {
                assert_eq!(world.read("bad-dead", Some("pelton-code")), [*code], "{mode}");
                assert_eq!(world.read("bad-dead", None), [*mode]);
                assert_eq!(world.read("bad-dead", Some("pelton-offset")), ["2"]);
                if *mode == "panic" {
                    let message = &world.read("bad-dead", Some("pelton-message"))[0];
                    assert!(message.contains("panicked at faulty/src/lib.rs:"), "{message}");
                    assert!(message.ends_with(": this function panics on purpose"), "{message}");
                }
            }
            None => expected.insert(2, mode),
        }
        assert_eq!(world.read("bad-out", None), expected, "{mode}");
        assert_eq!(world.read("good-out", None).len(), 500, "{mode}");
        assert_eq!(good.progress().faults, 0);
    }
}

#[test]
fn a_module_that_cannot_be_opened_is_refused_with_its_reason() {
    let faulty = module("target/wasm32-unknown-unknown/release/faulty.wasm");
    let cases = [
        ("trap", "E-GUEST-OPEN"),
        ("fail", "E-GUEST-OPEN"),
        ("loop", "E-GUEST-DEADLINE"),
        ("memory", "E-GUEST-MEMORY"),
    ];
    for (mode, code) in cases {
        let world = World::new();
        world.append("in", &["a"]);
        let id = FunctionId::parse("f").unwrap();
        let mut spec = DeploymentSpec::new(id, vec![InputSpec::new(topic("in"))]);
        spec.settings.entries.insert("open".into(), mode.into());
        let error = world.node.load(&faulty, &spec).err().unwrap();
        assert_eq!(error.code, code, "{mode}: {error}");
    }
}

#[test]
fn a_tenant_with_many_busy_functions_leaves_half_of_the_worker_to_the_other() {
    const HOGS: usize = 8;
    const RECORDS: usize = 60;
    let slow = module("target/wasm32-unknown-unknown/release/faulty.wasm");
    let world = World::new();
    let deploy = |function: &str, records: usize| {
        let input = format!("{function}-in");
        world.append(&input, &vec!["slow"; records]);
        let id = FunctionId::parse(function).unwrap();
        let mut spec = DeploymentSpec::new(id, vec![InputSpec::new(topic(&input))]);
        spec.bounded = true;
        spec.limits.set("batch_records", 4).unwrap();
        spec.settings.entries.insert("slow-rounds".into(), "1000000".into());
        spec.outputs.insert("out".into(), topic(&format!("{function}-out")));
        (spec.clone(), world.node.load(&slow, &spec).unwrap())
    };
    let hogs: Vec<_> = (0..HOGS).map(|hog| deploy(&format!("hog/f{hog}"), 10 * RECORDS)).collect();
    let (good, factory) = deploy("good/f", RECORDS);
    let hogs: Vec<_> = hogs
        .into_iter()
        .map(|(spec, factory)| world.node.deploy(&spec, factory).unwrap())
        .collect();
    let good = world.node.deploy(&good, factory).unwrap();
    let hogs_did = || hogs.iter().map(|hog| hog.progress().records_in).sum::<u64>();
    // The hogs may have begun while the other was not there.
    while good.progress().records_in == 0 {
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    let before = hogs_did();
    good.wait().unwrap();
    let meanwhile = hogs_did() - before;
    let records = RECORDS as u64;
    assert!(
        meanwhile < 3 * records,
        "{meanwhile} records of the one tenant's {HOGS} functions beside {records} of the other's"
    );
    assert!(meanwhile > records / 3, "the other way round is not fair either: {meanwhile}");
}
