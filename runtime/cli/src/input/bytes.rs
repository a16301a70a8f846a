//! From JSON to the bytes of keys and values.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The form of bytes that are no text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64 {
    base64: String,
}

/// Appends the bytes that a piece of JSON stands for: a string its text, `{"base64": ...}` the
/// bytes, anything else the JSON itself without white space.
pub(super) fn write_bytes(json: &RawValue, out: &mut Vec<u8>) -> Result<(), String> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            // Most strings have no escapes: then the text stands there as it is.
            let inner = &text[1..text.len() - 1];
            if inner.contains('\\') {
                let string: String = serde_json::from_str(text).map_err(|e| e.to_string())?;
                out.extend_from_slice(string.as_bytes());
            } else {
                out.extend_from_slice(inner.as_bytes());
            }
        }
        Some(b'{') => match serde_json::from_str::<Base64>(text) {
            Ok(form) => {
                let bytes = BASE64_STANDARD.decode(&form.base64);
                out.extend(bytes.map_err(|error| format!("\"base64\" is not base64: {error}"))?);
            }
            Err(_) => compact(text, out),
        },
        _ => compact(text, out),
    }
    Ok(())
}

/// Appends valid JSON without the white space between its parts. Numbers and the order of names
/// stay as they are.
pub(crate) fn compact(json: &str, out: &mut Vec<u8>) {
    let mut in_string = false;
    let mut escaped = false;
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
}
