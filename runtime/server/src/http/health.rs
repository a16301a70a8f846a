//! Whether the process is alive, and whether it can take work.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::state::App;

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of Pelton.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process can go on: once this fails it must be started again.
#[utoipa::path(get, path = "/healthz", tag = "server", operation_id = "health",
    responses((status = 200, body = Health), (status = "5XX", body = ErrorBody)))]
pub(super) async fn healthz(State(app): State<App>) -> ApiResult<Json<Health>> {
    app.node().journal().health().map_err(crate::data::of)?;
    Ok(Json(OK))
}

/// Whether requests should be sent here: not while it shuts down.
#[utoipa::path(get, path = "/readyz", tag = "server", operation_id = "ready",
    responses((status = 200, body = Health), (status = "5XX", body = ErrorBody)))]
pub(super) async fn readyz(State(app): State<App>) -> ApiResult<Json<Health>> {
    if app.draining().is_cancelled() {
        return Err(ApiError::busy("E-HTTP-DRAINING", "the server is shutting down"));
    }
    healthz(State(app)).await
}
