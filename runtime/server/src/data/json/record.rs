//! One record.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pelton_batch::Header;
use pelton_core::{Error, Result};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::super::{NewRecord, RecordBatch, user};
use super::compact;

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

/// Why a record could not be read: its JSON, or what it says.
pub(super) enum Problem {
    Json(String),
    Coded(Error),
}

impl Problem {
    pub(super) fn at(self, place: &str) -> Error {
        match self {
            Self::Json(text) => user("E-RECORD-JSON", format!("{place}: {text}")),
            Self::Coded(error) => error,
        }
    }
}

pub(super) fn read_record(json: &[u8], batch: &mut RecordBatch) -> Result<(), Problem> {
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
