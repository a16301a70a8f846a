//! Records as JSON: a list of objects, or a line each.
//!
//! A string stands for its text, `{"base64": ...}` for bytes, null for nothing, anything else for
//! the JSON itself without white space. What is written reads back as the same bytes, white space
//! inside of JSON aside.

mod list;
mod record;
mod write;

use pelton_core::Result;

pub use list::read_list;
pub use record::parse_time;
pub(crate) use write::value_of;
pub use write::{Encoding, write_record};

use super::RecordBatch;
use record::read_record;

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

/// Adds the one record that a JSON object is.
///
/// # Errors
/// As [`read_list`].
pub fn read_one(text: &[u8], batch: &mut RecordBatch) -> Result<()> {
    read_record(text, batch).map_err(|problem| problem.at("the body"))
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
