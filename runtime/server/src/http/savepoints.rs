//! Savepoints: make, list, remove, and rewind to one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::functions::FunctionPath;
use super::names::Name;
use super::state::App;
use crate::functions::{RestoreReport, RestoreRequest, Savepoint};

/// A savepoint of a function.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SavepointPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    tenant: String,
    /// The function.
    #[param(value_type = Name, example = "hello")]
    function: String,
    /// The savepoint.
    #[param(value_type = Name, example = "sp-1")]
    savepoint: String,
}

impl SavepointPath {
    fn function(&self) -> ApiResult<pelton_core::FunctionId> {
        let (tenant, function) = (self.tenant.clone(), self.function.clone());
        FunctionPath { tenant, function }.id()
    }
}

/// A new savepoint.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSavepoint {
    /// Its name; `sp-1`, `sp-2` and so on where it is left out.
    name: Option<String>,
}

/// The savepoints of a function.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SavepointList {
    /// Oldest first.
    savepoints: Vec<Savepoint>,
}

/// How to rewind.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    /// Whether the code goes back too, to the version that the savepoint was made by.
    #[serde(default)]
    with_code: bool,
    /// Whether to check only, and to tell how many outputs would repeat.
    #[serde(default)]
    dry_run: bool,
}

/// Lists the savepoints of a function.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/savepoints",
    tag = "functions", operation_id = "listSavepoints", params(FunctionPath),
    responses((status = 200, body = SavepointList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<SavepointList>> {
    Ok(Json(SavepointList { savepoints: app.functions().savepoints(&path.id()?)? }))
}

/// Makes a savepoint of a function, which goes on meanwhile.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/functions/{function}/savepoints",
    tag = "functions", operation_id = "createSavepoint", params(FunctionPath),
    request_body = NewSavepoint,
    responses((status = 201, body = Savepoint), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    payload: Payload,
) -> ApiResult<(StatusCode, Json<Savepoint>)> {
    let NewSavepoint { name } = payload.json_or_default()?;
    let made = app.functions().savepoint(&path.id()?, name.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Rewinds a function to a savepoint: positions, state, timers and windows, of all tasks at once.
#[utoipa::path(post,
    path = "/api/v1/tenants/{tenant}/functions/{function}/savepoints/{savepoint}/restore",
    tag = "functions", operation_id = "restoreSavepoint", params(SavepointPath),
    request_body = Restore,
    responses((status = 200, body = RestoreReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn restore(
    State(app): State<App>,
    ApiPath(path): ApiPath<SavepointPath>,
    payload: Payload,
) -> ApiResult<Json<RestoreReport>> {
    let Restore { with_code, dry_run } = payload.json_or_default()?;
    let request = RestoreRequest { with_code, dry_run };
    Ok(Json(app.functions().restore(&path.function()?, &path.savepoint, request).await?))
}

/// Removes a savepoint.
#[utoipa::path(delete,
    path = "/api/v1/tenants/{tenant}/functions/{function}/savepoints/{savepoint}",
    tag = "functions", operation_id = "removeSavepoint", params(SavepointPath),
    responses((status = 204, description = "Removed"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn remove(
    State(app): State<App>,
    ApiPath(path): ApiPath<SavepointPath>,
) -> ApiResult<StatusCode> {
    app.functions().remove_savepoint(&path.function()?, &path.savepoint).await?;
    Ok(StatusCode::NO_CONTENT)
}
