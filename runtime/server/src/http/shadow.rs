//! Shadows: look, compare, drop; promoting them and canaries.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload};
use super::functions::{FunctionPath, wait};
use super::state::App;
use crate::compare::{Counts, DifferenceEntry};
use crate::functions::{DeployReport, ShadowStatus};

/// Which differences are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    /// Those with numbers above this one; all that are kept where it is left out.
    #[serde(default)]
    after: u64,
}

/// How a function and its shadow compare.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShadowDifferences {
    /// What was counted.
    counts: Counts,
    /// The newest differences, oldest first; 100 are kept.
    differences: Vec<DifferenceEntry>,
}

/// How long a promotion waits.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PromotionWait {
    /// How long to wait for the first commit of each task, ms (2,000).
    wait_ms: Option<u64>,
}

/// What the shadow of a function is doing.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/shadow",
    tag = "functions", operation_id = "describeShadow", params(FunctionPath),
    responses((status = 200, body = ShadowStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<ShadowStatus>> {
    Ok(Json(app.functions().shadow(&path.id()?)?))
}

/// Drops the shadow of a function.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/functions/{function}/shadow",
    tag = "functions", operation_id = "stopShadow", params(FunctionPath),
    responses((status = 204, description = "Dropped"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn stop(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<StatusCode> {
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    app.functions().to_its_end(async move { functions.stop_shadow(&function).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where the outputs of a function and its shadow differ.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/shadow/differences",
    tag = "functions", operation_id = "listDifferences", params(FunctionPath, After),
    responses((status = 200, body = ShadowDifferences), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn differences(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(After { after }): ApiQuery<After>,
) -> ApiResult<Json<ShadowDifferences>> {
    let function = path.id()?;
    let differences = app.functions().differences(&function, after)?;
    let counts = app.functions().shadow(&function)?.counts;
    Ok(Json(ShadowDifferences { counts, differences }))
}

/// Makes the canary, or else the shadow, the version that runs: live, with the state of the running one.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/promote",
    tag = "functions", operation_id = "promote", params(FunctionPath), request_body = PromotionWait,
    responses((status = 200, body = DeployReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn promote(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    payload: Payload,
) -> ApiResult<Json<DeployReport>> {
    let PromotionWait { wait_ms } = payload.json_or_default()?;
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    let wait = wait(&app, wait_ms);
    let promoted = async move { functions.promote(&function, wait).await };
    Ok(Json(app.functions().to_its_end(promoted).await?))
}
