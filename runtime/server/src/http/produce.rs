//! Producing records.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload, wrong_type};
use super::state::App;
use super::topics::TopicPath;
use crate::data::{Produced, ProducedRange, Stamp, read_lines, read_list};

/// How records are produced.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProduceQuery {
    /// All records go to this partition, whatever they say.
    partition: Option<u32>,
    /// The producer's name. With it a request that is sent again is appended once.
    producer: Option<String>,
    /// The producer's epoch (0): a higher one fences the producer that had the name before.
    epoch: Option<u64>,
    /// The request's number, from 0 in each epoch, for each topic. Needed with `producer`.
    sequence: Option<u64>,
}

impl ProduceQuery {
    fn stamp(&self) -> ApiResult<Option<Stamp>> {
        let Self { producer, epoch, sequence, .. } = self;
        match (producer.clone(), sequence) {
            (Some(producer), Some(sequence)) => {
                Ok(Some(Stamp { producer, epoch: epoch.unwrap_or(0), sequence: *sequence }))
            }
            (None, None) if epoch.is_none() => Ok(None),
            _ => Err(ApiError::user(
                "E-HTTP-QUERY",
                "the query: `producer` and `sequence` go together, `epoch` only with both",
            )),
        }
    }
}

/// A record. Text is a string, bytes are `{"base64": ...}`, nothing is null, and any other JSON
/// stands for itself without white space.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what `data::json` reads piece by piece")]
pub(super) struct NewRecordBody {
    /// The key.
    key: Option<serde_json::Value>,
    /// The value; none is a tombstone.
    value: Option<serde_json::Value>,
    /// `{"name": value}`, or `[["name", value]]` where a name comes twice.
    headers: Option<serde_json::Value>,
    /// Ms since the Unix epoch, or RFC 3339; now, where there is none.
    timestamp: Option<serde_json::Value>,
    /// Where it goes, in place of where its key would.
    partition: Option<u32>,
}

/// Records to append.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes what `data::json` reads piece by piece")]
pub(super) struct NewRecords {
    /// In the order in which they are appended; 1 to 10,000.
    #[schema(min_items = 1, max_items = 10000)]
    records: Vec<NewRecordBody>,
}

/// What became of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProducedBody {
    /// Where its records are, by partition, in the order of the request.
    partitions: Vec<ProducedRange>,
    /// Whether it was appended before, under the same sequence.
    duplicate: bool,
}

/// Appends records as one commit, over however many partitions. Answered when they are durable.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/topics/{topic}/records", tag = "records",
    operation_id = "produce", params(TopicPath, ProduceQuery),
    request_body(description = "A list, JSON lines, or a batch in Pelton's layout", content(
        (NewRecords = "application/json"),
        (String = "application/x-ndjson"),
        (Vec<u8> = "application/x-pelton-batch"))),
    responses((status = 200, body = ProducedBody), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn produce(
    State(app): State<App>,
    ApiPath(path): ApiPath<TopicPath>,
    ApiQuery(query): ApiQuery<ProduceQuery>,
    payload: Payload,
) -> ApiResult<Json<ProducedBody>> {
    let (topic, stamp) = (path.name()?, query.stamp()?);
    let read = match payload.media_type.as_str() {
        "application/json" => read_list,
        "application/x-ndjson" | "application/jsonl" => read_lines,
        "application/x-pelton-batch" => read_batch,
        other => {
            let wanted = "application/json, application/x-ndjson or application/x-pelton-batch";
            return Err(wrong_type(other, wanted));
        }
    };
    app.metrics().bytes_received.inc_by(payload.bytes.len() as u64);
    let produced = app
        .blocking(move |data| {
            let mut batch = data.batch(&topic, query.partition)?;
            read(&payload.bytes, &mut batch)?;
            data.produce(batch, stamp.as_ref())
        })
        .await?;
    app.durable(produced.seq).await?;
    let Produced { ranges: partitions, duplicate, .. } = produced;
    if !duplicate {
        let records = partitions.iter().map(|range| u64::from(range.records)).sum();
        app.metrics().records_produced.inc_by(records);
    }
    Ok(Json(ProducedBody { partitions, duplicate }))
}

pub(super) fn read_batch(
    bytes: &[u8],
    batch: &mut crate::data::RecordBatch,
) -> pelton_core::Result<()> {
    batch.push_batch(bytes)
}
