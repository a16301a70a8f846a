//! Copies of this server's journal: shipping frames to them, and which of them leads.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use pelton_core::{Domain, Error};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::error::{ApiError, ApiResult, ErrorBody};
use super::extract::{ApiPath, ApiQuery, Payload};
use super::state::App;
use crate::replication::{Fencing, Promoted, ReplicationStatus, Wanted, pieces};

/// Pieces of a copy that are read ahead.
const PIECES: usize = 4;
const BYTES_MAX: usize = 64 << 20;
/// Longest name of a replica, characters.
const NAME_MAX: usize = 100;
const OCTETS: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/octet-stream")];

/// How this server stands to other copies of its journal.
#[utoipa::path(get, path = "/api/v1/replication", tag = "replication", operation_id = "replication",
    responses((status = 200, body = ReplicationStatus), (status = "4XX", body = ErrorBody)))]
pub(super) async fn status(State(app): State<App>) -> Json<ReplicationStatus> {
    Json(app.replication().status())
}

/// What a replica has, and what it wants.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FramesQuery {
    /// The last commit that it has.
    after: u64,
    /// The checksum of that commit's frame.
    chain: u32,
    /// The epoch that it knows.
    epoch: u64,
    /// Which journal it follows.
    #[param(example = "0011aabb")]
    journal: String,
    /// The format that it reads.
    format: u32,
    /// The last commit that is durable there.
    durable: u64,
    /// How long to wait where there is nothing yet, ms.
    #[param(minimum = 0, maximum = 30000, default = 0)]
    wait_ms: Option<u64>,
    /// No further frame is added once an answer has this many bytes; 0 for none at all.
    #[param(minimum = 0, maximum = 67108864, default = 4194304)]
    max_bytes: Option<usize>,
    /// What it calls itself.
    #[param(max_length = 100)]
    name: Option<String>,
}

/// The durable frames behind a commit, one behind another, as they are in the journal
/// (docs/replication.md). Headers tell `pelton-epoch`, `pelton-durable` (commit), `pelton-records`,
/// `pelton-bytes-behind`, `pelton-time-ms`.
#[utoipa::path(get, path = "/api/v1/replication/frames", tag = "replication",
    operation_id = "frames", params(FramesQuery),
    responses((status = 200, description = "Frames", content_type = "application/octet-stream",
            body = [u8]),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn frames(
    State(app): State<App>,
    ApiQuery(query): ApiQuery<FramesQuery>,
) -> ApiResult<Response> {
    let limit = |what, value: u64, max: u64| match value > max {
        true => {
            Err(ApiError::user("E-HTTP-QUERY", format!("{what} is {value}, the limit is {max}")))
        }
        false => Ok(()),
    };
    let wait_max = app.config().wait_max;
    let wait_ms = query.wait_ms.unwrap_or_default();
    let bytes_max = query.max_bytes.unwrap_or(4 << 20);
    let name = query.name.unwrap_or_else(|| "a replica".to_owned());
    limit("wait_ms", wait_ms, wait_max.as_millis() as u64)?;
    limit("max_bytes", bytes_max as u64, BYTES_MAX as u64)?;
    limit("the length of name", name.chars().count() as u64, NAME_MAX as u64)?;
    limit("after", query.after, u64::MAX - 1)?;
    let wanted = Wanted {
        after: query.after,
        chain: query.chain,
        epoch: query.epoch,
        journal: query.journal,
        format: query.format,
        durable: query.durable,
        name,
        wait: Duration::from_millis(wait_ms),
        bytes_max,
    };
    let shipment = tokio::select! {
        shipment = app.replication().ship(wanted) => shipment?,
        () = app.draining().cancelled() => {
            return Err(ApiError::busy("E-HTTP-DRAINING", "the server is shutting down"));
        }
    };
    let mut response = OCTETS.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        ("pelton-epoch", shipment.epoch),
        ("pelton-durable", shipment.durable),
        ("pelton-records", shipment.records),
        ("pelton-bytes-behind", shipment.bytes_behind),
        ("pelton-time-ms", shipment.time_ms.max(0).unsigned_abs()),
    ] {
        headers.insert(name, value.into());
    }
    let frames = shipment.frames.into_iter().map(Ok::<_, std::convert::Infallible>);
    *response.body_mut() = Body::from_stream(stream::iter(frames));
    Ok(response)
}

/// All of the journal as it is after one durable commit: what a new replica begins with.
#[utoipa::path(get, path = "/api/v1/replication/copy", tag = "replication", operation_id = "copy",
    responses((status = 200, description = "Files, each behind a line of JSON",
            content_type = "application/octet-stream", body = [u8]),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn copy(State(app): State<App>) -> ApiResult<Response> {
    app.replication().check_writable()?;
    let node = std::sync::Arc::clone(app.node());
    let copy = app.blocking(move |_| node.journal().full_copy().map_err(crate::data::of)).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(PIECES);
    // Reading and hashing is done where it may take its time.
    tokio::task::spawn_blocking(move || {
        let mut pieces = pieces(copy).map(Ok::<_, std::convert::Infallible>);
        pieces.try_for_each(|piece| sender.blocking_send(piece))
    });
    let arriving = stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    Ok((OCTETS, Body::from_stream(arriving)).into_response())
}

/// A file that frames name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct FilePath {
    /// Its name.
    name: String,
}

