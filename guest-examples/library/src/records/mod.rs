//! Functions that are called for each record.

mod alert;
mod anomaly;
mod deduplicate;
mod flatten;
mod mask;
mod project;
mod rekey;
mod sample;

use pelton_sdk::{Context, Function, Json, OUT, Record, Result, process};
use serde_json::Value;

use crate::spec::Spec;

/// The function of this name, where it is one over records.
pub(crate) fn make(spec: &'static Spec) -> Option<Box<dyn Function>> {
    Some(match spec.name {
        "deduplicate" => Box::new(process::<deduplicate::Deduplicate>()),
        "alert" => Box::new(process::<alert::Alert>()),
        "anomaly" => Box::new(process::<anomaly::Anomaly>()),
        "sample" => Box::new(process::<sample::Sample>()),
        "flatten" => Box::new(process::<flatten::Flatten>()),
        "project" => Box::new(process::<project::Project>()),
        "rekey" => Box::new(process::<rekey::Rekey>()),
        "mask" => Box::new(process::<mask::Mask>()),
        _ => return None,
    })
}

/// Sends the record with another value.
fn send(record: &Record<'_>, value: Value, ctx: &mut Context<'_>) -> Result<()> {
    OUT.draft().headers_of(record).emit(ctx, record.key(), Json(value))
}

/// A text as bytes of a key: what a JSON string holds, or the JSON of anything else.
pub(crate) fn key_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
