//! What the tasks of a deployment are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelton_core::{Domain, Error, FunctionId, GuestFactory, Result, TopicName};
use pelton_engine::{GuestPool, Parts, Replacement, Task, TaskConfig};
use pelton_journal::Visibility;
use pelton_journal::adapter::{JournalSink, JournalSource};

use super::Node;
use crate::data::of;
use crate::spec::{DeploymentSpec, InputSpec, PoisonSpec, TaskTopics};

impl Node {
    /// What each task of a deployment would run with. Creates the topics that it writes to.
    pub(crate) fn replacements(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
    ) -> Result<Vec<Replacement>> {
        let partitions = self.co_partitions(spec)?;
        self.task_parts(spec, factory, partitions, 0)
    }

    /// How each task of a deployment would be configured. Creates the topics that it writes to.
    pub(crate) fn task_configs(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
    ) -> Result<Vec<Arc<TaskConfig>>> {
        let parts = self.replacements(spec, factory)?;
        Ok(parts.into_iter().map(|part| part.config).collect())
    }

    /// A task that does not run, as its last commit left it. It is taken over from whoever had it.
    pub(crate) fn open_task(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        partition: u32,
    ) -> Result<Task> {
        let part = self.replacements(spec, factory)?.into_iter().nth(partition as usize);
        let part = part.ok_or_else(|| {
            let text = format!("{} has no partition {partition}", spec.function);
            Error::new("E-INTERNAL", Domain::Internal, text)
        })?;
        let journal = Arc::clone(&self.journal);
        let parts = Parts {
            source: Box::new(JournalSource::new(Arc::clone(&journal), Visibility::Appended)),
            sink: Box::new(JournalSink::new(journal, Arc::clone(&self.clock))),
            pool: part.pool,
            clock: Arc::clone(&self.clock),
            telemetry: self.telemetry.clone(),
            peers: None,
            config: Arc::unwrap_or_clone(part.config),
        };
        pollster::block_on(Task::start(parts))
    }

    /// What each task of a deployment runs with. Creates the topics that it writes to.
    pub(super) fn task_parts(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        partitions: u32,
        first_worker: usize,
    ) -> Result<Vec<Replacement>> {
        let declared = factory.declaration();
        let mut outputs = Vec::new();
        for topic in spec.output_topics(declared)? {
            outputs.push(self.output(&topic, partitions)?);
        }
        let topics = TaskTopics { outputs, broadcast: self.broadcast(spec)? };
        let dead_letters = match &spec.on_poison {
            PoisonSpec::DeadLetter(topic) => Some(self.dead_letters(topic, partitions)?),
            PoisonSpec::Skip | PoisonSpec::Halt => None,
        };
        let pools: Vec<_> =
            (0..self.workers.len()).map(|_| GuestPool::new(Arc::clone(factory))).collect();
        let part = |partition: u32| Replacement {
            config: Arc::new(spec.task(partition, declared, &topics, dead_letters.as_ref())),
            pool: pools[(first_worker + partition as usize) % pools.len()].clone(),
        };
        Ok((0..partitions).map(part).collect())
    }

    /// The number of partitions that all inputs have which are not broadcast.
    pub(crate) fn co_partitions(&self, spec: &DeploymentSpec) -> Result<u32> {
        equal_partitions(&spec.function, self.partitions_of(spec, false)?)
    }

    /// The numbers of partitions of inputs that are broadcast.
    pub(super) fn broadcast(&self, spec: &DeploymentSpec) -> Result<BTreeMap<TopicName, u32>> {
        Ok(self.partitions_of(spec, true)?.into_iter().collect())
    }

    fn partitions_of(
        &self,
        spec: &DeploymentSpec,
        broadcast: bool,
    ) -> Result<Vec<(TopicName, u32)>> {
        let inputs = spec.inputs.iter().filter(|input| input.broadcast == broadcast);
        let partitions = |input: &InputSpec| {
            let topic = self.journal.topic(&input.topic.to_string()).map_err(of)?;
            Ok((input.topic.clone(), topic.config().partitions))
        };
        inputs.map(partitions).collect()
    }
}

/// The number of partitions that all inputs of a function have which are not broadcast.
///
/// # Errors
/// `E-INPUT-PARTITIONS` where they have unequal numbers, `E-INPUT-NONE` where there is none.
pub(crate) fn equal_partitions(
    function: &FunctionId,
    inputs: impl IntoIterator<Item = (TopicName, u32)>,
) -> Result<u32> {
    let mut inputs = inputs.into_iter();
    let (first, count) = inputs.next().ok_or_else(|| {
        let text = format!(
            "{function} has no input that its tasks share: name a topic to subscribe to, without \
             `broadcast`"
        );
        Error::new("E-INPUT-NONE", Domain::User, text)
    })?;
    match inputs.find(|(_, partitions)| *partitions != count) {
        None => Ok(count),
        Some((other, partitions)) => {
            let text = format!(
                "{function}: inputs must have equal numbers of partitions, but {first} has {count} and \
                 {other} has {partitions}; a table that is small can be read by each task, with \
                 `broadcast = true`"
            );
            Err(Error::new("E-INPUT-PARTITIONS", Domain::User, text))
        }
    }
}
