//! The pipeline: functions, and the topics between them.

use std::collections::{BTreeMap, BTreeSet};

use pelton_core::{FunctionId, Result, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FunctionState, Functions};
use crate::data::TopicInfo;
use crate::history::Recent;

/// A function of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PipelineFunction {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// Whether it runs.
    pub state: FunctionState,
    /// The version that is active.
    pub version: u64,
    /// Why it does not run.
    pub error: Option<String>,
    /// The topics that it reads.
    pub inputs: Vec<String>,
    /// The topics that it writes to, by output.
    pub outputs: BTreeMap<String, String>,
    /// Where its dead letters go.
    pub dead_letters: Option<String>,
    /// Records that wait for it.
    pub lag: u64,
    /// Since its tasks were started.
    pub records_in: u64,
    /// Since its tasks were started.
    pub records_out: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Records, groups and timers that were given up.
    pub poison: u64,
    /// The latest figures; absent in the first seconds.
    pub recent: Option<Recent>,
}

/// A topic of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineTopic {
    /// The topic.
    pub topic: String,
    /// Whether it is there: a function that does not run may name one that is not.
    pub exists: bool,
    /// Number of partitions.
    pub partitions: u32,
    /// Durable records that it was ever given.
    pub records: u64,
    /// Bytes that it holds.
    pub bytes: u64,
}

/// Functions, and the topics that they read and write: a graph.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Pipeline {
    /// By name.
    pub functions: Vec<PipelineFunction>,
    /// All topics of the tenant, and those that functions name, by name.
    pub topics: Vec<PipelineTopic>,
}

impl Functions {
    /// The functions and topics of a tenant. No task is waited for.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub fn pipeline(&self, tenant: &TenantId) -> Result<Pipeline> {
        let records = self.registry.all()?;
        let own = records.iter().filter(|record| record.function.tenant() == tenant);
        let functions: Vec<_> = own
            .map(|record| {
                let running = self.running(&record.function);
                let status = self.status_at_rest(record, running.as_deref());
                PipelineFunction {
                    state: match (status.state, status.before) {
                        (FunctionState::Running, Some(_)) => FunctionState::OnTrial,
                        (state, _) => state,
                    },
                    function: status.function,
                    version: status.version,
                    error: status.error,
                    inputs: status.inputs,
                    outputs: status.outputs,
                    dead_letters: status.dead_letters,
                    lag: status.lag,
                    records_in: status.records_in,
                    records_out: status.records_out,
                    faults: status.faults,
                    poison: status.poison,
                    recent: status.recent,
                }
            })
            .collect();
        let topics = self.pipeline_topics(tenant, &functions);
        Ok(Pipeline { functions, topics })
    }

    fn pipeline_topics(
        &self,
        tenant: &TenantId,
        functions: &[PipelineFunction],
    ) -> Vec<PipelineTopic> {
        let named = functions
            .iter()
            .flat_map(|function| function.inputs.iter().chain(function.outputs.values()).cloned());
        let mut names: BTreeSet<String> = named.collect();
        let known = self.node.data().topics(tenant);
        let mut known: BTreeMap<String, TopicInfo> =
            known.into_iter().map(|info| (format!("{tenant}/{}", info.name), info)).collect();
        names.extend(known.keys().cloned());
        let topic = |name: String| {
            let info = known.remove(&name);
            let partitions = info.iter().flat_map(|info| &info.partitions);
            PipelineTopic {
                exists: info.is_some(),
                partitions: partitions.clone().count() as u32,
                records: partitions.map(|partition| partition.durable).sum(),
                bytes: info.as_ref().map_or(0, |info| info.bytes),
                topic: name,
            }
        };
        names.into_iter().map(topic).collect()
    }
}
