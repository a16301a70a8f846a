//! A function of a job.

use std::collections::HashSet;
use std::sync::Arc;

use indicatif::ProgressBar;
use pelton_core::{GuestFactory, Manifest, TopicName};
use pelton_server::{DeploymentSpec, PoisonSpec, Progress};

use super::short;
use super::spec::spec_of;
use crate::error::{CliError, Result};
use crate::observed::{ConfigReads, Observed};
use crate::session::{Session, wait};

/// A function, ready to run.
pub(super) struct Part {
    pub(super) manifest: Manifest,
    pub(super) spec: DeploymentSpec,
    factory: Arc<dyn GuestFactory>,
    reads: Arc<ConfigReads>,
    /// Output topics in the order of the declaration.
    pub(super) outputs: Vec<TopicName>,
    /// Their topic, and its ends before the run.
    pub(super) dead_letters: (TopicName, Vec<u64>),
}

impl Part {
    /// Compiles and opens a function. Creates nothing.
    pub(super) fn open(session: &Session, wasm: &[u8], manifest: &Manifest) -> Result<Self> {
        let mut spec = spec_of(manifest)?;
        let (factory, reads) = Observed::new(session.node.load(wasm, &spec)?);
        let declared = factory.declaration();
        spec.complete(manifest, declared)?;
        let mut outputs = spec.output_topics(declared)?;
        let mut seen = HashSet::new();
        outputs.retain(|topic| seen.insert(topic.clone()));
        refuse_loop(manifest, &outputs, &spec.on_poison)?;
        let dead_letters = manifest.dead_letter_topic();
        let dead_letters = (dead_letters.clone(), session.ends(&dead_letters));
        let factory = Arc::new(factory);
        Ok(Self { manifest: manifest.clone(), spec, factory, reads, outputs, dead_letters })
    }

    /// Runs it to the end of its input.
    pub(super) fn run(&self, session: &Session, bar: &ProgressBar) -> Result<Progress> {
        let deployment = session.node.deploy(&self.spec, Arc::clone(&self.factory))?;
        let progress = wait(&deployment, bar)?;
        session.node.sync()?;
        Ok(progress)
    }

    /// Whether it writes to a topic, dead letters included.
    pub(super) fn writes(&self, topic: &TopicName) -> bool {
        self.outputs.contains(topic) || self.manifest.writes().any(|written| written == *topic)
    }

    /// Whether it reads a topic.
    pub(super) fn reads(&self, topic: &TopicName) -> bool {
        self.manifest.inputs.iter().any(|input| input.topic == *topic)
    }

    /// Configuration that it never read.
    pub(super) fn config_warnings(&self) -> Vec<String> {
        self.reads.warnings(self.manifest.config.keys())
    }
}

/// Refuses a function that reads what it writes: its input would never end.
fn refuse_loop(manifest: &Manifest, outputs: &[TopicName], on_poison: &PoisonSpec) -> Result<()> {
    let read = |topic: &&TopicName| manifest.inputs.iter().any(|input| input.topic == **topic);
    let (what, topic) = match (outputs.iter().find(read), on_poison) {
        (Some(topic), _) => ("an [[output]]", topic),
        (None, PoisonSpec::DeadLetter(topic)) if read(&topic) => ("dead_letter", topic),
        _ => return Ok(()),
    };
    let text = format!(
        "{}: the topic {} is an [[input]] and {what} at once: a run to the end of its input would \
         never end",
        manifest.function.name(),
        short(&topic.to_string())
    );
    let next = "give one of the two another topic in pelton.toml";
    Err(CliError::bad_input("E-INPUT-LOOP", text).next(next))
}
