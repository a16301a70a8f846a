//! Internal topics: only the functions of one pipeline read and write them.

use dashmap::DashMap;
use pelton_core::{Domain, Error, FunctionId, PipelineId, Result, TopicName};

use super::record::PipelineRecord;
use crate::functions::Functions;
use crate::spec::{DeploymentSpec, PoisonSpec};

/// Which topics are internal, and to which pipeline.
#[derive(Default)]
pub(in crate::functions) struct Internal(DashMap<TopicName, PipelineId>);

impl Internal {
    /// The pipeline that `topic` is internal to.
    pub(in crate::functions) fn owner(&self, topic: &TopicName) -> Option<PipelineId> {
        self.0.get(topic).map(|owner| owner.clone())
    }

    /// Takes note of the internal topics of a pipeline's active version.
    pub(super) fn set(&self, record: &PipelineRecord) {
        let active = record.active_version().and_then(|version| version.manifest().ok());
        self.0.retain(|_, owner| *owner != record.pipeline);
        for topic in active.iter().flat_map(|manifest| manifest.internal_topics()) {
            self.0.insert(topic.clone(), record.pipeline.clone());
        }
    }

    /// Forgets a pipeline.
    pub(super) fn forget(&self, pipeline: &PipelineId) {
        self.0.retain(|_, owner| owner != pipeline);
    }

    /// Checks that a function of `pipeline`, or of none, has nothing to do with other pipelines'
    /// internal topics.
    ///
    /// # Errors
    /// `E-TOPIC-INTERNAL` names the topic.
    pub(in crate::functions) fn check(
        &self,
        spec: &DeploymentSpec,
        pipeline: Option<&PipelineId>,
    ) -> Result<()> {
        let reads = spec.inputs.iter().map(|input| &input.topic);
        let dead_letters = match &spec.on_poison {
            PoisonSpec::DeadLetter(topic) => Some(topic),
            PoisonSpec::Skip | PoisonSpec::Halt => None,
        };
        for topic in reads.chain(spec.outputs.values()).chain(dead_letters) {
            if let Some(owner) = self.owner(topic).filter(|owner| Some(owner) != pipeline) {
                let text = format!(
                    "{}: topic {topic} is internal to the pipeline {owner}: only that one's functions \
                     read and write it; take `internal` from its [[topic]] there, or name another one \
                     here",
                    spec.function
                );
                return Err(Error::new("E-TOPIC-INTERNAL", Domain::User, text));
            }
        }
        Ok(())
    }
}

impl Functions {
    /// Reads from the registry which topics are internal, and which functions are to run together.
    pub(in crate::functions) fn recall_pipelines(&self) -> Result<()> {
        for record in self.pipelines.all()? {
            self.internal.set(&record);
            let active = record.active_version().and_then(|version| version.manifest().ok());
            active.iter().for_each(|manifest| self.place_chains(manifest));
        }
        Ok(())
    }

    /// Checks that nobody else has to do with the topics that are to be internal to a pipeline.
    pub(super) fn check_internal(
        &self,
        pipeline: &PipelineId,
        topics: &[&TopicName],
        members: &[&str],
    ) -> Result<()> {
        let own = self.members_of(pipeline)?;
        for topic in topics {
            let users = self.users_of(topic)?;
            let is_other =
                |user: &FunctionId| !members.contains(&user.name()) && !own.contains(user);
            let other = users.into_iter().find(is_other);
            let owner = self.internal.owner(topic).filter(|owner| owner != pipeline);
            let who = match (other, owner) {
                (Some(user), _) => format!("the function {user} uses it"),
                (None, Some(owner)) => format!("it is internal to the pipeline {owner}"),
                (None, None) => continue,
            };
            let text = format!(
                "{pipeline}: topic {topic} cannot be internal, since {who}; name another one, or take \
                 `internal` from its [[topic]]"
            );
            return Err(Error::new("E-TOPIC-INTERNAL", Domain::User, text));
        }
        Ok(())
    }
}
