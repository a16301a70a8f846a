//! Calling a deployed function with one record; nothing is committed.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload, wrong_type};
use super::functions::FunctionPath;
use super::inspect::Shown;
use super::produce::{NewRecordBody, read_batch};
use super::state::App;
use crate::data::read_one;
use crate::functions::{CapsuleFault, CapsuleLine, CapsuleOutput, Change, Invocation, Invoked};

/// By what the record is handled.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct InvokeQuery {
    /// The version; else the active one.
    version: Option<u64>,
    /// The input that the record comes from; needed where the function has several.
    topic: Option<String>,
    /// The partition, in place of that of the record's key.
    partition: Option<u32>,
}

/// A change of state.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownChange {
    /// `put`, `delete`, `append`, `set-timer`, `cancel-timer`, `window`.
    kind: &'static str,
    /// The store or timer.
    name: String,
    /// The key.
    key: Option<Shown>,
    /// The value.
    value: Option<Shown>,
    /// When a timer is due, ms.
    due_ms: Option<i64>,
}

impl From<Change> for ShownChange {
    fn from(change: Change) -> Self {
        let Change { kind, name, key, value, due_ms } = change;
        let shown = |bytes: Option<bytes::Bytes>| bytes.map(|bytes| Shown::new(bytes.into()));
        Self { kind, name, key: shown(key), value: shown(value), due_ms }
    }
}

/// What the call would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvokedBody {
    /// The version that ran.
    version: u64,
    /// The partition whose state it saw.
    partition: u32,
    /// What was given up, and why.
    faults: Vec<CapsuleFault>,
    /// The first records that were sent, but for dead letters.
    outputs: Vec<CapsuleOutput>,
    /// How many were sent.
    records: u64,
    /// The first changes of state.
    changes: Vec<ShownChange>,
    /// What was logged.
    logs: Vec<CapsuleLine>,
}

impl From<Invoked> for InvokedBody {
    fn from(invoked: Invoked) -> Self {
        let Invoked { version, partition, outcome, lines, changes } = invoked;
        Self {
            version,
            partition,
            faults: outcome.faults,
            outputs: outcome.outputs,
            records: outcome.records,
            changes: changes.into_iter().map(ShownChange::from).collect(),
            logs: lines,
        }
    }
}

/// Calls a function with one record on a copy of its committed state. Nothing is committed or sent. One
/// call is made at a time; others wait.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/invoke",
    tag = "functions", operation_id = "invoke", params(FunctionPath, InvokeQuery),
    request_body(description = "One record, or a batch of one in Pelton's layout", content(
        (NewRecordBody = "application/json"),
        (Vec<u8> = "application/x-pelton-batch"))),
    responses((status = 200, body = InvokedBody), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn invoke(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(query): ApiQuery<InvokeQuery>,
    payload: Payload,
) -> ApiResult<Json<InvokedBody>> {
    let (function, InvokeQuery { version, topic, partition }) = (path.id()?, query);
    let read = match payload.media_type.as_str() {
        "application/json" => read_one,
        "application/x-pelton-batch" => read_batch,
        other => return Err(wrong_type(other, "application/json or application/x-pelton-batch")),
    };
    let topic = app.functions().invoke_input(&function, version, topic.as_deref())?;
    let input = topic.clone();
    let (partition, batch) = app
        .blocking(move |data| {
            let mut batch = data.batch(&input, partition)?;
            read(&payload.bytes, &mut batch)?;
            batch.into_single()
        })
        .await?;
    let call = Invocation { function, version, topic, partition, batch: batch.into() };
    Ok(Json(app.functions().invoke(call).await?.into()))
}
