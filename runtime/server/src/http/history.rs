//! What the console draws: the graph of functions and topics, and what has happened lately.

use axum::Json;
use axum::extract::State;

use super::error::{ApiResult, ErrorBody};
use super::extract::ApiPath;
use super::functions::FunctionPath;
use super::state::App;
use super::topics::TenantPath;
use crate::functions::Graph;
use crate::history::{FunctionHistory, NodeHistory};

/// A tenant's functions and the topics between them, with the latest figures.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/graph", tag = "functions",
    operation_id = "graph", params(TenantPath),
    responses((status = 200, body = Graph), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn graph(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
) -> ApiResult<Json<Graph>> {
    let (tenant, functions) = (path.id()?, app.functions().clone());
    Ok(Json(app.blocking(move |_| functions.graph(&tenant)).await?))
}

/// What a function did in the last 15 minutes, in steps of 5 s.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/history",
    tag = "functions", operation_id = "functionHistory", params(FunctionPath),
    responses((status = 200, body = FunctionHistory), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn of_function(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
) -> ApiResult<Json<FunctionHistory>> {
    let function = path.id()?;
    app.functions().record(&function)?;
    Ok(Json(app.functions().history().of_function(&function)))
}

/// What the server did in the last 15 minutes, in steps of 5 s.
#[utoipa::path(get, path = "/api/v1/history", tag = "server", operation_id = "serverHistory",
    responses((status = 200, body = NodeHistory), (status = "4XX", body = ErrorBody)))]
pub(super) async fn of_node(State(app): State<App>) -> Json<NodeHistory> {
    Json(app.functions().history().of_node())
}