/// A task's snapshot, as long as no younger one has taken its place.
#[utoipa::path(get, path = "/api/v1/replication/snapshots/{name}", tag = "replication",
    operation_id = "snapshot", params(FilePath),
    responses((status = 200, description = "Its bytes", content_type = "application/octet-stream",
            body = [u8]),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn snapshot(
    State(app): State<App>,
    ApiPath(path): ApiPath<FilePath>,
) -> ApiResult<Response> {
    let node = std::sync::Arc::clone(app.node());
    let name = path.name;
    let bytes = app
        .blocking(move |_| {
            let found = node.journal().snapshot_file(&name).map_err(crate::data::of)?;
            found.ok_or_else(|| {
                let text = format!("there is no snapshot {name:?}, or a younger one by now");
                Error::new("E-SNAPSHOT-NOT-FOUND", Domain::User, text)
            })
        })
        .await?;
    Ok((OCTETS, bytes).into_response())
}

/// A module, by its digest.
#[utoipa::path(get, path = "/api/v1/replication/artefacts/{name}", tag = "replication",
    operation_id = "artefact", params(FilePath),
    responses((status = 200, description = "Its bytes", content_type = "application/octet-stream",
            body = [u8]),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn artefact(
    State(app): State<App>,
    ApiPath(path): ApiPath<FilePath>,
) -> ApiResult<Response> {
    let node = std::sync::Arc::clone(app.node());
    let bytes =
        app.blocking(move |_| node.journal().artefact(&path.name).map_err(crate::data::of)).await?;
    Ok((OCTETS, bytes).into_response())
}

/// A promotion.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplicaPromotion {
    /// Where others reach this server, to be told to the old leader.
    #[schema(example = "http://10.0.0.2:7070")]
    address: Option<String>,
}

/// Makes this replica the leader, in a new epoch, and starts its functions. The old leader is told as
/// soon as it can be reached. Commits that were not shipped are lost here.
#[utoipa::path(post, path = "/api/v1/replication/promote", tag = "replication",
    operation_id = "promoteReplica", request_body = Option<ReplicaPromotion>,
    responses((status = 200, body = Promoted), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn promote(State(app): State<App>, payload: Payload) -> ApiResult<Json<Promoted>> {
    let ReplicaPromotion { address } = payload.json_or_default()?;
    let replication = std::sync::Arc::clone(app.replication());
    // Not to be left half done where the client goes away.
    let done = tokio::spawn(async move { replication.promote(address).await });
    Ok(Json(done.await.map_err(|error| ApiError::internal(error.to_string()))??))
}

/// Tells this server that a copy of its journal was promoted: it takes no changes any more, also after
/// it was started again, and its functions stop.
#[utoipa::path(post, path = "/api/v1/replication/fence", tag = "replication",
    operation_id = "fence", request_body = Fencing,
    responses((status = 200, body = ReplicationStatus), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn fence(
    State(app): State<App>,
    payload: Payload,
) -> ApiResult<Json<ReplicationStatus>> {
    let fencing: Fencing = payload.json()?;
    if fencing.leader.len() > 1_000 || fencing.leader.contains(['\n', '\r']) {
        return Err(ApiError::user("E-JSON", "the body: leader is no address"));
    }
    let replication = std::sync::Arc::clone(app.replication());
    let done = tokio::spawn(async move { replication.fence(&fencing).await });
    done.await.map_err(|error| ApiError::internal(error.to_string()))??;
    Ok(Json(app.replication().status()))
}

/// The way back for a fenced server.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unfencing {
    /// The epoch that it was fenced in, as `GET /replication` tells it: so that nobody does this unseen.
    epoch: u64,
}

/// Lets a fenced server lead again, in a new epoch, and starts its functions: for when there is no
/// promoted copy, or that one is given up. What the copy has taken is not here.
#[utoipa::path(post, path = "/api/v1/replication/unfence", tag = "replication",
    operation_id = "unfence", request_body = Unfencing,
    responses((status = 200, body = Promoted), (status = "4XX", body = ErrorBody),
        (status = "5XX", body = ErrorBody)))]
pub(super) async fn unfence(State(app): State<App>, payload: Payload) -> ApiResult<Json<Promoted>> {
    let Unfencing { epoch } = payload.json()?;
    let replication = std::sync::Arc::clone(app.replication());
    let done = tokio::spawn(async move { replication.unfence(epoch).await });
    Ok(Json(done.await.map_err(|error| ApiError::internal(error.to_string()))??))
}
