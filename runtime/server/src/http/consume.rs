//! Consuming records: by long poll, or as a stream of events.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use pelton_core::Result;
use pelton_journal::Topic;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery};
use super::names::{CursorText, FromText, Name};
use super::state::App;
use super::topics::TopicPath;
use crate::data::{
    Cursor, DataPlane, Encoding, From, NewPosition, ReadLimits, Reading, Skipped, write_record,
};

/// Records and bytes of an answer: where nothing is said, and at most.
const RECORDS_DEFAULT: usize = 500;
const RECORDS_MAX: usize = 10_000;
const BYTES_DEFAULT: usize = 1 << 20;
const BYTES_MAX: usize = 8 << 20;

/// What is consumed, from where, and how much of it.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ConsumeQuery {
    /// One partition; all of them, where none is named.
    partition: Option<u32>,
    /// `earliest` (the default), `latest`, an offset (of one partition), `time:MS`,
    /// `time:RFC3339`, or a cursor of an answer before.
    #[param(value_type = Option<FromText>)]
    from: Option<String>,
    /// Most records of an answer.
    #[param(minimum = 1, maximum = 10000, default = 500)]
    max_records: Option<usize>,
    /// No further record is added once an answer has this many bytes.
    #[param(minimum = 1, maximum = 8388608, default = 1048576)]
    max_bytes: Option<usize>,
    /// How keys, values and headers are answered: `json` as what they are, `base64` all of them as
    /// `{"base64": ...}`, byte for byte.
    #[param(inline, default = "json")]
    encoding: Option<EncodingName>,
    /// How long to wait where there is nothing yet, ms.
    #[param(minimum = 0, maximum = 30000, default = 0)]
    wait_ms: Option<u64>,
    /// Goes on where this group stands; `from` is for partitions that it has no position in.
    #[param(value_type = Option<Name>)]
    group: Option<String>,
    /// Commits this cursor for the group before reading on from there.
    #[param(value_type = Option<CursorText>)]
    commit: Option<String>,
}

/// The words for [`Encoding`].
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EncodingName {
    Json,
    Base64,
}

/// Records of an answer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what is written piece by piece")]
pub(super) struct RecordList {
    /// In order within each partition.
    records: Vec<RecordBody>,
    /// Where to go on: the next request's `from`, or what a group commits.
    #[schema(value_type = CursorText)]
    cursor: String,
    /// Offsets that retention had removed before they were read; left out where there are none.
    skipped: Option<Vec<Skipped>>,
}

/// A record as it is answered. Objects, lists and numbers stand for their JSON text, strings for
/// text, `{"base64": ...}` for bytes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what is written piece by piece")]
pub(super) struct RecordBody {
    /// The partition.
    partition: u32,
    /// The offset.
    offset: u64,
    /// Ms since the Unix epoch.
    timestamp: i64,
    /// The key.
    key: Option<serde_json::Value>,
    /// The value; none is a tombstone.
    value: Option<serde_json::Value>,
    /// `[["name", value]]`; left out where there are none.
    headers: Option<Vec<serde_json::Value>>,
}

/// A request to consume, checked.
pub(super) struct Wanted {
    pub(super) topic: Topic,
    pub(super) cursor: Cursor,
    pub(super) limits: ReadLimits,
    pub(super) encoding: Encoding,
    wait: Duration,
}

