//! A function on a node, in real WebAssembly.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, TenantId, TopicName};
use pelton_server::functions::{DeployReport, DeployRequest, EventKind, Functions};
use pelton_server::{LoadOptions, Node, NodeConfig};
use tokio::runtime::Runtime;

/// Longest time that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn module(name: &str) -> Bytes {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target");
    let path = root.join("wasm32-unknown-unknown/release").join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask guests` builds it", path.display())
    });
    bytes.into()
}

pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

pub fn function() -> FunctionId {
    FunctionId::parse("f").unwrap()
}

pub fn manifest(more: &str) -> String {
    format!(
        "[function]\nname = \"f\"\n[[input]]\ntopic = \"in\"\npartitions = 2\n[[output]]\nname = \
         \"out\"\ntopic = \"out\"\n{more}"
    )
}

pub struct World {
    pub runtime: Runtime,
    pub functions: Arc<Functions>,
    pub directory: tempfile::TempDir,
}

fn open(directory: &Path) -> Arc<Functions> {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.workers = 2;
    config.segment_bytes = 16 << 20;
    config.load.engine.pooled_instances = 0;
    Functions::new(Arc::new(Node::open(config).unwrap()))
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let functions = open(directory.path());
        Self { runtime, functions, directory }
    }

    /// A deployment of `faulty`.
    pub fn request(manifest: &str) -> DeployRequest {
        DeployRequest {
            tenant: TenantId::default(),
            manifest: manifest.to_owned(),
            wasm: module("faulty"),
            dry_run: false,
            wait: SHORT,
        }
    }

    pub fn deploy(
        &self,
        wasm: &str,
        more: &str,
        wait: Duration,
    ) -> pelton_core::Result<DeployReport> {
        let request = DeployRequest { wasm: module(wasm), wait, ..Self::request(&manifest(more)) };
        self.runtime.block_on(self.functions.deploy(request))
    }

    /// Drains, closes and opens the node again.
    pub fn restart(self) -> Self {
        let Self { runtime, functions, directory } = self;
        runtime.block_on(functions.drain());
        drop(functions);
        let functions = open(directory.path());
        runtime.block_on(functions.start_all()).unwrap();
        Self { runtime, functions, directory }
    }

    /// Appends records to partition 0 of `in`: `key=value`.
    pub fn append(&self, records: &[&str]) {
        self.append_to(0, records);
    }

    pub fn append_to(&self, partition: u32, records: &[&str]) {
        let mut builder = RecordsBuilder::new();
        for (at, record) in records.iter().enumerate() {
            let (key, value) = record.split_once('=').unwrap();
            builder.push(Some(key.as_bytes()), Some(value.as_bytes()), at as i64);
        }
        self.functions.node().append(&topic("in"), partition, &mut builder).unwrap();
    }

    pub fn values(&self, name: &str) -> Vec<String> {
        let node = self.functions.node();
        node.sync().unwrap();
        let mut values = Vec::new();
        for partition in 0..2 {
            for batch in node.read(&topic(name), partition) {
                let (_, bytes) = batch.unwrap();
                for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                    values.push(String::from_utf8_lossy(record.value().unwrap()).into_owned());
                }
            }
        }
        values
    }

    pub fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", self.status());
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }

    pub fn status(&self) -> pelton_server::functions::FunctionStatus {
        self.runtime.block_on(self.functions.status(&function())).unwrap()
    }

    pub fn events(&self) -> Vec<(EventKind, u64)> {
        let record = self.functions.record(&function()).unwrap();
        record.events.iter().map(|event| (event.kind, event.version)).collect()
    }
}

pub const TRAPS: &str = "[config]\nmode = \"trap\"";
pub const SHORT: Duration = Duration::from_millis(20);
