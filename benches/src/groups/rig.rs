//! A node in a temporary directory with one worker, and topics on it.

use std::sync::Arc;

use anyhow::Result;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{FunctionId, GuestFactory, TopicName};
use pelton_server::{DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig, SyncMode};
use tempfile::TempDir;

use crate::measure::{Cost, Cpu, cost};
use crate::workload::{BATCH, Owned, push};

/// A function to run over all of `in`, once.
#[derive(Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) wasm: &'a [u8],
    pub(super) settings: &'a [(&'a str, &'a str)],
    pub(super) outputs: &'a [&'a str],
    /// Instances that the host has room for.
    pub(super) pooled: u32,
}

impl Work<'_> {
    /// What a record takes on a node of its own until all that comes out is durable, and the node.
    pub(super) fn on_node(self, records: &[Owned]) -> Result<(Cost, Rig)> {
        let rig = Rig::new(SyncMode::Group, self.pooled)?;
        rig.append(records)?;
        let mut spec = rig.spec(self.settings, self.outputs)?;
        spec.bounded = true;
        let factory = rig.load(self.wasm, &spec)?;
        let (cost, done) = cost(Cpu::Process, || -> Result<()> {
            rig.node.deploy(&spec, factory)?.wait()?;
            Ok(rig.node.sync()?)
        });
        done?;
        Ok((cost.per(records.len()), rig))
    }
}

/// A node that is gone with its directory when it is dropped.
pub(super) struct Rig {
    pub(super) node: Node,
    _directory: TempDir,
}

pub(super) fn topic(name: &str) -> Result<TopicName> {
    Ok(TopicName::parse(name)?)
}

impl Rig {
    /// A node with the topics `in`, `out` and `late`, one partition each.
    pub(super) fn new(sync_mode: SyncMode, pooled: u32) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let mut load = LoadOptions::in_process();
        load.engine.pooled_instances = pooled;
        let config =
            NodeConfig { sync_mode, workers: 1, ..NodeConfig::new(directory.path(), load) };
        let node = Node::open(config)?;
        for name in ["in", "out", "late"] {
            node.ensure_topic(&topic(name)?, 1)?;
        }
        Ok(Self { node, _directory: directory })
    }

    /// Appends records to `in` as a producer would, and waits until they are durable.
    pub(super) fn append(&self, records: &[Owned]) -> Result<()> {
        let (to, mut builder) = (topic("in")?, RecordsBuilder::new());
        for batch in records.chunks(BATCH) {
            push(&mut builder, batch);
            self.node.append(&to, 0, &mut builder)?;
        }
        Ok(self.node.sync()?)
    }

    /// A deployment from `in` to `out`, with this configuration.
    pub(super) fn spec(
        &self,
        settings: &[(&str, &str)],
        outputs: &[&str],
    ) -> Result<DeploymentSpec> {
        let inputs = vec![InputSpec::new(topic("in")?)];
        let mut spec = DeploymentSpec::new(FunctionId::parse("bench")?, inputs);
        for name in outputs {
            spec.outputs.insert((*name).to_owned(), topic(name)?);
        }
        for (name, value) in settings {
            spec.settings.entries.insert((*name).to_owned(), (*value).to_owned());
        }
        Ok(spec)
    }

    pub(super) fn load(&self, wasm: &[u8], spec: &DeploymentSpec) -> Result<Arc<dyn GuestFactory>> {
        Ok(self.node.load(wasm, spec)?)
    }

    /// What stands in `out`.
    pub(super) fn outputs(&self) -> Result<Vec<Owned>> {
        let mut all = Vec::new();
        for batch in self.node.read(&topic("out")?, 0) {
            let (_, bytes) = batch?;
            for record in Batch::parse(&bytes)?.records()?.iter() {
                all.push(Owned {
                    key: record.key().unwrap_or_default().to_vec(),
                    value: record.value().unwrap_or_default().to_vec(),
                    timestamp: record.timestamp(),
                });
            }
        }
        Ok(all)
    }
}
