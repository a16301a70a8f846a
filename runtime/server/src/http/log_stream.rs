//! Log lines as Server-Sent Events.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use pelton_core::FunctionId;

use super::event_stream::{self, Events};
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
    event_stream::answer(state)
}

impl Events for State {
    fn has_ended(&self) -> bool {
        self.has_ended
    }

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
