//! Log lines as Server-Sent Events.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use pelton_core::FunctionId;

use super::inspect::ShownLine;
use super::state::App;

/// How often a stream looks for lines: people read along, programs consume topics.
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct State {
    app: App,
    function: FunctionId,
    /// The number of the next line.
    next: u64,
    has_ended: bool,
}

/// The lines that are kept, and those to come.
pub(super) fn stream(app: App, function: FunctionId) -> Response {
    let state = State { app, function, next: 0, has_ended: false };
    let first =
        stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from(": pelton\n\n")) });
    let pieces = stream::unfold(state, |mut state| async {
        match state.has_ended {
            true => None,
            false => Some((Ok(state.next().await), state)),
        }
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Body::from_stream(first.chain(pieces))).into_response()
}

impl State {
    /// The next lines, a comment where there were none for a while, or the last word.
    async fn next(&mut self) -> Bytes {
        let looks = (self.app.config().heartbeat.as_millis() / LOOK_EVERY.as_millis()).max(1);
        for _ in 0..looks {
            if self.app.draining().is_cancelled() {
                self.has_ended = true;
                return Bytes::from(
                    "event: end\ndata: {\"reason\":\"the server is shutting down\"}\n\n",
                );
            }
            let lines = self.app.node().telemetry().lines_from(&self.function, self.next);
            if let Some(last) = lines.last() {
                self.next = last.number + 1;
                let events = lines.iter().map(|line| {
                    let data = serde_json::to_string(&ShownLine::from(line)).unwrap_or_default();
                    format!("id: {}\ndata: {data}\n\n", line.number)
                });
                return events.collect::<String>().into();
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.app.draining().cancelled() => {}
            }
        }
        Bytes::from(": still here\n\n")
    }
}
