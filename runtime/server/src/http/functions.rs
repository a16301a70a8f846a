//! Functions: upload a module, deploy, list, look, roll back, pause, resume, remove.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pelton_core::{Domain, Error, FunctionId, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload, wrong_type};
use super::names::Name;
use super::state::App;
use super::topics::TenantPath;
use crate::data::bad_name;
use crate::functions::{DeployReport, DeployRequest, Event, FunctionStatus, NewCanary, Version};

/// How long a deployment waits for the first commits, where the request does not say it.
const WAIT_MS: u64 = 2_000;

/// A function.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct FunctionPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    pub(super) tenant: String,
    /// The function.
    #[param(value_type = Name, example = "hello")]
    pub(super) function: String,
}

impl FunctionPath {
    pub(super) fn id(&self) -> ApiResult<FunctionId> {
        let tenant = TenantId::new(&self.tenant).map_err(bad_name)?;
        Ok(FunctionId::new(tenant, &self.function).map_err(bad_name)?)
    }
}

/// A module that was uploaded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Uploaded {
    /// BLAKE3 of its bytes, in hex: what a deployment names it by.
    digest: String,
    /// Its bytes.
    size: u64,
}

/// A deployment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDeployment {
    /// The text of the pelton.toml.
    manifest: String,
    /// The module: the digest that its upload answered.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    digest: String,
    /// Whether to check only, and to tell what would change.
    #[serde(default)]
    dry_run: bool,
    /// Whether it is to follow the version that runs, on live input and its own copy of state, and
    /// write nothing.
    #[serde(default)]
    shadow: bool,
    /// Whether a share of the keys is to go through it, until a rule promotes it or rolls it back.
    canary: Option<NewCanary>,
    /// How long to wait for the first commit of each task, ms (2,000).
    wait_ms: Option<u64>,
}

/// A tenant's functions.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FunctionList {
    /// By name.
    functions: Vec<FunctionStatus>,
}

/// A function's versions and what has happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionList {
    /// The version whose code runs.
    active: u64,
    /// While that one is on trial: the one to go back to.
    before: Option<u64>,
    /// Oldest first.
    versions: Vec<Version>,
    /// Oldest first.
    events: Vec<Event>,
}

/// Where to roll back to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// The version; the one before the active one where it is left out.
    pub(super) to: Option<u64>,
    /// How long to wait for the first commit of each task, ms (2,000).
    pub(super) wait_ms: Option<u64>,
}

/// What becomes of the state of a function that is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    /// Whether positions and state are kept for a function of this name that is deployed later.
    #[serde(default)]
    pub(super) keep_state: bool,
}

/// The time that a request may wait, within the server's limit.
pub(super) fn wait(app: &App, wait_ms: Option<u64>) -> Duration {
    Duration::from_millis(wait_ms.unwrap_or(WAIT_MS)).min(app.config().wait_max)
}

/// Uploads a module, to be deployed soon: what no deployment names is removed in time.
#[utoipa::path(put, path = "/api/v1/tenants/{tenant}/artefacts", tag = "functions",
    operation_id = "uploadArtefact", params(TenantPath),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = Uploaded), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn upload(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
    payload: Payload,
) -> ApiResult<(StatusCode, Json<Uploaded>)> {
    path.id()?;
    if payload.media_type != "application/wasm" {
        return Err(wrong_type(&payload.media_type, "application/wasm"));
    }
    let size = payload.bytes.len() as u64;
    let digest = app.functions().upload(payload.bytes.clone()).await?;
    Ok((StatusCode::CREATED, Json(Uploaded { digest, size })))
}

/// Deploys a module under its manifest. Onto a function that runs it goes live, on trial until its
/// first commit.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions", tag = "functions",
    operation_id = "deploy", params(TenantPath), request_body = NewDeployment,
    responses((status = 200, body = DeployReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn deploy(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
    payload: Payload,
) -> ApiResult<Json<DeployReport>> {
    let NewDeployment { manifest, digest, dry_run, shadow, canary, wait_ms } = payload.json()?;
    let (tenant, wait) = (path.id()?, wait(&app, wait_ms));
    let wasm = app.functions().module(&digest).await?;
    let request = DeployRequest { tenant, manifest, wasm, dry_run, wait };
    let functions = Arc::clone(app.functions());
    let deployed = app.functions().to_its_end(async move {
        match (shadow, canary) {
            (false, None) => functions.deploy(request).await,
            (true, None) => functions.deploy_shadow(request).await,
            (false, Some(canary)) => functions.deploy_canary(request, canary).await,
            (true, Some(_)) => {
                let text = "a deployment is a shadow or a canary, not both: leave one of them out";
                Err(Error::new("E-DEPLOY-MODE", Domain::User, text))
            }
        }
    });
    Ok(Json(deployed.await?))
}

/// Lists a tenant's functions and what they do.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions", tag = "functions",
    operation_id = "listFunctions", params(TenantPath),
    responses((status = 200, body = FunctionList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
) -> ApiResult<Json<FunctionList>> {
    let tenant = path.id()?;
    let mut functions = app.functions().statuses().await?;
    functions.retain(|status| *status.function.tenant() == tenant);
    Ok(Json(FunctionList { functions }))
}

/// What a function does.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}", tag = "functions",
    operation_id = "describeFunction", params(FunctionPath),
    responses((status = 200, body = FunctionStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<FunctionStatus>> {
    Ok(Json(app.functions().status(&path.id()?).await?))
}

/// Removes a function. Its topics stay.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/functions/{function}", tag = "functions",
    operation_id = "removeFunction", params(FunctionPath, Removal),
    responses((status = 204, description = "Removed"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(removal): ApiQuery<Removal>,
) -> ApiResult<StatusCode> {
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    let removed = async move { functions.remove(&function, removal.keep_state).await };
    app.functions().to_its_end(removed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The versions of a function, and what has happened to it.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/versions",
    tag = "functions", operation_id = "listVersions", params(FunctionPath),
    responses((status = 200, body = VersionList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn versions(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<VersionList>> {
    let record = app.functions().record(&path.id()?)?;
    let crate::functions::FunctionRecord { active, before, versions, events, .. } = record;
    Ok(Json(VersionList { active, before, versions, events }))
}

/// Takes an earlier version back, live. State stays.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/rollback",
    tag = "functions", operation_id = "rollback", params(FunctionPath), request_body = Rollback,
    responses((status = 200, body = DeployReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn rollback(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    payload: Payload,
) -> ApiResult<Json<DeployReport>> {
    let Rollback { to, wait_ms } = payload.json_or_default()?;
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    let wait = wait(&app, wait_ms);
    let rolled_back = async move { functions.rollback(&function, to, wait).await };
    Ok(Json(app.functions().to_its_end(rolled_back).await?))
}

/// Pauses a function: positions and state stay.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/pause",
    tag = "functions", operation_id = "pause", params(FunctionPath),
    responses((status = 204, description = "Paused"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn pause(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> Result<StatusCode, ApiError> {
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    app.functions().to_its_end(async move { functions.pause(&function).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a function go on that was paused, or that has stopped by itself.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/resume",
    tag = "functions", operation_id = "resume", params(FunctionPath),
    responses((status = 204, description = "Running"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn resume(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> Result<StatusCode, ApiError> {
    let (functions, function) = (Arc::clone(app.functions()), path.id()?);
    app.functions().to_its_end(async move { functions.resume(&function).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
