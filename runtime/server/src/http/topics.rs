//! Topics: create, list, describe, change, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use pelton_core::TenantId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, Payload};
use super::names::Name;
use super::state::App;
use crate::data::{CleanupPolicy, TopicChange, TopicInfo, TopicSettings, bad_name, topic_name};

/// A tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TenantPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    pub(super) tenant: String,
}

impl TenantPath {
    pub(super) fn id(&self) -> ApiResult<TenantId> {
        Ok(TenantId::new(&self.tenant).map_err(bad_name)?)
    }
}

/// A topic.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TopicPath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    pub(super) tenant: String,
    /// The topic.
    #[param(value_type = Name, example = "flights")]
    pub(super) topic: String,
}

impl TopicPath {
    pub(super) fn name(&self) -> ApiResult<pelton_core::TopicName> {
        Ok(topic_name(&self.tenant, &self.topic)?)
    }
}

/// A tenant's topics.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicList {
    /// By name.
    topics: Vec<TopicInfo>,
}

/// A new topic.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTopic {
    /// Its name.
    #[schema(value_type = Name)]
    name: String,
    /// Number of partitions, fixed for good.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 256, default = 1)]
    partitions: u32,
    /// Records older than this may be forgotten, ms.
    retention_ms: Option<u64>,
    /// The oldest records may be forgotten while a partition holds more than this, bytes.
    retention_bytes: Option<u64>,
    /// How it forgets.
    #[serde(default)]
    cleanup: CleanupPolicy,
}

fn one() -> u32 {
    1
}

/// Lists a tenant's topics.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/topics", tag = "topics",
    operation_id = "listTopics", params(TenantPath),
    responses((status = 200, body = TopicList), (status = "4XX", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
) -> ApiResult<Json<TopicList>> {
    let tenant = path.id()?;
    Ok(Json(TopicList { topics: app.blocking(move |data| Ok(data.topics(&tenant))).await? }))
}

/// Creates a topic. Answered when it is durable.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/topics", tag = "topics",
    operation_id = "createTopic", params(TenantPath), request_body = NewTopic,
    responses((status = 201, body = TopicInfo), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn create(
    State(app): State<App>,
    ApiPath(path): ApiPath<TenantPath>,
    payload: Payload,
) -> ApiResult<(StatusCode, Json<TopicInfo>)> {
    let new: NewTopic = payload.json()?;
    let name = topic_name(&path.tenant, &new.name)?;
    let NewTopic { partitions, retention_ms, retention_bytes, cleanup, .. } = new;
    let settings = TopicSettings { partitions, retention_ms, retention_bytes, cleanup };
    let of = name.clone();
    let (_, seq) = app.blocking(move |data| data.create_topic(&of, settings)).await?;
    app.durable(seq).await?;
    Ok((StatusCode::CREATED, Json(app.data().describe_topic(&name)?)))
}

/// Describes a topic: its partitions, offsets and sizes.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/topics/{topic}", tag = "topics",
    operation_id = "describeTopic", params(TopicPath),
    responses((status = 200, body = TopicInfo), (status = "4XX", body = ErrorBody)))]
pub(super) async fn describe(
    State(app): State<App>,
    ApiPath(path): ApiPath<TopicPath>,
) -> ApiResult<Json<TopicInfo>> {
    Ok(Json(app.data().describe_topic(&path.name()?)?))
}

/// Changes what a topic may forget, and how.
#[utoipa::path(patch, path = "/api/v1/tenants/{tenant}/topics/{topic}", tag = "topics",
    operation_id = "alterTopic", params(TopicPath), request_body = TopicChange,
    responses((status = 200, body = TopicInfo), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn alter(
    State(app): State<App>,
    ApiPath(path): ApiPath<TopicPath>,
    payload: Payload,
) -> ApiResult<Json<TopicInfo>> {
    let change: TopicChange = payload.json()?;
    let name = path.name()?;
    let of = name.clone();
    let seq = app.blocking(move |data| data.alter_topic(&of, change)).await?;
    app.durable(seq).await?;
    Ok(Json(app.data().describe_topic(&name)?))
}

/// Deletes a topic with its records, producers and group positions.
#[utoipa::path(delete, path = "/api/v1/tenants/{tenant}/topics/{topic}", tag = "topics",
    operation_id = "deleteTopic", params(TopicPath),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn delete(
    State(app): State<App>,
    ApiPath(path): ApiPath<TopicPath>,
) -> ApiResult<StatusCode> {
    let name = path.name()?;
    let seq = app.blocking(move |data| data.delete_topic(&name)).await?;
    app.durable(seq).await?;
    Ok(StatusCode::NO_CONTENT)
}
