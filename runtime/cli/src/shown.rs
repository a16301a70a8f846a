//! Bytes as a person reads them.

use serde_json::Value;

use crate::output::write_value;

/// Bytes of a value that is no text are shown up to here.
const HEX_BYTES_MAX: usize = 64;

/// Text and JSON as JSON, other bytes in hexadecimal, nothing as `null`.
pub(crate) fn bytes(bytes: Option<&[u8]>) -> String {
    match bytes {
        Some(bytes) if std::str::from_utf8(bytes).is_err() => hex(bytes),
        text => json(text),
    }
}

/// Bytes that a function stores: SDKs write MessagePack, which is shown as JSON.
pub(crate) fn stored(value: Option<&[u8]>) -> String {
    match value.and_then(message_pack) {
        Some(value) => value.to_string(),
        None => bytes(value),
    }
}

/// The same, as JSON.
pub(crate) fn stored_value(bytes: &[u8]) -> Value {
    let text = || serde_json::from_str(&json(Some(bytes))).unwrap_or_default();
    message_pack(bytes).unwrap_or_else(text)
}

/// The JSON for bytes, from which they can be made again: `{"base64":"..."}` where they are no text.
pub(crate) fn json(bytes: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    write_value(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The value that these bytes are as MessagePack, all of them.
pub(crate) fn message_pack(bytes: &[u8]) -> Option<Value> {
    let mut rest = bytes;
    let value = rmp_serde::from_read(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(HEX_BYTES_MAX)];
    let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() - shown.len() {
        0 => format!("0x{digits}"),
        _ => format!("0x{digits}... ({} bytes)", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_bytes_are_shown_as_what_they_are() {
        let cases: [(&[u8], &str); 6] = [
            (b"\x82\xa5count\x03\xa3sum\xcb\x3f\xf8\0\0\0\0\0\0", r#"{"count":3,"sum":1.5}"#),
            (b"\xcd\x03\xe8", "1000"),
            (b"{\"a\": [1]}", r#"{"a":[1]}"#),
            (b"plain text", "\"plain text\""),
            (b"\0\x07\xff", "0x0007ff"),
            (b"\xff", "-1"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(stored(Some(bytes)), expected);
        }
        assert_eq!((stored(None), bytes(None)), ("null".into(), "null".into()));
    }

    #[test]
    fn other_bytes_are_hexadecimal_up_to_a_limit() {
        assert_eq!(bytes(Some(&[0xfe; HEX_BYTES_MAX])), format!("0x{}", "fe".repeat(64)));
        let long = bytes(Some(&[0xfe; HEX_BYTES_MAX + 1]));
        assert_eq!(long, format!("0x{}... (65 bytes)", "fe".repeat(64)));
    }
}
