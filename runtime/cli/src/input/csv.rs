//! Records as rows of CSV: each becomes a JSON object by the names of the header row.

use std::collections::HashMap;
use std::io::{BufRead, Read};

use super::quotes::QuoteWatch;
use super::{BadLine, Row, RowReader};
use pelton_core::TimeFormat;

/// Reads CSV with a header row. Empty cells become null, quoted or not; numbers, true and false stay
/// what they are; all else is text.
pub(super) struct CsvReader {
    reader: csv::Reader<QuoteWatch<Box<dyn BufRead>>>,
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
        let mut reader = csv::ReaderBuilder::new().from_reader(QuoteWatch::new(source));
        let headers = reader.headers().map_err(|error| bad_row(&error, 1))?.clone();
        reader.get_mut().next_row();
        check_quotes(&reader, true)?;
        refuse_twins(&headers)?;
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
        let read = self.reader.read_record(&mut self.record);
        // An open quote swallows rows: what else is wrong with this one is only its consequence.
        check_quotes(&self.reader, matches!(read, Ok(false)))?;
        if let Ok(false) = read {
            return Ok(false);
        }
        let line = self.reader.get_mut().next_row();
        read.map_err(|error| bad_row(&error, line))?;
        row.line = line;
        let key = self.key.and_then(|column| self.record.get(column));
        if let Some(text) = key.filter(|text| !text.is_empty()) {
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

/// Refuses a quote that is never closed, as soon as its row has been read, or at the `end`.
fn check_quotes<R: Read>(reader: &csv::Reader<QuoteWatch<R>>, end: bool) -> Result<(), BadLine> {
    match reader.get_ref().unclosed() {
        Some(quote) if end || quote.at < reader.position().byte() => {
            let text = "a quote opens a cell here and is never closed";
            let next = "close it; a quote that is part of the text is written twice";
            let bad = BadLine::new("E-INPUT-CSV", quote.line, 0, text);
            Err(BadLine { fatal: true, next: Some(next), ..bad })
        }
        _ => Ok(()),
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

/// Refuses a header row that has a name twice: an object has room for one.
fn refuse_twins(headers: &csv::StringRecord) -> Result<(), BadLine> {
    let mut seen = HashMap::new();
    for (index, name) in headers.iter().enumerate() {
        if let Some(first) = seen.insert(name, index) {
            let (first, second) = (first + 1, index + 1);
            let text = format!("the columns {first} and {second} are both called {name:?}");
            let next = Some("give each column of the header row a name of its own");
            return Err(BadLine { next, ..fatal(text) });
        }
    }
    Ok(())
}

fn fatal(text: String) -> BadLine {
    let next = Some("name a column of the header row");
    BadLine { fatal: true, next, ..BadLine::new("E-INPUT-CSV", 1, 0, text) }
}

fn bad_row(error: &csv::Error, line: u64) -> BadLine {
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
