//! Consumer groups: list, describe, commit, reset, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pelton_core::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::names::{CursorText, FromText, Name};
use super::state::App;
use super::topics::TenantPath;
use crate::data::{Cursor, From, GroupInfo, GroupSummary, NewPosition, bad_name, topic_name};

/// Positions of one commit at most.
const POSITIONS_MAX: usize = 10_000;

/// A group.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GroupPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    tenant: String,
    /// The group.
    #[param(value_type = Name, example = "dashboard")]
    group: String,
}

impl GroupPath {
    fn tenant(&self) -> ApiResult<TenantId> {
        Ok(TenantId::new(&self.tenant).map_err(bad_name)?)
    }
}

/// A tenant's groups.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupList {
    /// By name.
    groups: Vec<GroupSummary>,
}

/// Positions to commit: a cursor of one topic, or a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CommitBody {
    /// The topic of `cursor`.
    #[schema(value_type = Option<Name>)]
    topic: Option<String>,
    /// The cursor of an answer whose records are done.
    #[schema(value_type = Option<CursorText>)]
    cursor: Option<String>,
    /// Positions one by one, of any topics.
    #[serde(default)]
    #[schema(max_items = 10000)]
    positions: Vec<PositionBody>,
}

/// A position to commit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionBody {
    /// The topic.
    #[schema(value_type = Name)]
    topic: String,
    /// The partition.
    partition: u32,
    /// The offset to be read next.
    offset: u64,
}

/// Where to set a group's positions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    /// The topic.
    #[schema(value_type = Name)]
    topic: String,
    /// One partition; all, where none is named.
    partition: Option<u32>,
    /// `earliest`, `latest`, an offset (of one partition), `time:MS`, `time:RFC3339` or a cursor.
    #[schema(value_type = FromText)]
    from: String,
}

/// Lists a tenant's groups with their lag.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/groups", tag = "groups",
    operation_id = "listGroups", params(TenantPath),
    responses((status = 200, body = GroupList), (status = "4XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
) -> ApiResult<Json<GroupList>> {
    let tenant = path.id()?;
    let groups = app.blocking(move |data| Ok(data.groups(&tenant))).await?;
    Ok(Json(GroupList { groups }))
}

/// Describes a group: its position and lag in each partition.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/groups/{group}", tag = "groups",
    operation_id = "describeGroup", params(GroupPath),
    responses((status = 200, body = GroupInfo), (status = "4XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<GroupPath>,
) -> ApiResult<Json<GroupInfo>> {
    let tenant = path.tenant()?;
    Ok(Json(app.blocking(move |data| data.describe_group(&tenant, &path.group)).await?))
}

/// Commits positions of a group, all of them at once. Answered when they are durable.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/groups/{group}/commit", tag = "groups",
    operation_id = "commitGroup", params(GroupPath), request_body = CommitBody,
    responses((status = 204, description = "Committed"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn commit(
    State(app): State<App>,
    ApiPath(path): ApiPath<GroupPath>,
    payload: Payload,
) -> ApiResult<StatusCode> {
    let tenant = path.tenant()?;
    let positions = positions(&path.tenant, payload.json()?)?;
    let work =
        move |data: &crate::data::DataPlane| data.commit_group(&tenant, &path.group, &positions);
    let seq = app.blocking(work).await?;
    app.durable(seq).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn positions(tenant: &str, body: CommitBody) -> ApiResult<Vec<NewPosition>> {
    let mut positions = Vec::new();
    match (body.topic, body.cursor) {
        (Some(topic), Some(cursor)) => {
            let (topic, cursor) = (topic_name(tenant, &topic)?, cursor.parse()?);
            positions.push(NewPosition { topic, cursor });
        }
        (None, None) => {}
        _ => return Err(ApiError::user("E-JSON", "the body: `topic` and `cursor` go together")),
    }
    if body.positions.len() > POSITIONS_MAX {
        let text = format!("the body: at most {POSITIONS_MAX} positions in one commit");
        return Err(ApiError::user("E-REQUEST-RECORDS", text));
    }
    for PositionBody { topic, partition, offset } in body.positions {
        let topic = topic_name(tenant, &topic)?;
        positions.push(NewPosition { topic, cursor: Cursor::at([(partition, offset)]) });
    }
    Ok(positions)
}

/// Sets a group's positions in a topic. Nobody should read with the group meanwhile.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/groups/{group}/reset", tag = "groups",
    operation_id = "resetGroup", params(GroupPath), request_body = ResetBody,
    responses((status = 200, body = GroupInfo), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn reset(
    State(app): State<App>,
    ApiPath(path): ApiPath<GroupPath>,
    payload: Payload,
) -> ApiResult<Json<GroupInfo>> {
    let body: ResetBody = payload.json()?;
    let (topic, from) = (topic_name(&path.tenant, &body.topic)?, body.from.parse::<From>()?);
    let work = move |data: &crate::data::DataPlane| {
        let (_, seq) = data.reset_group(&path.group, &topic, body.partition, &from)?;
        Ok((seq, data.describe_group(topic.tenant(), &path.group)?))
    };
    let (seq, info) = app.blocking(work).await?;
    app.durable(seq).await?;
    Ok(Json(info))
}

/// Forgets a group.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/groups/{group}", tag = "groups",
    operation_id = "deleteGroup", params(GroupPath),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn delete(
    State(app): State<App>,
    ApiPath(path): ApiPath<GroupPath>,
) -> ApiResult<StatusCode> {
    let tenant = path.tenant()?;
    let seq = app.blocking(move |data| data.delete_group(&tenant, &path.group)).await?;
    app.durable(seq).await?;
    Ok(StatusCode::NO_CONTENT)
}
