//! A function goes over to a version that keeps its state in another form, as real wasm in a running
//! node: nothing is lost, what nobody reads is migrated as well, and there is no way back that was
//! not written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, TopicName};
use pelton_engine::Verdict;
use pelton_server::{
    Deployment, DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig, SwapEvent,
};

/// More than one call migrates.
const KEYS: usize = 700;
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

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

fn append(node: &Node, keys: std::ops::Range<usize>, number: &str) {
    let mut builder = RecordsBuilder::new();
    for key in keys {
        builder.push(Some(format!("k{key}").as_bytes()), Some(number.as_bytes()), 1);
    }
    node.append(&topic("in"), 0, &mut builder).unwrap();
}

fn spec() -> DeploymentSpec {
    let function = FunctionId::parse("stats").unwrap();
    let mut spec = DeploymentSpec::new(function, vec![InputSpec::new(topic("in"))]);
    spec.outputs.insert("out".into(), topic("out"));
    spec
}

fn module(name: &str) -> Vec<u8> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples");
    let path = examples.join(format!("target/wasm32-unknown-unknown/release/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask guests` builds it", path.display())
    })
}

fn deploy(node: &Node, name: &str) -> Deployment {
    let factory = node.load(&module(name), &spec()).unwrap();
    node.deploy(&spec(), factory).unwrap()
}

/// Hands the deployment to another module; answers what its trial comes to.
fn swap(node: &Node, deployment: &Deployment, name: &str) -> Receiver<Verdict> {
    let factory = node.load(&module(name), &spec()).unwrap();
    let (sender, receiver) = channel();
    let told = move |_, event| match event {
        SwapEvent::Judged(verdict) => drop(sender.send(verdict)),
        SwapEvent::Installed(installed) => installed.unwrap(),
    };
    node.swap(deployment, &spec(), &factory, told).unwrap();
    receiver
}

/// Outputs so far.
fn outputs(node: &Node) -> Vec<serde_json::Value> {
    node.sync().unwrap();
    let mut values = Vec::new();
    for batch in node.read(&topic("out"), 0) {
        let (_, bytes) = batch.unwrap();
        for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
            values.push(serde_json::from_slice(record.value().unwrap()).unwrap());
        }
    }
    values
}

fn unmigrated(deployment: &Deployment) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(deployment.visit(0, |task| task.unmigrated())).unwrap()
}

fn until(mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_running_function_takes_the_state_of_its_first_version_over_and_cannot_go_back_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path());
    node.ensure_topic(&topic("in"), 1).unwrap();
    append(&node, 0..KEYS, "3");
    let deployment = deploy(&node, "running_stats_v1");
    until(|| deployment.progress().records_in == KEYS as u64);
    assert_eq!(outputs(&node)[0].get("p95"), None);

    let verdict = swap(&node, &deployment, "running_stats");
    append(&node, 0..1, "100");
    assert_eq!(verdict.recv_timeout(PATIENCE).unwrap(), Verdict::Passed);
    until(|| unmigrated(&deployment) == 0);
    let last = outputs(&node).pop().unwrap();
    assert_eq!(
        (&last["count"], &last["sum"], &last["p95"]),
        (&2.into(), &103.0.into(), &100.0.into())
    );

    let verdict = swap(&node, &deployment, "running_stats_v1");
    let Verdict::Failed(fault) = verdict.recv_timeout(PATIENCE).unwrap() else {
        panic!("the first version cannot read what the second one keeps");
    };
    let text = fault.to_string();
    for part in ["`stats`", "schema version 1", "version 0", "later deployment"] {
        assert!(text.contains(part), "{text}");
    }
    append(&node, 1..2, "5");
    until(|| deployment.progress().records_in == KEYS as u64 + 2);
    assert_eq!(outputs(&node).pop().unwrap()["count"], 2);

    deployment.stop();
    deployment.wait().unwrap();
    drop((deployment, node));
    let node = open(directory.path());
    let deployment = deploy(&node, "running_stats");
    assert_eq!(unmigrated(&deployment), 0, "what was migrated is durable");
    append(&node, 2..3, "7");
    until(|| deployment.progress().records_in == 1);
    let last = outputs(&node).pop().unwrap();
    assert_eq!((&last["count"], &last["sum"]), (&2.into(), &10.0.into()));
}

#[test]
fn a_start_with_code_that_cannot_read_the_state_stops_with_the_value_named() {
    let directory = tempfile::tempdir().unwrap();
    let node = open(directory.path());
    node.ensure_topic(&topic("in"), 1).unwrap();
    append(&node, 0..1, "3");
    let deployment = deploy(&node, "running_stats");
    until(|| deployment.progress().records_in == 1);
    deployment.stop();
    deployment.wait().unwrap();
    let deployment = deploy(&node, "running_stats_v1");
    let error = deployment.wait().unwrap_err();
    assert_eq!(error.code, "E-STATE-MIGRATE");
    assert!(error.to_string().contains("\"k0\""), "{error}");
}
