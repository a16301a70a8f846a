//! A node with one function `f` from topic `in` to topic `out`, both of two partitions.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, Result, TenantId, TopicName};
use pelton_server::functions::{DeployReport, DeployRequest, FunctionStatus, Functions};
use pelton_server::{Hooks, LoadOptions, Node, NodeConfig};
use tokio::runtime::Runtime;

/// Longest time that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Partitions of every topic.
pub(crate) const PARTITIONS: u32 = 2;

pub(crate) fn module(name: &str) -> Bytes {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-examples/target");
    let path = root.join("wasm32-unknown-unknown/release").join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask guests` builds it", path.display())
    });
    bytes.into()
}

pub(crate) fn function() -> FunctionId {
    FunctionId::parse("f").unwrap()
}

/// Key, value, timestamp of a record.
pub(crate) type Row = (String, String, i64);

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) functions: Arc<Functions>,
    pub(crate) directory: tempfile::TempDir,
}

fn open(directory: &Path, hooks: Hooks) -> Arc<Functions> {
    let mut config = NodeConfig::new(directory, LoadOptions::in_process());
    config.workers = 2;
    config.segment_bytes = 16 << 20;
    config.load.engine.pooled_instances = 0;
    config.hooks = hooks;
    Functions::new(Arc::new(Node::open(config).unwrap()))
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Hooks::default())
    }

    pub(crate) fn with(hooks: Hooks) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let functions = open(directory.path(), hooks);
        Self { runtime, functions, directory }
    }

    /// Closes the node, as it is, and opens it again.
    pub(crate) fn reopen(self) -> Self {
        let Self { runtime, functions, directory } = self;
        runtime.block_on(functions.drain());
        drop(functions);
        let functions = open(directory.path(), Hooks::default());
        runtime.block_on(functions.start_all()).unwrap();
        Self { runtime, functions, directory }
    }

    pub(crate) fn deploy(&self, wasm: &str, more: &str) -> Result<DeployReport> {
        let manifest =
            format!("[function]\nname = \"f\"\n[[input]]\ntopic = \"in\"\npartitions = 2\n{more}");
        let request = DeployRequest {
            tenant: TenantId::default(),
            manifest,
            wasm: module(wasm),
            dry_run: false,
            wait: Duration::from_millis(20),
        };
        let start = Instant::now();
        loop {
            // How an earlier trial ended may be written down just now.
            match self.runtime.block_on(self.functions.deploy(request.clone())) {
                Err(error) if error.code == "E-FUNCTION-BUSY" => {
                    assert!(start.elapsed() < PATIENCE, "{error}");
                }
                other => return other,
            }
        }
    }

    pub(crate) fn append(&self, partition: u32, rows: &[Row]) {
        let mut builder = RecordsBuilder::new();
        for (key, value, time) in rows {
            builder.push(Some(key.as_bytes()), Some(value.as_bytes()), *time);
        }
        let topic = TopicName::parse("in").unwrap();
        self.functions.node().append(&topic, partition, &mut builder).unwrap();
    }

    /// Records of a topic's partition: key, value, timestamp.
    pub(crate) fn rows(&self, topic: &str, partition: u32) -> Vec<Row> {
        let node = self.functions.node();
        node.sync().unwrap();
        let mut rows = Vec::new();
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap()).into_owned();
        for batch in node.read(&TopicName::parse(topic).unwrap(), partition) {
            let (_, bytes) = batch.unwrap();
            for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                rows.push((text(record.key()), text(record.value()), record.timestamp()));
            }
        }
        rows
    }

    /// The records of `out` that the task of an input partition has emitted: those whose keys begin
    /// with its number.
    pub(crate) fn outputs_of(&self, task: u32) -> Vec<Row> {
        (0..PARTITIONS).flat_map(|partition| self.outputs_to(task, partition)).collect()
    }

    /// As [`Self::outputs_of`], in one partition of `out`.
    pub(crate) fn outputs_to(&self, task: u32, partition: u32) -> Vec<Row> {
        let mut rows = self.rows("out", partition);
        rows.retain(|row| row.0.starts_with(&task.to_string()));
        rows
    }

    pub(crate) fn wait_for(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", self.status());
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn status(&self) -> FunctionStatus {
        self.runtime.block_on(self.functions.status(&function())).unwrap()
    }

    /// Waits until everything is read and nothing more comes of it.
    pub(crate) fn settle(&self) {
        self.wait_for("all records read", |world| {
            let status = world.status();
            status.lag == 0 && !status.tasks.is_empty()
        });
        let mut before = None;
        self.wait_for("rest", move |world| {
            std::thread::park_timeout(Duration::from_millis(60));
            let commits = world.status().commits;
            before.replace(commits) == Some(commits)
        });
    }
}
