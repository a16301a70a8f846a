//! Looking into a function: its state, its logs.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery};
use super::functions::FunctionPath;
use super::log_stream;
use super::names::Name;
use super::state::App;
use crate::functions::StateEntry;
use crate::telemetry::LogLine;

/// Entries of one answer at most.
const ENTRIES_MAX: usize = 10_000;

/// A store of a function.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct StorePath {
    /// The tenant; `default` where there is only one.
    #[param(value_type = Name, example = "default")]
    tenant: String,
    /// The function.
    #[param(value_type = Name, example = "hello")]
    function: String,
    /// The store, as the function declares it.
    #[param(example = "counts")]
    store: String,
}

impl StorePath {
    fn function(&self) -> ApiResult<pelton_core::FunctionId> {
        let (tenant, function) = (self.tenant.clone(), self.function.clone());
        FunctionPath { tenant, function }.id()
    }
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    /// What keys start with, as text.
    #[serde(default)]
    prefix: String,
    /// How many entries at most.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<usize>,
}

/// Which entry.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OneKey {
    /// The key, as text.
    key: String,
}

/// Bytes for people: as text where they are one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shown {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Shown {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let is_plain = |text: &str| !text.chars().any(|c| c.is_control() && !c.is_whitespace());
        match String::from_utf8(bytes) {
            Ok(text) if is_plain(&text) => Self::Text(text),
            Ok(text) => Self::Base64(BASE64_STANDARD.encode(text)),
            Err(error) => Self::Base64(BASE64_STANDARD.encode(error.as_bytes())),
        }
    }
}

/// An entry of a store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownEntry {
    /// The partition whose task keeps it.
    partition: u32,
    /// Its key.
    key: Shown,
    /// Its value.
    value: Shown,
    /// The schema version that it was written with.
    schema: u32,
    /// When it expires, ms; null for never.
    expires_ms: Option<i64>,
}

impl From<StateEntry> for ShownEntry {
    fn from(entry: StateEntry) -> Self {
        let StateEntry { partition, key, value, schema, expires_ms } = entry;
        Self { partition, key: Shown::new(key), value: Shown::new(value), schema, expires_ms }
    }
}

/// Entries of a store.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryList {
    /// By key.
    entries: Vec<ShownEntry>,
}

impl From<Vec<StateEntry>> for EntryList {
    fn from(entries: Vec<StateEntry>) -> Self {
        Self { entries: entries.into_iter().map(ShownEntry::from).collect() }
    }
}

/// Lists entries of a store, durable ones only.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/state/{store}",
    tag = "functions", operation_id = "listState", params(StorePath, Listing),
    responses((status = 200, body = EntryList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn list_state(
    State(app): State<App>,
    ApiPath(path): ApiPath<StorePath>,
    ApiQuery(listing): ApiQuery<Listing>,
) -> ApiResult<Json<EntryList>> {
    let limit = listing.limit.unwrap_or(100).clamp(1, ENTRIES_MAX);
    let (function, prefix) = (path.function()?, listing.prefix.as_bytes());
    let found = app.functions().state_list(&function, &path.store, prefix, limit).await?;
    Ok(Json(found.into()))
}

/// Reads one key of a store, durably.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/state/{store}/entry",
    tag = "functions", operation_id = "getState", params(StorePath, OneKey),
    responses((status = 200, body = EntryList), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn get_state(
    State(app): State<App>,
    ApiPath(path): ApiPath<StorePath>,
    ApiQuery(one): ApiQuery<OneKey>,
) -> ApiResult<Json<EntryList>> {
    let function = path.function()?;
    let found = app.functions().state_get(&function, &path.store, one.key.as_bytes()).await?;
    Ok(Json(found.into()))
}

/// A line that a function has logged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownLine {
    /// When, ms since the epoch.
    time_ms: i64,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    level: String,
    /// The partition whose task logged it.
    partition: u32,
    /// The line.
    message: String,
}

impl From<&LogLine> for ShownLine {
    fn from(line: &LogLine) -> Self {
        Self {
            time_ms: line.time_ms,
            level: format!("{:?}", line.level).to_lowercase(),
            partition: line.task.partition,
            message: line.message.clone(),
        }
    }
}

/// What a function has logged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LineList {
    /// Oldest first; the newest 1,000 are kept.
    lines: Vec<ShownLine>,
}

/// The newest log lines of a function; with `Accept: text/event-stream` these and those to come.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/logs",
    tag = "functions", operation_id = "logs", params(FunctionPath),
    responses((status = 200, description = "Lines, or a stream of them",
            content((LineList = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn logs(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let function = path.id()?;
    app.functions().record(&function)?;
    let accept = headers.get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    if accept.starts_with(b"text/event-stream") {
        return Ok(log_stream::stream(app, function));
    }
    let lines = app.node().telemetry().lines(&function);
    let lines = lines.iter().map(ShownLine::from).collect();
    Ok(Json(LineList { lines }).into_response())
}
