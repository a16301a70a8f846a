//! What deploying a pipeline did, or would do.

use pelton_core::{FunctionId, PipelineId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::functions::{DeployReport, Outcome, TrialState};

/// The answer to a deployment of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineReport {
    /// The pipeline.
    #[schema(value_type = String)]
    pub pipeline: PipelineId,
    /// The version that its functions run now, or would.
    pub version: u64,
    /// The version that they ran before, if any.
    pub before: Option<u64>,
    /// Its functions: who writes a topic comes before who reads it.
    pub functions: Vec<DeployReport>,
    /// Functions of the version before that this one leaves out: they are removed, and their state is
    /// kept for when they come back.
    #[schema(value_type = Vec<String>)]
    pub removed: Vec<FunctionId>,
    /// Whether nothing was done.
    pub dry_run: bool,
}

impl PipelineReport {
    /// Whether it runs already, just so.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        let unchanged = |report: &DeployReport| report.outcome == Outcome::Unchanged;
        self.removed.is_empty()
            && self.before == Some(self.version)
            && self.functions.iter().all(unchanged)
    }

    /// Whether a task of some function has had nothing to do yet.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        self.functions.iter().any(|report| report.trial == TrialState::OnTrial)
    }
}
