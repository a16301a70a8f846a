//! Writing records as JSON lines, such that they can be read again.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use pelton_batch::Record;
use serde_json::value::RawValue;

use crate::export::Exported;
use crate::input::compact;

/// Appends a record as a line: topic, key, value, timestamp, headers where there are any.
pub(crate) fn write_record(topic: &str, record: &Record<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    write_string(topic, out);
    out.extend_from_slice(b",\"key\":");
    write_text(record.key(), out);
    out.extend_from_slice(b",\"value\":");
    write_value(record.value(), out);
    out.extend_from_slice(format!(",\"timestamp\":{}", record.timestamp()).as_bytes());
    let mut headers = record.headers().peekable();
    if headers.peek().is_some() {
        out.extend_from_slice(b",\"headers\":[");
        for (index, header) in headers.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.push(b'[');
            write_string(header.name, out);
            out.push(b',');
            write_text(header.value, out);
            out.push(b']');
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}\n");
}

/// Appends a record that is exported as a line: the same, with its partition and offset.
pub(crate) fn write_exported(topic: &str, partition: u32, record: &Exported, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    write_string(topic, out);
    let place = format!(",\"partition\":{partition},\"offset\":{}", record.offset);
    out.extend_from_slice(place.as_bytes());
    out.extend_from_slice(b",\"key\":");
    write_text(record.key.as_deref(), out);
    out.extend_from_slice(b",\"value\":");
    write_value(record.value.as_deref(), out);
    out.extend_from_slice(format!(",\"timestamp\":{}", record.timestamp).as_bytes());
    for (index, (name, value)) in record.headers.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b",\"headers\":[[" } else { b"],[" });
        write_string(name, out);
        out.push(b',');
        write_text(value.as_deref(), out);
    }
    out.extend_from_slice(if record.headers.is_empty() { b"}\n" } else { b"]]}\n" });
}

/// A value: JSON objects, lists and numbers as they are, other text as a string, bytes in base64.
pub(crate) fn write_value(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let json =
        value.filter(|bytes| matches!(bytes.first(), Some(b'{' | b'[' | b'-' | b'0'..=b'9')));
    // `{"base64": ...}` itself would be read as bytes: it goes out as text.
    let json = json.filter(|bytes| !bytes.starts_with(b"{\"base64\""));
    match json.and_then(|bytes| serde_json::from_slice::<&RawValue>(bytes).ok()) {
        Some(json) => compact(json.get(), out),
        None => write_text(value, out),
    }
}

/// Text as a string, other bytes in base64, nothing as null.
fn write_text(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(text, out),
        Err(_) => {
            let form = format!("{{\"base64\":\"{}\"}}", BASE64_STANDARD.encode(bytes));
            out.extend_from_slice(form.as_bytes());
        }
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use pelton_batch::{Batch, RecordsBuilder};

    use super::*;
    use crate::input::{Row, parse_record};
    use pelton_core::TimeFormat;

    fn line(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)]) -> String {
        let mut builder = RecordsBuilder::new();
        builder.push(key, value, 5);
        for (name, value) in headers {
            builder.header(name, *value);
        }
        let batch = builder.finish();
        let mut out = Vec::new();
        let records = Batch::parse(&batch).unwrap().records().unwrap();
        write_record("t", &records.get(0), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_record_is_one_line_of_json() {
        assert_eq!(
            line(Some(b"k"), Some(b"{\"a\": 1,\n \"b\": \"x y\"}"), &[("h", Some(b"v"))]),
            "{\"topic\":\"t\",\"key\":\"k\",\"value\":{\"a\":1,\"b\":\"x y\"},\"timestamp\":5,\
             \"headers\":[[\"h\",\"v\"]]}\n"
        );
    }

    /// White space inside JSON aside, which `compact` takes out.
    #[test]
    fn every_key_and_value_reads_back_as_the_bytes_that_it_was() {
        let values: [Option<&[u8]>; 14] = [
            None,
            Some(b""),
            Some(b"text"),
            Some(b"null"),
            Some(b"true"),
            Some(b"\"quoted\""),
            Some(b"17"),
            Some(b"1.50"),
            Some(b"-"),
            Some(b"007"),
            Some(b"{\"a\":[1,null]}"),
            Some(b"{\"base64\":\"aGk=\"}"),
            Some(b"\xff\x00"),
            Some(b"{broken"),
        ];
        for value in values {
            let text = line(value, value, &[("h", value)]);
            let mut row = Row::default();
            parse_record(text.trim().as_bytes(), &TimeFormat::Auto, &mut row).unwrap();
            assert_eq!(row.key(), value, "{text}");
            assert_eq!(row.value(), value, "{text}");
            assert_eq!(row.headers[0].1.as_deref(), value, "{text}");
        }
    }
}
