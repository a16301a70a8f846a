//! Writing records.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pelton_batch::Records;
use serde_json::value::RawValue;

use super::compact;

/// How deeply JSON in a record may be nested to be answered as JSON.
const DEPTH_MAX: usize = 64;

/// How bytes stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// JSON as JSON, other text as a string, bytes in base64.
    #[default]
    Json,
    /// All of them as `{"base64": ...}`: nothing is lost, not even white space.
    Base64,
}

/// Appends a record as one JSON object: partition, offset, timestamp, key, value, headers where
/// there are any.
pub fn write_record(
    partition: u32,
    offset: u64,
    records: &Records<'_>,
    row: usize,
    encoding: Encoding,
    out: &mut Vec<u8>,
) {
    let write_bytes = match encoding {
        Encoding::Json => write_bytes,
        Encoding::Base64 => write_base64,
    };
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

/// Bytes as the JSON that stands for them.
pub(crate) fn value_of(bytes: Option<&[u8]>) -> serde_json::Value {
    let mut out = Vec::new();
    write_bytes(bytes, &mut out);
    serde_json::from_slice(&out).unwrap_or_default()
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
        Err(_) => write_base64(Some(bytes), out),
    }
}

/// Bytes in base64, whatever they are.
fn write_base64(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"base64\":\"");
    out.extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
    out.extend_from_slice(b"\"}");
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

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}
