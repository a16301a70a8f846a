//! Whether the process is alive, and whether it can take work.

use axum::Json;
use axum::extract::State;
use pelton_journal::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::state::App;

/// How far a replica may be behind, ms.
const LAG_MS_MAX: u64 = 30_000;

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

/// A replica that is too far behind, or knows nothing of its leader, is no place to read; a server
/// that was fenced is none at all.
fn check_copy(app: &App) -> ApiResult<()> {
    let replication = app.replication();
    match app.node().journal().role() {
        Role::Leader => Ok(()),
        Role::Fenced { .. } => Ok(replication.check_writable()?),
        Role::Replica { .. } => match replication.lag() {
            Some(lag) if lag.ms <= LAG_MS_MAX => Ok(()),
            Some(lag) => {
                let text = format!(
                    "this replica is {} commits and {} s behind its leader",
                    lag.commits,
                    lag.ms / 1_000
                );
                Err(ApiError::busy("E-REPLICA-LAG", text))
            }
            None => {
                let text = "this replica has not heard of its leader yet";
                Err(ApiError::busy("E-REPLICA-LAG", text))
            }
        },
    }
}

/// Whether requests should be sent here: not while it shuts down, was fenced, or is a replica that
/// is more than 30 s behind.
#[utoipa::path(get, path = "/readyz", tag = "server", operation_id = "ready",
    responses((status = 200, body = Health), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn readyz(State(app): State<App>) -> ApiResult<Json<Health>> {
    if app.draining().is_cancelled() {
        return Err(ApiError::busy("E-HTTP-DRAINING", "the server is shutting down"));
    }
    check_copy(&app)?;
    healthz(State(app)).await
}
