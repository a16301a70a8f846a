//! Server-Sent Events: an answer that goes on until the client or the server ends it.

use std::convert::Infallible;
use std::future::Future;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

/// Where the events of a stream come from.
pub(super) trait Events: Send + 'static {
    /// Whether the last word was said.
    fn has_ended(&self) -> bool;

    /// The next events, a comment where there were none for a while, or the last word.
    fn next(&mut self) -> impl Future<Output = Bytes> + Send;
}

/// The answer that these events are. Its first piece goes out at once, so that the client knows that
/// it is connected.
pub(super) fn answer(events: impl Events) -> Response {
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from(": pelton\n\n")) });
    let pieces = stream::unfold(events, |mut events| async {
        match events.has_ended() {
            true => None,
            false => Some((Ok(events.next().await), events)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from_stream(first.chain(pieces))).into_response()
}
