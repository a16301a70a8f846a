//! Dead letters: putting them back into the function's input.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::functions::FunctionPath;
use super::state::App;
use crate::data::{Letters, Redrive};

/// A dead letter.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LetterId {
    /// The partition of the topic of dead letters.
    partition: u32,
    /// Its offset there.
    offset: u64,
}

/// Which dead letters to put back: `records`, or `all`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveRequest {
    /// These, in one commit: all of them, or none. At most 1,000.
    #[serde(default)]
    records: Vec<LetterId>,
    /// All that have not been put back yet, in commits of up to 1,000.
    #[serde(default)]
    all: bool,
    /// Those too that have been put back before.
    #[serde(default)]
    again: bool,
}

/// What was put back, durably.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RedriveReport {
    /// Records that were put back.
    redriven: u64,
    /// Letters that had been put back before, and stay.
    already: u64,
    /// Letters that are no records of an input, such as windows and timers: they stay.
    skipped: u64,
}

/// Puts dead letters back to the partitions that they came from, each once.
#[utoipa::path(post, tag = "functions", operation_id = "redrive",
    path = "/api/v1/tenants/{tenant}/functions/{function}/dead-letters/redrive",
    params(FunctionPath), request_body = RedriveRequest,
    responses((status = 200, body = RedriveReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn redrive(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    payload: Payload,
) -> ApiResult<Json<RedriveReport>> {
    let RedriveRequest { records, all, again } = payload.json()?;
    let letters = match (all, records.is_empty()) {
        (true, true) => Letters::All,
        (false, false) => {
            let ids = records.iter().map(|letter| (letter.partition, letter.offset));
            Letters::Some(ids.collect::<BTreeSet<_>>())
        }
        _ => {
            let text = "say which dead letters to put back: either `records` or `all`";
            return Err(ApiError::user("E-REDRIVE-WHICH", text));
        }
    };
    let function = path.id()?;
    let record = app.functions().record(&function)?;
    let manifest = record.version(record.active).map(|version| version.manifest(&function));
    let manifest = manifest.ok_or_else(|| {
        ApiError::user("E-VERSION-NONE", format!("{function} has no version that is active"))
    })??;
    let inputs = manifest.inputs.iter().map(|input| input.topic.clone()).collect();
    let redrive = Redrive { from: manifest.dead_letter_topic(), inputs, letters, again };
    let done = app.blocking(move |data| data.redrive(&redrive)).await?;
    app.durable(done.seq).await?;
    let crate::data::Redriven { redriven, already, skipped, .. } = done;
    Ok(Json(RedriveReport { redriven, already, skipped }))
}
