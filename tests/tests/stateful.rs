//! A function that saves its memory, as real wasm: with one instance, with a fresh one for each call,
//! and stopped and started again in the middle, it sends the same bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    BoxFuture, Declaration, Fault, FunctionId, Guest, GuestFactory, SharedEnvironment, TopicName,
};
use pelton_server::{DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig};

const RECORDS: u64 = 2_500;

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn open(directory: &Path) -> Node {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.workers = 1;
    config.segment_bytes = 16 << 20;
    config.load.engine.pooled_instances = 0;
    Node::open(config).unwrap()
}

fn append(node: &Node, numbers: std::ops::Range<u64>) {
    node.ensure_topic(&topic("in"), 1).unwrap();
    let mut builder = RecordsBuilder::new();
    for number in numbers {
        builder.push(Some(b"k"), Some(number.to_string().as_bytes()), number as i64);
        if builder.len() == 41 {
            node.append(&topic("in"), 0, &mut builder).unwrap();
        }
    }
    node.append(&topic("in"), 0, &mut builder).unwrap();
}

/// The reservoir, and how it is deployed.
fn reservoir() -> (Vec<u8>, DeploymentSpec) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples");
    let path = examples.join("target/wasm32-unknown-unknown/release/reservoir.wasm");
    let wasm = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask guests` builds it", path.display())
    });
    let function = FunctionId::parse("reservoir").unwrap();
    let mut spec = DeploymentSpec::new(function, vec![InputSpec::new(topic("in"))]);
    spec.bounded = true;
    spec.outputs.insert("out".into(), topic("out"));
    spec.settings.entries.insert("every".into(), "50".into());
    (wasm, spec)
}

/// Runs the reservoir over what is there, by the factory that `wrap` makes of its own.
fn run(node: &Node, wrap: fn(Arc<dyn GuestFactory>) -> Arc<dyn GuestFactory>) {
    let (wasm, spec) = reservoir();
    let factory = node.load(&wasm, &spec).unwrap();
    assert!(factory.declaration().saves);
    node.deploy(&spec, wrap(factory)).unwrap().wait().unwrap();
    node.sync().unwrap();
}

fn sent(node: &Node) -> Vec<String> {
    let mut values = Vec::new();
    for batch in node.read(&topic("out"), 0) {
        let (_, bytes) = batch.unwrap();
        for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
            values.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
        }
    }
    values
}

/// Makes guests that are a fresh instance at every call, given what the last one has saved.
struct Fresh(Arc<dyn GuestFactory>);

impl GuestFactory for Fresh {
    fn declaration(&self) -> &Declaration {
        self.0.declaration()
    }

    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        let factory = Arc::clone(&self.0);
        Box::pin(async move {
            let current = factory.instantiate(environment).await?;
            Ok(Box::new(FreshGuest { factory, current, saved: None }) as Box<dyn Guest>)
        })
    }
}

struct FreshGuest {
    factory: Arc<dyn GuestFactory>,
    current: Box<dyn Guest>,
    saved: Option<Vec<u8>>,
}

impl Guest for FreshGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        Box::pin(async move {
            self.current = self.factory.instantiate(Arc::clone(&environment)).await?;
            if let Some(saved) = &self.saved {
                self.current.restore(saved, Arc::clone(&environment)).await?;
            }
            self.current.call(input, environment).await
        })
    }

    fn save<'a>(
        &'a mut self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(async move {
            let saved = self.current.save(environment).await?;
            if saved.is_some() {
                self.saved.clone_from(&saved);
            }
            Ok(saved)
        })
    }

    fn restore<'a>(
        &'a mut self,
        saved: &'a [u8],
        _: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        self.saved = Some(saved.to_vec());
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn one_instance_fresh_ones_and_a_restart_send_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path());
    append(&node, 0..RECORDS);
    run(&node, |factory| factory);
    let calm = sent(&node);
    assert_eq!(calm.len() as u64, RECORDS / 50);
    let last: serde_json::Value = serde_json::from_str(&calm[calm.len() - 1]).unwrap();
    assert_eq!((&last["seen"], last["sample"].as_array().unwrap().len()), (&RECORDS.into(), 20));

    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path());
    append(&node, 0..RECORDS);
    run(&node, |factory| Arc::new(Fresh(factory)));
    assert_eq!(sent(&node), calm);

    // In three processes' worth of nodes, one of them with nothing to do.
    let directory = tempfile::tempdir().unwrap();
    for part in [0..1_234, 1_234..1_234, 1_234..RECORDS] {
        let node = open(directory.path());
        append(&node, part);
        run(&node, |factory| factory);
    }
    assert_eq!(sent(&open(directory.path())), calm);
}

/// Runs the reservoir over one value of so many bytes, with this limit on what it may save.
fn save_one(value_bytes: usize, limit_bytes: u64) -> pelton_core::Result<()> {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path());
    node.ensure_topic(&topic("in"), 1).unwrap();
    let mut builder = RecordsBuilder::new();
    builder.push(None, Some("x".repeat(value_bytes).as_bytes()), 0);
    node.append(&topic("in"), 0, &mut builder).unwrap();
    let (wasm, mut spec) = reservoir();
    spec.bounded = true;
    spec.limits.set("output_bytes", limit_bytes).unwrap();
    let factory = node.load(&wasm, &spec).unwrap();
    node.deploy(&spec, factory).unwrap().wait()
}

#[test]
fn memory_at_the_limit_is_kept_and_one_byte_past_it_stops_the_function() {
    // A map of two names with a number and a list of one text, as MessagePack.
    let around = 1 + 5 + 1 + 7 + 1 + 3;
    save_one(1_000, around + 1_000).unwrap();
    let error = save_one(1_001, around + 1_000).unwrap_err();
    assert_eq!(error.code, "E-FUNCTION-SAVE", "{error}");
    let text = error.to_string();
    assert!(text.contains("saved 1019 bytes, but the limit `output_bytes` is 1018"), "{text}");
}
