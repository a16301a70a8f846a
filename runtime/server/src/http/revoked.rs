//! An answer that goes on ends once the token that asked for it is revoked.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::http::header;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::error::ApiError;

/// The same answer, which ends with `revoked`: events with an error as the last one, anything else cut
/// off, so that nobody takes it for whole. An answer of a known length is left as it is.
pub(super) fn until(revoked: CancellationToken, answer: Response) -> Response {
    if answer.body().size_hint().exact().is_some() {
        return answer;
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let is_events = kind == Some(b"text/event-stream");
    let (head, body) = answer.into_parts();
    let pieces = body.into_data_stream().take_until(revoked.clone().cancelled_owned());
    let last = stream::once(async move { revoked.is_cancelled().then(|| last_word(is_events)) });
    let pieces = pieces.chain(last.filter_map(std::future::ready));
    Response::from_parts(head, Body::from_stream(pieces))
}

fn last_word(is_events: bool) -> Result<Bytes, axum::Error> {
    let error = ApiError::user("E-AUTH-TOKEN", "the request's token was revoked");
    if !is_events {
        return Err(axum::Error::new(std::io::Error::other("the request's token was revoked")));
    }
    let data = serde_json::to_string(&error.body()).unwrap_or_default();
    Ok(format!("event: error\ndata: {data}\n\n").into())
}
