//! What goes into a function and what comes of it, as Server-Sent Events.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::{ApiError, ApiResult, ErrorBody};
use super::event_stream::{self, Events};
use super::extract::{ApiPath, ApiQuery};
use super::functions::FunctionPath;
use super::state::App;
use crate::functions::{FunctionTap, Tapped};

/// How often a stream looks: people read along, programs consume topics.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is wanted of a function.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Records, windows and timers of this key only, as text.
    key: Option<String>,
    /// End after so many samples.
    #[param(minimum = 1)]
    max: Option<u64>,
}

/// Live: each record, window or timer of a function, and what it did for it, once that is durable.
#[utoipa::path(get, path = "/api/v1/tenants/{tenant}/functions/{function}/tap",
    tag = "functions", operation_id = "tap", params(FunctionPath, Wanted),
    responses((status = 200, description = "A stream of `TapSample`s; an event `missed` says how \
            many were left out since the client or the server could not keep up",
            content((String = "text/event-stream"))),
        (status = "4XX", body = ErrorBody), (status = "5XX", body = ErrorBody)))]
pub(super) async fn tap(
    State(app): State<App>,
    ApiPath(path): ApiPath<FunctionPath>,
    ApiQuery(Wanted { key, max }): ApiQuery<Wanted>,
) -> ApiResult<Response> {
    if max == Some(0) {
        return Err(ApiError::user("E-HTTP-QUERY", "the query: `max` is at least 1"));
    }
    let tap = app.functions().tap(&path.id()?, key.map(String::into_bytes)).await?;
    let state = Stream { app, tap, left: max.unwrap_or(u64::MAX), has_ended: false };
    Ok(event_stream::answer(state))
}

struct Stream {
    app: App,
    tap: FunctionTap,
    /// Samples to be told yet.
    left: u64,
    has_ended: bool,
}

impl Events for Stream {
    fn has_ended(&self) -> bool {
        self.has_ended
    }

    async fn next(&mut self) -> Bytes {
        let looks = (self.app.config().heartbeat.as_millis() / LOOK_EVERY.as_millis()).max(1);
        for _ in 0..looks {
            if self.app.draining().is_cancelled() {
                return self.end("the server is shutting down");
            }
            match self.tap.look().await {
                Ok(found) if found.samples.is_empty() && found.missed == 0 => {}
                Ok(found) => return self.events(found),
                Err(error) => {
                    self.has_ended = true;
                    let body = ApiError::from(error).body();
                    let data = serde_json::to_string(&body).unwrap_or_default();
                    return format!("event: error\ndata: {data}\n\n").into();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.app.draining().cancelled() => {}
            }
        }
        Bytes::from(": still here\n\n")
    }
}

impl Stream {
    fn events(&mut self, found: Tapped) -> Bytes {
        let mut out = String::new();
        for sample in found.samples.iter().take(usize::try_from(self.left).unwrap_or(usize::MAX)) {
            let data = serde_json::to_string(sample).unwrap_or_default();
            out += &format!("data: {data}\n\n");
            self.left -= 1;
        }
        if self.left == 0 {
            out += &String::from_utf8_lossy(&self.end("as many as were asked for"));
        } else if found.missed > 0 {
            out += &format!("event: missed\ndata: {{\"missed\":{}}}\n\n", found.missed);
        }
        out.into()
    }

    fn end(&mut self, reason: &str) -> Bytes {
        self.has_ended = true;
        format!("event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n").into()
    }
}
