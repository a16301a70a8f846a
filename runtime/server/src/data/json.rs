//! Records as JSON: a list of objects, or a line each.
//!
//! A string stands for its text, `{"base64": ...}` for bytes, null for nothing, anything else for
//! the JSON itself without white space. What is written reads back as the same bytes, white space
//! inside of JSON aside.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pelton_batch::{Header, Records};
use pelton_core::{Error, Result};
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{NewRecord, RecordBatch, user};

/// How deeply JSON in a record may be nested to be answered as JSON.
const DEPTH_MAX: usize = 64;

/// A record, its parts not yet looked at.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with key, value, headers, timestamp, partition"
)]
struct Row<'a> {
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<&'a RawValue>,
    #[serde(default)]
    partition: Option<u32>,
}

/// Headers in their order: an object, or pairs where a name comes twice.
struct Headers<'a>(Vec<(String, Option<&'a RawValue>)>);

impl<'a, 'de: 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"name": value} or [["name", value]]"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Headers(pairs))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = list.next_element()? {
            pairs.push(pair);
        }
        Ok(Headers(pairs))
    }
}

/// Adds the records of `{"records": [...]}`, one after the other as they are read.
///
/// # Errors
/// `E-JSON` with line and column, `E-RECORD-JSON` with the number of the record, and those of
/// [`RecordBatch::push`].
pub fn read_list(json: &[u8], batch: &mut RecordBatch) -> Result<()> {
    let mut problem = None;
    let mut body = serde_json::Deserializer::from_slice(json);
    let seed = List { batch, problem: &mut problem };
    let read = seed.deserialize(&mut body).and_then(|()| body.end());
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => {
            Err(user("E-JSON", format!("the body is not {{\"records\": [...]}}: {error}")))
        }
    }
}

/// The body of a request. What is wrong with a record is left in `problem`.
struct List<'b> {
    batch: &'b mut RecordBatch,
    problem: &'b mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `records`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match map.next_key::<Cow<'de, str>>()?.as_deref() {
            Some("records") => {
                map.next_value_seed(Rows { batch: self.batch, problem: self.problem })?;
            }
            Some(other) => return Err(A::Error::unknown_field(other, &["records"])),
            None => return Err(A::Error::missing_field("records")),
        }
        match map.next_key::<Cow<'de, str>>()?.as_deref() {
            None => Ok(()),
            Some("records") => Err(A::Error::duplicate_field("records")),
            Some(other) => Err(A::Error::unknown_field(other, &["records"])),
        }
    }
}

struct Rows<'b> {
    batch: &'b mut RecordBatch,
    problem: &'b mut Option<Error>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0usize;
        while let Some(json) = list.next_element::<&'de RawValue>()? {
            if let Err(problem) = read_record(json.get().as_bytes(), self.batch) {
                *self.problem = Some(problem.at(&format!("record {number}")));
                return Err(A::Error::custom("a record"));
            }
            number += 1;
        }
        Ok(())
    }
}

/// Adds the records of JSON lines; empty lines are left out.
///
/// # Errors
/// As [`read_list`], with the number of the line, from 1.
pub fn read_lines(text: &[u8], batch: &mut RecordBatch) -> Result<()> {
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            read_record(line, batch)
                .map_err(|problem| problem.at(&format!("line {}", number + 1)))?;
        }
    }
    Ok(())
}

/// Why a record could not be read: its JSON, or what it says.
enum Problem {
    Json(String),
    Coded(Error),
}

impl Problem {
    fn at(self, place: &str) -> Error {
        match self {
            Self::Json(text) => user("E-RECORD-JSON", format!("{place}: {text}")),
            Self::Coded(error) => error,
        }
    }
}

