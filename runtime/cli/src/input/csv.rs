//! Records as rows of CSV: each becomes a JSON object by the names of the header row.

use std::io::BufRead;

use super::time::TimeFormat;
use super::{BadLine, Row, RowReader};

/// Reads CSV with a header row. Empty cells become null; numbers, true and false stay what they
/// are; all else is text.
pub(super) struct CsvReader {
    reader: csv::Reader<Box<dyn BufRead>>,
    record: csv::StringRecord,
    /// The names of the columns as JSON strings, each with its colon.
    names: Vec<String>,
    key: Option<usize>,
    time: Option<usize>,
    format: TimeFormat,
}

impl CsvReader {
    pub(super) fn new(
        source: Box<dyn BufRead>,
        key: Option<&str>,
        time: Option<&str>,
        format: TimeFormat,
    ) -> Result<Self, BadLine> {
        let mut reader = csv::ReaderBuilder::new().from_reader(source);
        let headers = reader.headers().map_err(|error| bad_row(&error))?.clone();
        let find = |column: Option<&str>| match column {
            None => Ok(None),
            Some(name) => match headers.iter().position(|header| header == name) {
                Some(index) => Ok(Some(index)),
                None => Err(fatal(format!(
                    "there is no column {name:?}; there are: {}",
                    headers.iter().collect::<Vec<_>>().join(", ")
                ))),
            },
        };
        let (key, time) = (find(key)?, find(time)?);
        let names = headers.iter().map(|name| format!("{}:", json_string(name))).collect();
        Ok(Self { reader, record: csv::StringRecord::new(), names, key, time, format })
    }
}

impl RowReader for CsvReader {
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine> {
        row.clear();
        if !self.reader.read_record(&mut self.record).map_err(|error| bad_row(&error))? {
            return Ok(false);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        if let Some(text) = self.key.and_then(|column| self.record.get(column)) {
            row.key_mut().extend_from_slice(text.as_bytes());
        }
        if let Some(column) = self.time {
            let text = self.record.get(column).unwrap_or_default();
            let time = self.format.parse(text);
            let wrong = |text| BadLine::new("E-INPUT-CSV", line, 0, format!("timestamp {text}"));
            row.timestamp = Some(time.map_err(wrong)?);
        }
        let out = row.value_mut();
        out.push(b'{');
        for (index, (name, cell)) in self.names.iter().zip(&self.record).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
            write_cell(cell, out);
        }
        out.push(b'}');
        Ok(true)
    }
}

/// Writes a cell as JSON.
fn write_cell(cell: &str, out: &mut Vec<u8>) {
    let plain = match cell.as_bytes().first() {
        None => {
            out.extend_from_slice(b"null");
            return;
        }
        Some(b'0'..=b'9' | b'-') => serde_json::from_str::<serde_json::Number>(cell).is_ok(),
        _ => matches!(cell, "true" | "false"),
    };
    if plain {
        out.extend_from_slice(cell.as_bytes());
    } else {
        out.extend_from_slice(json_string(cell).as_bytes());
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn fatal(text: String) -> BadLine {
    BadLine { fatal: true, ..BadLine::new("E-INPUT-CSV", 1, 0, text) }
}

fn bad_row(error: &csv::Error) -> BadLine {
    let line = error.position().map_or(0, csv::Position::line);
    let text = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this row has {len} cells, the header row {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "this row is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    let fatal = matches!(error.kind(), csv::ErrorKind::Io(_));
    BadLine { fatal, ..BadLine::new("E-INPUT-CSV", line, 0, text) }
}
