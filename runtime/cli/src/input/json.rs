//! Records as JSON lines.

use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

use pelton_core::TimeFormat;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::bytes::write_bytes;
use super::lines::Lines;
use super::{BadLine, Row, RowReader};

/// A line, its parts not yet looked at.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with key, value, timestamp, headers, topic")]
struct Line<'a> {
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    /// Where an exported record stood; it counts for nothing.
    #[serde(default, rename = "partition")]
    _partition: Option<u32>,
    #[serde(default, rename = "offset")]
    _offset: Option<u64>,
}

/// Headers in the order of the line: an object, or pairs where a name comes twice.
struct HeaderList<'a>(Vec<(String, Option<&'a RawValue>)>);

impl<'de> Deserialize<'de> for HeaderList<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = HeaderList<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"name": value} or [["name", value]]"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(HeaderList(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = list.next_element()? {
            pairs.push(pair);
        }
        Ok(HeaderList(pairs))
    }
}

/// Reads JSON lines; empty lines are left out.
pub(super) struct JsonReader {
    lines: Lines,
    time: TimeFormat,
}

impl JsonReader {
    pub(super) fn new(source: Box<dyn BufRead>, time: TimeFormat) -> Self {
        Self { lines: Lines::new(source), time }
    }
}

impl RowReader for JsonReader {
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine> {
        loop {
            row.clear();
            let Some(line) = self.lines.next()? else { return Ok(false) };
            if line.trim_ascii().is_empty() {
                continue;
            }
            let parsed = parse_record(line, &self.time, row);
            return match parsed {
                Ok(()) => {
                    row.line = self.lines.number();
                    Ok(true)
                }
                Err((column, text)) => {
                    let next = next_step(&text);
                    let bad = BadLine::new("E-INPUT-JSON", self.lines.number(), column, text);
                    Err(BadLine { next, ..bad })
                }
            };
        }
    }
}

/// What to do about a line, where that is not to mend it.
fn next_step(text: &str) -> Option<&'static str> {
    if text.starts_with("unknown field") {
        return Some(
            "a line is a record: {\"key\": ..., \"value\": ...} with the event as its value; \
             --input-format lines takes each line as a value, without a key",
        );
    }
    let time = text.contains("is not a timestamp");
    time.then_some("use ms since 1970 or RFC 3339, or say how it is written with --time-format")
}

/// Reads one record that is written as a JSON object.
///
/// # Errors
/// The column (from 1, or 0) and what is wrong.
pub(crate) fn parse_record(
    json: &[u8],
    time: &TimeFormat,
    row: &mut Row,
) -> Result<(), (u64, String)> {
    // A list would be read as the parts in their order.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err((1, "a list; expected an object with key, value, timestamp".to_owned()));
    }
    let line: Line<'_> = serde_json::from_slice(json).map_err(|error| {
        let text = error.to_string();
        // serde_json names its own line, always 1 here.
        let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
        (error.column() as u64, text)
    })?;
    let part = |name: &str| {
        let name = name.to_owned();
        move |text: String| (0, format!("`{name}`: {text}"))
    };
    if let Some(key) = line.key {
        write_bytes(key, row.key_mut()).map_err(part("key"))?;
    }
    if let Some(value) = line.value {
        write_bytes(value, row.value_mut()).map_err(part("value"))?;
    }
    if let Some(timestamp) = line.timestamp {
        row.timestamp = Some(parse_time(time, timestamp.get()).map_err(part("timestamp"))?);
    }
    if let Some(headers) = line.headers {
        read_headers(headers, row).map_err(part("headers"))?;
    }
    row.topic = line.topic.map(Cow::into_owned);
    Ok(())
}

/// A timestamp in JSON: a number or a string.
fn parse_time(format: &TimeFormat, json: &str) -> Result<i64, String> {
    match json.starts_with('"') {
        true => {
            let text: String = serde_json::from_str(json).map_err(|error| error.to_string())?;
            format.parse(&text)
        }
        false => format.parse(json),
    }
}

fn read_headers(json: &RawValue, row: &mut Row) -> Result<(), String> {
    let list: HeaderList<'_> = serde_json::from_str(json.get())
        .map_err(|_| r#"must be {"name": value} or [["name", value]]"#.to_owned())?;
    for (name, value) in list.0 {
        let bytes = match value {
            None => None,
            Some(value) => {
                let mut bytes = Vec::new();
                write_bytes(value, &mut bytes)?;
                Some(bytes)
            }
        };
        row.headers.push((name, bytes));
    }
    Ok(())
}
