//! The graph: functions, and the topics between them.

use std::collections::{BTreeMap, BTreeSet};

use pelton_core::{FunctionId, PipelineId, Result, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FunctionState, Functions};
use crate::data::TopicInfo;
use crate::history::Recent;

/// A function of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GraphFunction {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The pipeline that it belongs to.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineId>,
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

/// A topic of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GraphTopic {
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

/// Functions, and the topics that they read and write.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct Graph {
    /// By name.
    pub functions: Vec<GraphFunction>,
    /// All topics of the tenant, and those that functions name, by name.
    pub topics: Vec<GraphTopic>,
}

impl Functions {
    /// The functions and topics of a tenant. No task is waited for.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub fn graph(&self, tenant: &TenantId) -> Result<Graph> {
        let records = self.registry.all()?;
        let own = records.iter().filter(|record| record.function.tenant() == tenant);
        let functions: Vec<_> = own
            .map(|record| {
                let running = self.running(&record.function);
                let status = self.status_at_rest(record, running.as_deref());
                GraphFunction {
                    state: match (status.state, status.before) {
                        (FunctionState::Running, Some(_)) => FunctionState::OnTrial,
                        (state, _) => state,
                    },
                    function: status.function,
                    pipeline: status.pipeline,
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
        let topics = self.graph_topics(tenant, &functions);
        Ok(Graph { functions, topics })
    }

    fn graph_topics(&self, tenant: &TenantId, functions: &[GraphFunction]) -> Vec<GraphTopic> {
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
            GraphTopic {
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
