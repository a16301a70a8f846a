//! A version, ready to run.

use std::sync::Arc;

use pelton_core::{Error, GuestFactory, Manifest, Result};

use super::pipelines::Planned;
use super::record::{FunctionRecord, Version};
use super::{Functions, blocking};
use crate::node::{Node, equal_partitions};
use crate::spec::{DeploymentSpec, secret_from_environment};

/// A version whose code is compiled and has been opened once.
#[derive(Clone)]
pub(super) struct Loaded {
    pub(super) number: u64,
    pub(super) manifest: Arc<Manifest>,
    pub(super) spec: Arc<DeploymentSpec>,
    pub(super) factory: Arc<dyn GuestFactory>,
}

impl Loaded {
    /// Compiles and opens a module under its manifest, and checks that the two agree. Creates
    /// nothing.
    pub(super) fn new(node: &Node, number: u64, manifest: Manifest, wasm: &[u8]) -> Result<Self> {
        let mut spec = DeploymentSpec::from_manifest(&manifest, secret_from_environment)?;
        spec.deployment = number;
        let factory = node.load(wasm, &spec)?;
        let declared = factory.declaration();
        spec.complete(&manifest, declared)?;
        spec.output_topics(declared)?;
        let (manifest, spec) = (Arc::new(manifest), Arc::new(spec));
        Ok(Self { number, manifest, spec, factory })
    }

    /// Whether both read the same topics.
    pub(super) fn same_inputs(&self, other: &Self) -> bool {
        let topics = |loaded: &Self| -> Vec<_> {
            let inputs = loaded.spec.inputs.iter();
            inputs.map(|input| (input.topic.clone(), input.broadcast)).collect()
        };
        topics(self) == topics(other)
    }

    /// Whether it reads the same topics and takes the time of their records from the same fields: then
    /// one may be handed what the other has read.
    pub(super) fn reads_alike(&self, other: &Self) -> bool {
        let times = |loaded: &Self| -> Vec<_> {
            loaded.spec.inputs.iter().map(|input| input.event_time.clone()).collect()
        };
        self.same_inputs(other) && times(self) == times(other)
    }

    /// Whether its inputs have equal numbers of partitions, those that are still to be created too.
    ///
    /// # Errors
    /// `E-INPUT-PARTITIONS`.
    pub(super) fn check_partitions(&self, node: &Node, planned: Option<&Planned>) -> Result<()> {
        let partitions = |input: &pelton_core::manifest::Input| {
            let known = node.journal().topic(&input.topic.to_string()).ok();
            let known = known.map(|topic| topic.config().partitions);
            let planned = || planned.and_then(|planned| planned.of(&input.topic));
            (input.topic.clone(), known.or_else(planned).unwrap_or(input.partitions))
        };
        let shared = self.manifest.inputs.iter().filter(|input| !input.broadcast);
        equal_partitions(&self.spec.function, shared.map(partitions)).map(drop)
    }

    /// Creates the topics that it names and that are missing.
    pub(super) fn ensure_topics(&self, node: &Node) -> Result<()> {
        for input in &self.manifest.inputs {
            if node.journal().topic(&input.topic.to_string()).is_err() {
                node.ensure_topic(&input.topic, input.partitions)?;
            }
        }
        for output in &self.manifest.outputs {
            if let Some(partitions) = output.partitions {
                node.ensure_topic(&output.topic, partitions)?;
            }
        }
        Ok(())
    }
}

impl Functions {
    /// Loads a version that the registry has.
    pub(super) async fn load(&self, record: &FunctionRecord, number: u64) -> Result<Loaded> {
        let version = record.version(number).ok_or_else(|| no_version(record, number))?;
        let Version { digest, .. } = version.clone();
        let manifest = version.manifest(&record.function)?;
        let (node, registry) = (Arc::clone(&self.node), self.registry.clone());
        blocking(move || Loaded::new(&node, number, manifest, &registry.module(&digest)?)).await
    }
}

pub(super) fn no_version(record: &FunctionRecord, number: u64) -> Error {
    let known: Vec<_> = record.versions.iter().map(|v| v.number.to_string()).collect();
    let text = format!("{} has no version {number}; it has: {}", record.function, known.join(", "));
    Error::new("E-VERSION-UNKNOWN", pelton_core::Domain::User, text)
}
