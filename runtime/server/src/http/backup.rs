//! Backups of a server that runs.

use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::Payload;
use super::state::App;
use crate::backup::{BackupReport, backup};

/// Where a backup goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupTarget {
    /// A folder of the server's machine, from the root on; created, or empty.
    #[schema(example = "/var/backups/pelton-monday")]
    directory: String,
}

/// Makes a backup of all tenants, which it answers once all of it was checked. Everything goes on
/// meanwhile. Files are linked where the folder is on the data directory's file system, else copied.
#[utoipa::path(post, path = "/api/v1/backup", tag = "server", operation_id = "backup",
    request_body = BackupTarget,
    responses((status = 200, body = BackupReport), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn make(
    State(app): State<App>,
    payload: Payload,
) -> ApiResult<Json<BackupReport>> {
    let BackupTarget { directory } = payload.json()?;
    let Ok(alone) = Arc::clone(app.backups()).try_acquire_owned() else {
        return Err(ApiError::busy("E-BACKUP-BUSY", "another backup is being made"));
    };
    let node = Arc::clone(app.node());
    // The permit goes with the work, not with the request.
    let made = move |_: &_| {
        let _alone = alone;
        let (journal, now_ms) = (node.journal(), node.clock().now_ms());
        backup(journal, node.directory(), Path::new(&directory), now_ms)
    };
    Ok(Json(app.blocking(made).await?))
}