fn read_record(json: &[u8], batch: &mut RecordBatch) -> Result<(), Problem> {
    // A list would be read as the parts in their order.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(Problem::Json("a list; expected an object with key, value".into()));
    }
    let row: Row<'_> = serde_json::from_slice(json).map_err(|error| {
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text);
        Problem::Json(format!("column {}: {text}", error.column()))
    })?;
    let part = |name: &'static str| move |text: String| Problem::Json(format!("`{name}`: {text}"));
    let key = row.key.map(bytes_of).transpose().map_err(part("key"))?;
    let value = row.value.map(bytes_of).transpose().map_err(part("value"))?;
    let timestamp_ms = row.timestamp.map(|json| timestamp(json.get())).transpose();
    let timestamp_ms = timestamp_ms.map_err(part("timestamp"))?;
    let mut headers = Vec::new();
    let listed = row.headers.map(|json| serde_json::from_str::<Headers<'_>>(json.get()));
    let listed = listed.transpose().map_err(|_| {
        part("headers")(r#"must be {"name": value} or [["name", value]]"#.to_owned())
    })?;
    for (name, value) in listed.map(|headers| headers.0).unwrap_or_default() {
        let value = value.map(bytes_of).transpose().map_err(part("headers"))?;
        headers.push((name, value));
    }
    let (key, value) = (key.as_deref(), value.as_deref());
    let record = NewRecord { key, value, timestamp_ms, partition: row.partition };
    let headers = headers.iter().map(|(name, value)| Header { name, value: value.as_deref() });
    batch.push(&record, headers).map_err(Problem::Coded)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    base64: String,
}

/// The bytes that a piece of JSON stands for.
fn bytes_of(json: &RawValue) -> Result<Vec<u8>, String> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            let string: String = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Ok(string.into_bytes())
        }
        Some(b'{') => match serde_json::from_str::<Base64>(text) {
            Ok(form) => BASE64_STANDARD
                .decode(&form.base64)
                .map_err(|error| format!("\"base64\" is not base64: {error}")),
            Err(_) => Ok(compact(text)),
        },
        _ => Ok(compact(text)),
    }
}

/// Valid JSON without the white space between its parts; numbers stay as they are written.
fn compact(json: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
    out
}

/// Whether lists and objects are nested no deeper than [`DEPTH_MAX`].
fn is_shallow(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if in_string => {
                in_string = escaped || *byte != b'"';
                escaped = !escaped && *byte == b'\\';
            }
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return false;
        }
    }
    true
}

fn timestamp(json: &str) -> Result<i64, String> {
    let text = match json.starts_with('"') {
        true => serde_json::from_str::<String>(json).map_err(|error| error.to_string())?,
        false => json.to_owned(),
    };
    parse_time(&text).ok_or_else(|| {
        format!(
            "{text:?} is no timestamp: use ms since 1970, or RFC 3339 such as 2013-01-01T05:15:00Z"
        )
    })
}

/// Ms since the Unix epoch, from a whole number of them or RFC 3339.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    let rfc3339 = || text.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond());
    text.parse().ok().or_else(rfc3339)
}

/// Appends a record as one JSON object: partition, offset, timestamp, key, value, headers where
/// there are any.
pub fn write_record(
    partition: u32,
    offset: u64,
    records: &Records<'_>,
    row: usize,
    out: &mut Vec<u8>,
) {
    let timestamp = records.timestamp(row);
    let head = format!("{{\"partition\":{partition},\"offset\":{offset},\"timestamp\":{timestamp}");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(b",\"key\":");
    write_bytes(records.key(row), out);
    out.extend_from_slice(b",\"value\":");
    write_bytes(records.value(row), out);
    for (index, header) in records.headers(row).enumerate() {
        out.extend_from_slice(if index == 0 { b",\"headers\":[[" } else { b"],[" });
        write_string(header.name, out);
        out.push(b',');
        write_bytes(header.value, out);
    }
    if records.headers(row).next().is_some() {
        out.extend_from_slice(b"]]");
    }
    out.push(b'}');
}

/// JSON objects, lists and numbers as they are, other text as a string, bytes in base64.
fn write_bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    if matches!(bytes.first(), Some(b'{' | b'[' | b'-' | b'0'..=b'9')) {
        let json = serde_json::from_slice::<&RawValue>(bytes).ok();
        let json = json.map(|json| compact(json.get()));
        // `{"base64": ...}` itself would be read as bytes: it goes out as text. So does what is
        // nested so deeply that a client's reader might give up on the whole answer.
        let plain = |json: &Vec<u8>| !json.starts_with(b"{\"base64\"") && is_shallow(json);
        if let Some(json) = json.filter(plain) {
            out.extend_from_slice(&json);
            return;
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(text, out),
        Err(_) => {
            out.extend_from_slice(b"{\"base64\":\"");
            out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
