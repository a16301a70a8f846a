//! `pelton produce --marker`: one record to each partition which says that everything before it has
//! come.

use std::time::Duration;

use pelton_batch::RecordsBuilder;
use pelton_core::TimeFormat;
use serde::Deserialize;
use serde_json::json;
use ureq::http::Method;

use crate::client::{Client, Producer, Range};
use crate::clock;
use crate::error::{CliError, Result};
use crate::text;
use crate::ui::Ui;

#[derive(Deserialize)]
struct Topic {
    partitions: Vec<serde::de::IgnoredAny>,
}

/// Sends a marker to each partition of `topic`; `at` is its time, else now.
pub(super) fn send(
    client: &Client,
    (topic, header): (&str, &str),
    at: Option<&str>,
    patience: Duration,
    ui: &mut Ui,
) -> Result<()> {
    let wrong = |error: String| CliError::bad_input("E-TIME", format!("--at: {error}"));
    let at = at.map(|text| TimeFormat::Auto.parse(text).map_err(wrong)).transpose()?;
    let time = at.unwrap_or_else(clock::now_ms);
    let known: Topic = client.json(client.call(Method::GET, &["topics", topic]))?;
    let mut sent: Vec<Range> = Vec::with_capacity(known.partitions.len());
    for partition in (0..).take(known.partitions.len()) {
        let mut records = RecordsBuilder::new();
        records.push(None, None, time).header(header, None);
        sent.extend(Producer::new(client, topic, Some(partition), patience).send(&mut records)?);
    }
    if ui.is_json() {
        return ui.json(&json!({
            "topic": topic,
            "marker": header,
            "timestamp": time,
            "partitions": sent,
        }));
    }
    let partitions = text::count(sent.len() as u64, "partition");
    ui.note(format!("the marker {header} at {} is in {partitions} of {topic}", text::time(time)));
    Ok(())
}
