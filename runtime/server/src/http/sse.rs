//! Records as Server-Sent Events. The next piece is read when the one before was taken, so that a
//! slow consumer holds one piece and no more.

use axum::response::Response;
use bytes::Bytes;
use pelton_core::Result;
use pelton_journal::Topic;

use super::consume::{Wanted, count, wait_for_news};
use super::error::ApiError;
use super::event_stream::{self, Events};
use super::state::App;
use crate::data::{Cursor, DataPlane, Encoding, ReadLimits, Reading, write_record};

/// Records and bytes that are read ahead of a consumer.
const PIECE: ReadLimits = ReadLimits { records_max: 256, bytes_max: 256 << 10 };

struct State {
    app: App,
    topic: Topic,
    cursor: Cursor,
    limits: ReadLimits,
    encoding: Encoding,
    has_ended: bool,
}

/// An answer that goes on until the client or the server ends it.
pub(super) fn stream(app: App, wanted: Wanted) -> Response {
    let Wanted { topic, cursor, limits, encoding, .. } = wanted;
    let limits = ReadLimits {
        records_max: limits.records_max.min(PIECE.records_max),
        bytes_max: limits.bytes_max.min(PIECE.bytes_max),
    };
    let state = State { app, topic, cursor, limits, encoding, has_ended: false };
    event_stream::answer(state)
}

impl Events for State {
    fn has_ended(&self) -> bool {
        self.has_ended
    }

    async fn next(&mut self) -> Bytes {
        let heartbeat = self.app.config().heartbeat;
        let has_news = wait_for_news(&self.app, &self.topic, &self.cursor, heartbeat).await;
        if self.app.draining().is_cancelled() {
            self.has_ended = true;
            return Bytes::from(
                "event: end\ndata: {\"reason\":\"the server is shutting down\"}\n\n",
            );
        }
        if !has_news {
            return Bytes::from(": still here\n\n");
        }
        let (topic, limits, mut cursor) = (self.topic.clone(), self.limits, self.cursor.clone());
        let encoding = self.encoding;
        let read = move |data: &DataPlane| {
            let mut at = cursor.clone();
            let reading = data.read(&topic, &mut at, limits)?;
            let events = events(&reading, &mut cursor, encoding)?;
            Ok((count(&reading), events, at))
        };
        match self.app.blocking(read).await {
            Ok((records, events, cursor)) => {
                self.app.metrics().records_consumed.inc_by(records);
                self.cursor = cursor;
                events.into()
            }
            Err(error) => {
                self.has_ended = true;
                failure(&error)
            }
        }
    }
}

/// An event each. Its id says where every partition stands behind it.
fn events(reading: &Reading, cursor: &mut Cursor, encoding: Encoding) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for skipped in &reading.skipped {
        cursor.at.insert(skipped.partition, skipped.to);
        let data = serde_json::to_string(skipped).unwrap_or_default();
        out.extend(format!("id: {cursor}\nevent: skipped\ndata: {data}\n\n").into_bytes());
    }
    for slice in &reading.slices {
        let records = slice.records()?;
        for row in slice.rows() {
            let offset = slice.offset(row);
            cursor.at.insert(slice.partition, offset + 1);
            out.extend_from_slice(format!("id: {cursor}\ndata: ").as_bytes());
            write_record(slice.partition, offset, &records, row, encoding, &mut out);
            out.extend_from_slice(b"\n\n");
        }
    }
    Ok(out)
}

/// The end of a stream that cannot go on.
fn failure(error: &ApiError) -> Bytes {
    let data = serde_json::to_string(&error.body()).unwrap_or_default();
    format!("event: error\ndata: {data}\n\n").into()
}
