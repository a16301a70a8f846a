//! Sends metrics to an OpenTelemetry collector: OTLP over HTTP, protobuf.
//!
//! What is sent is what `/metrics` says at that moment, every metric under the same name: nothing is
//! counted a second time, and a metric that is added there is exported too. That is also why this is
//! not built on the OpenTelemetry SDK, whose instruments count for themselves and take no histogram
//! that is counted already.
//!
//! [`Settings::read`] takes the standard variables, [`Exporter::start`] sends from a thread of its own.

mod exporter;
mod exposition;
mod message;
mod protobuf;
mod settings;

pub use exporter::{Exporter, Reading};
pub use settings::Settings;

/// What an export request says of these figures, as protobuf.
///
/// `text` is OpenMetrics; lines that are none are left out. Times are ms since the Unix epoch: when
/// counting began, and when the figures were read.
#[must_use]
pub fn export_request(settings: &Settings, text: &str, started_ms: i64, read_ms: i64) -> Vec<u8> {
    let times = message::Times::new(started_ms, read_ms);
    message::request(settings.resource(), &exposition::parse(text), times)
}
