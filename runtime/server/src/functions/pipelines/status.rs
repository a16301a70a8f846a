//! What a pipeline is doing.

use pelton_core::{PipelineId, Result, TenantId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{Phase, PipelineRecord};
use crate::functions::{FunctionState, FunctionStatus, Functions};

/// Whether a pipeline runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// All its functions run.
    Running,
    /// They run, and a task of some has not committed under the active version yet.
    OnTrial,
    /// All are paused.
    Paused,
    /// Some are paused, and the others run.
    PartlyPaused,
    /// Some function does not run, or runs another version than the pipeline's: its status tells why.
    Broken,
    /// A version is taking over, or the pipeline is being removed.
    Changing,
    /// It runs on the server that this one follows.
    Replica,
}

/// A topic of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineTopic {
    /// The topic.
    #[schema(value_type = String)]
    pub topic: TopicName,
    /// Number of partitions; absent where it is not there.
    pub partitions: Option<u32>,
    /// Whether only this pipeline's functions read and write it.
    pub internal: bool,
    /// Whether its records are handed on without being kept, wherever the task that reads them waits
    /// for them.
    pub fused: bool,
    /// How many were, since the server was started.
    pub handed_on: u64,
    /// Its functions that write it.
    pub written_by: Vec<String>,
    /// Its functions that read it.
    pub read_by: Vec<String>,
}

/// What a pipeline is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PipelineStatus {
    /// The pipeline.
    #[schema(value_type = String)]
    pub pipeline: PipelineId,
    /// Whether it runs.
    pub state: PipelineState,
    /// The version that is active.
    pub version: u64,
    /// Why its functions are not what they should be, where that is known.
    pub error: Option<String>,
    /// Its functions, in the order of the data.
    pub functions: Vec<FunctionStatus>,
    /// What its functions read and write, in the order of the data.
    pub topics: Vec<PipelineTopic>,
}

impl Functions {
    /// What is kept of a pipeline.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`.
    pub fn pipeline_record(&self, pipeline: &PipelineId) -> Result<PipelineRecord> {
        self.pipelines.get(pipeline)
    }

    /// What a pipeline is doing.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`.
    pub async fn pipeline_status(&self, pipeline: &PipelineId) -> Result<PipelineStatus> {
        self.pipeline_status_of(&self.pipelines.get(pipeline)?).await
    }

    /// What the pipelines of a tenant are doing, by name.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub async fn pipeline_statuses(&self, tenant: &TenantId) -> Result<Vec<PipelineStatus>> {
        let mut all = Vec::new();
        for record in self.pipelines.all()? {
            if record.pipeline.tenant() == tenant {
                all.push(self.pipeline_status_of(&record).await?);
            }
        }
        Ok(all)
    }

    async fn pipeline_status_of(&self, record: &PipelineRecord) -> Result<PipelineStatus> {
        let mut functions = Vec::new();
        let mut topics = Vec::new();
        let version = record.active_version();
        if let Some(manifest) = version.map(super::PipelineVersion::manifest).transpose()? {
            let internal: Vec<_> = manifest.internal_topics().cloned().collect();
            for member in &manifest.functions {
                if let Some(known) = self.registry.find(&member.manifest.function)? {
                    functions.push(self.status_of(&known).await);
                }
                for input in &member.manifest.inputs {
                    let name = member.manifest.function.name().to_owned();
                    self.topic_of(&input.topic, &internal, &mut topics).read_by.push(name);
                }
                for output in &member.manifest.outputs {
                    let name = member.manifest.function.name().to_owned();
                    self.topic_of(&output.topic, &internal, &mut topics).written_by.push(name);
                }
            }
            for member in &manifest.functions {
                let letters = member.manifest.dead_letter_topic();
                if let Some(topic) = topics.iter_mut().find(|topic| topic.topic == letters) {
                    topic.written_by.push(member.manifest.function.name().to_owned());
                }
            }
        }
        let state = state(record, &functions);
        let (pipeline, version) = (record.pipeline.clone(), record.active);
        let error = record.trouble.clone();
        Ok(PipelineStatus { pipeline, state, version, error, functions, topics })
    }

    fn topic_of<'a>(
        &self,
        topic: &TopicName,
        internal: &[TopicName],
        topics: &'a mut Vec<PipelineTopic>,
    ) -> &'a mut PipelineTopic {
        let known = topics.iter().position(|known| known.topic == *topic);
        let at = known.unwrap_or_else(|| {
            let there = self.node.journal().topic(&topic.to_string()).ok();
            topics.push(PipelineTopic {
                topic: topic.clone(),
                fused: there.as_ref().is_some_and(pelton_journal::Topic::is_fused),
                handed_on: there.as_ref().map_or(0, pelton_journal::Topic::passed),
                partitions: there.map(|topic| topic.config().partitions),
                internal: internal.contains(topic),
                written_by: Vec::new(),
                read_by: Vec::new(),
            });
            topics.len() - 1
        });
        &mut topics[at]
    }
}

fn state(record: &PipelineRecord, functions: &[FunctionStatus]) -> PipelineState {
    if record.trouble.is_some() && record.is_settled() {
        return PipelineState::Broken;
    }
    if record.phase != Phase::Settled {
        return PipelineState::Changing;
    }
    let is = |wanted: FunctionState| move |status: &FunctionStatus| status.state == wanted;
    let versions = record.active_version().map(|version| &version.functions);
    let as_deployed = |status: &FunctionStatus| {
        let deployed = versions.and_then(|versions| versions.get(status.function.name()));
        deployed.is_some_and(|function| function.version == status.version)
    };
    let whole = functions.len() == versions.map_or(0, std::collections::BTreeMap::len);
    if !whole || !functions.iter().all(as_deployed) {
        return PipelineState::Broken;
    }
    let runs = |status: &FunctionStatus| {
        matches!(status.state, FunctionState::Running | FunctionState::OnTrial)
    };
    if functions.iter().all(is(FunctionState::Paused)) {
        PipelineState::Paused
    } else if functions.iter().all(is(FunctionState::Replica)) {
        PipelineState::Replica
    } else if functions.iter().all(|status| runs(status) || is(FunctionState::Paused)(status)) {
        match functions.iter().all(runs) {
            true if functions.iter().any(is(FunctionState::OnTrial)) => PipelineState::OnTrial,
            true => PipelineState::Running,
            false => PipelineState::PartlyPaused,
        }
    } else {
        PipelineState::Broken
    }
}
