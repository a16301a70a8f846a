//! Functions that belong to a pipeline change with it, and not alone.

use pelton_core::{Domain, Error, PipelineId, Result};

use crate::functions::FunctionRecord;

/// Checks that a function may be changed by `pipeline`, or, without one, alone.
///
/// # Errors
/// `E-FUNCTION-MEMBER` where it belongs to another pipeline, or to one at all.
pub(in crate::functions) fn check_free(
    record: &FunctionRecord,
    pipeline: Option<&PipelineId>,
) -> Result<()> {
    let Some(owner) = record.pipeline.as_ref().filter(|owner| Some(*owner) != pipeline) else {
        return Ok(());
    };
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
