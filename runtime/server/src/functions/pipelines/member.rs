//! Functions that belong to a pipeline change with it, and not alone.

use pelton_core::{Domain, Error, FunctionId, PipelineId, Result};

use crate::functions::{FunctionRecord, Functions};

impl Functions {
    /// The functions that belong to a pipeline.
    pub(super) fn members_of(&self, pipeline: &PipelineId) -> Result<Vec<FunctionId>> {
        let records = self.registry.all()?.into_iter();
        let own = records.filter(|record| record.pipeline.as_ref() == Some(pipeline));
        Ok(own.map(|record| record.function).collect())
    }

    /// Checks that a function may be changed by `pipeline`, or, without one, alone. A pipeline that is
    /// not there any more keeps nobody.
    ///
    /// # Errors
    /// `E-FUNCTION-MEMBER` where it belongs to another pipeline, or to one at all.
    pub(in crate::functions) fn check_free(
        &self,
        record: &FunctionRecord,
        pipeline: Option<&PipelineId>,
    ) -> Result<()> {
        let owner = record.pipeline.as_ref().filter(|owner| Some(*owner) != pipeline);
        let Some(owner) = owner else { return Ok(()) };
        if self.pipelines.find(owner)?.is_none() {
            return Ok(());
        }
        let next = match pipeline {
            None => format!(
                "`pelton deploy` with that pipeline's pelton.toml and `pelton pipeline rollback {}` \
                 change it",
                owner.name()
            ),
            Some(_) => "give the function another name in one of the two".to_owned(),
        };
        let text = format!("{} belongs to the pipeline {owner}: {next}", record.function);
        Err(Error::new("E-FUNCTION-MEMBER", Domain::User, text))
    }
}