/// Reads durable records; with `Accept: text/event-stream` goes on doing so, an event each, whose
/// id resumes behind it.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/topics/{topic}/records", tag = "records",
    operation_id = "consume",
    params(TopicPath, ConsumeQuery,
        ("last-event-id" = Option<CursorText>, Header,
            description = "With an event stream: resumes behind this event")),
    responses(
        (status = 200, content(
            (RecordList = "application/json"), (String = "text/event-stream"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn consume(
    State(app): State<App>,
    ApiPath(path): ApiPath<TopicPath>,
    ApiQuery(query): ApiQuery<ConsumeQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let is_stream = accepts_events(&headers);
    let resume = match is_stream {
        true => headers.get("last-event-id").map(resume_at).transpose()?,
        false => None,
    };
    let wanted = begin(&app, path, query, resume).await?;
    if is_stream {
        return Ok(super::sse::stream(app, wanted));
    }
    let Wanted { topic, mut cursor, limits, encoding, wait } = wanted;
    wait_for_news(&app, &topic, &cursor, wait).await;
    let read = move |data: &DataPlane| {
        let reading = data.read(&topic, &mut cursor, limits)?;
        Ok((count(&reading), list(&reading, &cursor, encoding)?))
    };
    let (records, body) = app.blocking(read).await?;
    app.metrics().records_consumed.inc_by(records);
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], Body::from(body)).into_response())
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepts.flat_map(|value| value.split(','));
    kinds.any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/event-stream"))
}

fn resume_at(value: &HeaderValue) -> ApiResult<Cursor> {
    Ok(value.to_str().unwrap_or_default().parse::<Cursor>()?)
}

/// Checks a request, commits where it says so, and finds where it begins.
async fn begin(
    app: &App,
    path: TopicPath,
    query: ConsumeQuery,
    resume: Option<Cursor>,
) -> ApiResult<Wanted> {
    let name = path.name()?;
    let limits = ReadLimits {
        records_max: within("max_records", query.max_records, RECORDS_DEFAULT, 1, RECORDS_MAX)?,
        bytes_max: within("max_bytes", query.max_bytes, BYTES_DEFAULT, 1, BYTES_MAX)?,
    };
    let encoding = match query.encoding {
        None | Some(EncodingName::Json) => Encoding::Json,
        Some(EncodingName::Base64) => Encoding::Base64,
    };
    let wait_max = app.config().wait_max.as_millis() as u64;
    let wait = Duration::from_millis(within("wait_ms", query.wait_ms, 0, 0, wait_max)?);
    if query.commit.is_some() && query.group.is_none() {
        let text = "the query: `commit` is for a group: name it with `group`";
        return Err(ApiError::user("E-HTTP-QUERY", text));
    }
    let from = query.from.as_deref().map(str::parse::<From>).transpose()?.unwrap_or_default();
    let commit = query.commit.as_deref().map(str::parse::<Cursor>).transpose()?;
    let (partition, group) = (query.partition, query.group);
    let find = move |data: &DataPlane| -> Result<_> {
        let topic = data.topic(&name)?;
        let mut seq = None;
        if let (Some(cursor), Some(group)) = (commit, &group) {
            let position = NewPosition { topic: name.clone(), cursor };
            seq = Some(data.commit_group(name.tenant(), group, &[position])?);
        }
        let cursor = match (resume, &group) {
            (Some(resume), _) => data.cursor(&topic, partition, &From::Cursor(resume))?,
            (None, Some(group)) => data.group_cursor(group, &topic, partition, &from)?,
            (None, None) => data.cursor(&topic, partition, &from)?,
        };
        Ok((topic, cursor, seq))
    };
    let (topic, cursor, seq) = app.blocking(find).await?;
    if let Some(seq) = seq {
        app.durable(seq).await?;
    }
    Ok(Wanted { topic, cursor, limits, encoding, wait })
}

fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: Option<T>,
    default: T,
    min: T,
    max: T,
) -> ApiResult<T> {
    match value {
        None => Ok(default),
        Some(value) if value >= min && value <= max => Ok(value),
        Some(value) => {
            let text = format!("the query: `{name}` is {value}; use {min} to {max}");
            Err(ApiError::user("E-HTTP-QUERY", text))
        }
    }
}

/// Waits until there is something at the cursor, the time is over, or the server shuts down.
/// Answers whether it is the first.
pub(super) async fn wait_for_news(
    app: &App,
    topic: &Topic,
    cursor: &Cursor,
    wait: Duration,
) -> bool {
    tokio::select! {
        biased;
        () = app.draining().cancelled() => false,
        news = app.data().wait_for_records(topic, cursor, Instant::now() + wait) => news,
    }
}

/// Number of records.
pub(super) fn count(reading: &Reading) -> u64 {
    reading.slices.iter().map(|slice| slice.rows().len() as u64).sum()
}

fn list(reading: &Reading, cursor: &Cursor, encoding: Encoding) -> Result<Vec<u8>> {
    let mut out = b"{\"records\":[".to_vec();
    let mut is_first = true;
    for slice in &reading.slices {
        let records = slice.records()?;
        for row in slice.rows() {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            write_record(slice.partition, slice.offset(row), &records, row, encoding, &mut out);
        }
    }
    out.extend_from_slice(format!("],\"cursor\":\"{cursor}\"").as_bytes());
    if !reading.skipped.is_empty() {
        out.extend_from_slice(b",\"skipped\":");
        out.extend(serde_json::to_vec(&reading.skipped).unwrap_or_default());
    }
    out.push(b'}');
    Ok(out)
}
