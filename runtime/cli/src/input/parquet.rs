//! Records as rows of Parquet: those that were exported as what they were, any others as JSON objects by
//! the names of their columns.

use std::fs::File;
use std::io::{self, BufRead, Seek as _};

use parquet::record::{Field, Row as Columns};
use pelton_core::TimeFormat;

use super::{BadLine, Row, RowReader};
use crate::error::{CliError, Result};
use crate::parquet::{RecordColumns, Rows, check_types, time_ms, write_json};

/// Reads the rows of a file.
pub(super) struct ParquetReader {
    rows: Rows,
    takes: Takes,
    number: u64,
}

/// What a row stands for.
enum Takes {
    /// A record.
    Records(RecordColumns),
    /// A value, with these columns as key and timestamp too.
    Values { key: Option<usize>, time: Option<usize>, format: TimeFormat },
}

/// What is to be done about a file that cannot be read.
const NEXT: &str = "give a whole Parquet file, compressed with snappy, gzip, lz4 or not at all";

impl ParquetReader {
    /// A reader of the file that errors call `name`.
    ///
    /// # Errors
    /// `E-INPUT-PARQUET` where it is no such file, or has no such column.
    pub(super) fn new(
        file: File,
        name: &str,
        key: Option<&str>,
        time: Option<&str>,
        format: TimeFormat,
    ) -> Result<Self> {
        let refused = |text: String, next: &str| {
            CliError::bad_input("E-INPUT-PARQUET", format!("{name}: {text}")).next(next)
        };
        let rows = Rows::open(file)
            .map_err(|why| refused(format!("cannot be read as Parquet: {why}"), NEXT))?;
        let schema = rows.schema().clone();
        let next = "leave that column out, or write it as another type";
        check_types(&schema).map_err(|what| refused(format!("{what}, which has no JSON"), next))?;
        let names: Vec<_> = schema.get_fields().iter().map(|field| field.name()).collect();
        if let Some((_, twin)) =
            names.iter().enumerate().find(|(index, name)| names[..*index].contains(name))
        {
            let text = format!("two columns are called {twin:?}");
            return Err(refused(text, "give each column a name of its own"));
        }
        let find = |column: Option<&str>| match column {
            None => Ok(None),
            Some(column) => match names.iter().position(|name| *name == column) {
                Some(index) => Ok(Some(index)),
                None => {
                    let text =
                        format!("there is no column {column:?}; there are: {}", names.join(", "));
                    Err(refused(text, "name one of these columns"))
                }
            },
        };
        let values = Takes::Values { key: find(key)?, time: find(time)?, format };
        let records = RecordColumns::of(&schema).filter(|_| key.is_none() && time.is_none());
        let takes = records.map_or(values, Takes::Records);
        Ok(Self { rows, takes, number: 0 })
    }
}

impl RowReader for ParquetReader {
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine> {
        row.clear();
        let number = self.number + 1;
        let found = self.rows.next().map_err(|why| {
            let text = format!("the file cannot be read from this row on: {why}");
            let bad = BadLine::new("E-INPUT-PARQUET", number, 0, text);
            BadLine { fatal: true, next: Some(NEXT), ..bad }
        });
        let Some(columns) = found? else { return Ok(false) };
        self.number = number;
        row.line = number;
        let taken = match &self.takes {
            Takes::Records(records) => take_record(records, columns, row),
            Takes::Values { key, time, format } => {
                let columns: Vec<_> = columns.into_columns();
                self.take_value(&columns, (*key, *time), format, row)
            }
        };
        taken.map_err(|text| BadLine::new("E-INPUT-PARQUET", number, 0, text))?;
        Ok(true)
    }
}

fn take_record(records: &RecordColumns, columns: Columns, row: &mut Row) -> Result<(), String> {
    let record = records.record(columns)?;
    if let Some(key) = record.key {
        *row.key_mut() = key;
    }
    if let Some(value) = record.value {
        *row.value_mut() = value;
    }
    row.timestamp = Some(record.timestamp);
    row.headers = record.headers;
    Ok(())
}

impl ParquetReader {
    fn take_value(
        &self,
        columns: &[(String, Field)],
        (key, time): (Option<usize>, Option<usize>),
        format: &TimeFormat,
        row: &mut Row,
    ) -> Result<(), String> {
        let kinds = self.rows.schema().get_fields();
        let named = |index: usize, why: String| format!("the column {:?}: {why}", columns[index].0);
        let out = row.value_mut();
        for (index, (name, field)) in columns.iter().enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            out.extend_from_slice(serde_json::Value::from(&**name).to_string().as_bytes());
            out.push(b':');
            write_json(field, Some(&kinds[index]), out).map_err(|why| named(index, why))?;
        }
        out.extend_from_slice(if columns.is_empty() { b"{}" } else { b"}" });
        if let Some(index) = key.filter(|index| columns[*index].1 != Field::Null) {
            let key = row.key_mut();
            match &columns[index].1 {
                Field::Bytes(bytes) => key.extend_from_slice(bytes.data()),
                field => text_of(field, &kinds[index], key).map_err(|why| named(index, why))?,
            }
        }
        if let Some(index) = time {
            let (field, kind) = (&columns[index].1, &kinds[index]);
            let ms = match time_ms(field, Some(kind)) {
                Some(ms) => Ok(ms),
                None if *field == Field::Null => Err("is missing".to_owned()),
                None => {
                    let mut text = Vec::new();
                    text_of(field, kind, &mut text)
                        .and_then(|()| format.parse(&String::from_utf8_lossy(&text)))
                }
            };
            let ms = ms.map_err(|why| named(index, format!("timestamp {why}")))?;
            row.timestamp = Some(ms);
        }
        Ok(())
    }
}

/// Text as it is, anything else as its JSON; nothing for null.
fn text_of(
    field: &Field,
    kind: &parquet::schema::types::Type,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match field {
        Field::Null => {}
        Field::Str(text) => out.extend_from_slice(text.as_bytes()),
        field => {
            let mut json = Vec::new();
            write_json(field, Some(kind), &mut json)?;
            // Times, days and UUIDs are strings without escapes.
            let text = json.strip_prefix(b"\"").and_then(|json| json.strip_suffix(b"\""));
            out.extend_from_slice(text.unwrap_or(&json));
        }
    }
    Ok(())
}

/// The input as a file in which a reader can go back: Parquet begins at its end.
pub(super) fn spooled(source: &mut dyn BufRead) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(source, &mut file)?;
    file.rewind()?;
    Ok(file)
}
