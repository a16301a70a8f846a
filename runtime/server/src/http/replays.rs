//! Replays: start, follow, cancel.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pelton_core::{Start, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::functions::FunctionPath;
use super::names::Name;
use super::state::App;
use crate::data::bad_name;
use crate::functions::{ReplayRequest, ReplayStatus};

/// A replay of a function.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ReplayPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    tenant: String,
    /// The function.
    #[param(value_type = Name, example = "hello")]
    function: String,
    /// The replay's number.
    #[param(example = 1)]
    replay: u64,
}

impl ReplayPath {
    fn function(&self) -> ApiResult<pelton_core::FunctionId> {
        let (tenant, function) = (self.tenant.clone(), self.function.clone());
        FunctionPath { tenant, function }.id()
    }
}

/// A place in the inputs.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Place {
    /// The oldest record that is kept.
    Earliest,
    /// This offset in each partition.
    Offset(u64),
    /// The first record whose timestamp is not before this, ms since the epoch.
    TimeMs(i64),
}

impl From<Place> for Start {
    fn from(place: Place) -> Self {
        match place {
            Place::Earliest => Self::Earliest,
            Place::Offset(offset) => Self::Offset(offset),
            Place::TimeMs(time) => Self::Time(time),
        }
    }
}

/// What is to be run again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReplay {
    /// Where to begin, in each input: at the newest state that is kept at or before it.
    from: Place,
    /// Where to end; else where the live function stands.
    until: Option<Place>,
    /// The topic that takes the results, which must be new; without one, they are compared with
    /// what was emitted.
    to: Option<String>,
    /// The version to run; the active one where it is left out.
    version: Option<u64>,
    /// A module to run in place of that version's: the digest that its upload answered.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    digest: Option<String>,
}

/// The replays of a function.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReplayList {
    /// Oldest first.
    replays: Vec<ReplayStatus>,
}

/// Starts a replay: the function is run again beside the live one, which goes on untouched.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/replays",
    tag = "functions", operation_id = "startReplay", params(FunctionPath),
    request_body = NewReplay,
    responses((status = 201, body = ReplayStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn start(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    payload: Payload,
) -> ApiResult<(StatusCode, Json<ReplayStatus>)> {
    let asked: NewReplay = payload.json()?;
    let function = path.id()?;
    let mut request = ReplayRequest::new(asked.from.into());
    request.until = asked.until.map(Start::from);
    let topic = |name: &str| TopicName::new(function.tenant().clone(), name).map_err(bad_name);
    request.to = asked.to.as_deref().map(topic).transpose().map_err(ApiError::from)?;
    (request.version, request.digest) = (asked.version, asked.digest);
    let started = app.functions().replay(&function, request).await?;
    Ok((StatusCode::CREATED, Json(started)))
}

/// Lists the replays of a function: those since the server was started, and before that those into a
/// topic.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/replays",
    tag = "functions", operation_id = "listReplays", params(FunctionPath),
    responses((status = 200, body = ReplayList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<ReplayList>> {
    Ok(Json(ReplayList { replays: app.functions().replays(&path.id()?)? }))
}

/// How far a replay has come, and what differs.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/replays/{replay}",
    tag = "functions", operation_id = "describeReplay", params(ReplayPath),
    responses((status = 200, body = ReplayStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<ReplayPath>,
) -> ApiResult<Json<ReplayStatus>> {
    Ok(Json(app.functions().replay_status(&path.function()?, path.replay)?))
}

/// Cancels a replay. What it has written stays.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/functions/{function}/replays/{replay}",
    tag = "functions", operation_id = "cancelReplay", params(ReplayPath),
    responses((status = 200, body = ReplayStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn cancel(
    State(app): State<App>,
    ApiPath(path): ApiPath<ReplayPath>,
) -> ApiResult<Json<ReplayStatus>> {
    Ok(Json(app.functions().cancel_replay(&path.function()?, path.replay)?))
}
