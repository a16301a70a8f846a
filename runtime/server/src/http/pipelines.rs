//! Pipelines: deploy several functions together, list, look, roll back, pause, resume, remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pelton_core::{PipelineId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload};
use super::functions::{Removal, Rollback, wait};
use super::names::Name;
use super::state::App;
use super::topics::TenantPath;
use crate::data::bad_name;
use crate::functions::{Event, PipelineReport, PipelineRequest, PipelineStatus, PipelineVersion};

/// A pipeline.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct PipelinePath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    tenant: String,
    /// The pipeline.
    #[param(value_type = Name, example = "flights")]
    pipeline: String,
}

impl PipelinePath {
    fn id(&self) -> ApiResult<PipelineId> {
        let tenant = TenantId::new(&self.tenant).map_err(bad_name)?;
        Ok(PipelineId::new(tenant, &self.pipeline).map_err(bad_name)?)
    }
}

/// A deployment of a pipeline.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPipeline {
    /// The text of the pelton.toml.
    manifest: String,
    /// The module of each function, by the function's name: the digest that its upload answered.
    modules: BTreeMap<String, String>,
    /// Whether to check only, and to tell what would change.
    #[serde(default)]
    dry_run: bool,
    /// How long to wait for the first commit of each task, ms (2,000).
    wait_ms: Option<u64>,
}

/// A tenant's pipelines.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PipelineList {
    /// By name.
    pipelines: Vec<PipelineStatus>,
}

/// A pipeline's versions and what has happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PipelineVersions {
    /// The version that its functions run.
    active: u64,
    /// Oldest first.
    versions: Vec<PipelineVersion>,
    /// Oldest first.
    events: Vec<Event>,
}

/// Deploys a pipeline: several functions, checked all before any of them changes. Where one does not
/// pass its trial, all go back to what they ran.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/pipelines", tag = "pipelines",
    operation_id = "deployPipeline", params(TenantPath), request_body = NewPipeline,
    responses((status = 200, body = PipelineReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn deploy(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
    payload: Payload,
) -> ApiResult<Json<PipelineReport>> {
    let NewPipeline { manifest, modules, dry_run, wait_ms } = payload.json()?;
    let (tenant, wait) = (path.id()?, wait(&app, wait_ms));
    let request = PipelineRequest { tenant, manifest, modules, dry_run, wait };
    let functions = Arc::clone(app.functions());
    let deployed = async move { functions.deploy_pipeline(request).await };
    Ok(Json(app.functions().to_its_end(deployed).await?))
}

/// Lists a tenant's pipelines and what they do.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/pipelines", tag = "pipelines",
    operation_id = "listPipelines", params(TenantPath),
    responses((status = 200, body = PipelineList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
) -> ApiResult<Json<PipelineList>> {
    let pipelines = app.functions().pipeline_statuses(&path.id()?).await?;
    Ok(Json(PipelineList { pipelines }))
}

/// What a pipeline does.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}", tag = "pipelines",
    operation_id = "describePipeline", params(PipelinePath),
    responses((status = 200, body = PipelineStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
) -> ApiResult<Json<PipelineStatus>> {
    Ok(Json(app.functions().pipeline_status(&path.id()?).await?))
}

/// Removes a pipeline and its functions. Their topics stay.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}", tag = "pipelines",
    operation_id = "removePipeline", params(PipelinePath, Removal),
    responses((status = 204, description = "Removed"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
    ApiQuery(removal): ApiQuery<Removal>,
) -> ApiResult<StatusCode> {
    let (functions, pipeline) = (Arc::clone(app.functions()), path.id()?);
    let removed = async move { functions.remove_pipeline(&pipeline, removal.keep_state).await };
    app.functions().to_its_end(removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The versions of a pipeline, and what has happened to it.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}/versions",
    tag = "pipelines", operation_id = "listPipelineVersions", params(PipelinePath),
    responses((status = 200, body = PipelineVersions), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn versions(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
) -> ApiResult<Json<PipelineVersions>> {
    let record = app.functions().pipeline_record(&path.id()?)?;
    let crate::functions::PipelineRecord { active, versions, events, .. } = record;
    Ok(Json(PipelineVersions { active, versions, events }))
}

/// Takes an earlier version of all functions back, live. State stays.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}/rollback",
    tag = "pipelines", operation_id = "rollbackPipeline", params(PipelinePath),
    request_body = Rollback,
    responses((status = 200, body = PipelineReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn rollback(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
    payload: Payload,
) -> ApiResult<Json<PipelineReport>> {
    let Rollback { to, wait_ms } = payload.json_or_default()?;
    let (functions, pipeline) = (Arc::clone(app.functions()), path.id()?);
    let wait = wait(&app, wait_ms);
    let rolled_back = async move { functions.rollback_pipeline(&pipeline, to, wait).await };
    Ok(Json(app.functions().to_its_end(rolled_back).await?))
}

/// Pauses the functions of a pipeline: positions and state stay.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}/pause",
    tag = "pipelines", operation_id = "pausePipeline", params(PipelinePath),
    responses((status = 204, description = "Paused"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn pause(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
) -> Result<StatusCode, ApiError> {
    let (functions, pipeline) = (Arc::clone(app.functions()), path.id()?);
    let paused = async move { functions.pause_pipeline(&pipeline).await };
    app.functions().to_its_end(paused).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets the functions of a pipeline go on that were paused, or that have stopped by themselves.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/pipelines/{pipeline}/resume",
    tag = "pipelines", operation_id = "resumePipeline", params(PipelinePath),
    responses((status = 204, description = "Running"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn resume(
    State(app): State<App>,
    ApiPath(path): ApiPath<PipelinePath>,
) -> Result<StatusCode, ApiError> {
    let (functions, pipeline) = (Arc::clone(app.functions()), path.id()?);
    let resumed = async move { functions.resume_pipeline(&pipeline).await };
    app.functions().to_its_end(resumed).await?;
    Ok(StatusCode::NO_CONTENT)
}
