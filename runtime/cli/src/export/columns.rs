//! Parquet files. The same records make the same bytes: row groups are cut by the records alone, and
//! no time is noted.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;

use super::Exported;
use super::format::{RecordWriter, Span, damaged, fingerprint};
use crate::error::{CliError, Result};
use crate::output::write_exported;
use crate::parquet::{RecordColumns, Rows, records_schema};

/// A row group is cut at this many records, or at about this many bytes. They are held in memory.
const GROUP_RECORDS: usize = 100_000;
const GROUP_BYTES: usize = 32 << 20;
/// The footer's notes of the first and the last offset, and of what the last record is told by.
const OFFSETS: &str = "pelton.offsets";
const FINGERPRINT: &str = "pelton.fingerprint";

/// Writes records as rows.
pub(super) struct ColumnWriter {
    path: PathBuf,
    topic: String,
    partition: u32,
    is_text: bool,
    file: SerializedFileWriter<BufWriter<File>>,
    group: Group,
    first: Option<u64>,
    /// Not in the group yet: it may be the last one of the file.
    newest: Option<Exported>,
}

/// The records of a row group, by column.
#[derive(Default)]
struct Group {
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: Optional,
    values: Optional,
    header_names: Repeated,
    header_values: Repeated,
    bytes: usize,
}

/// A column that may be null.
#[derive(Default)]
struct Optional {
    values: Vec<ByteArray>,
    levels: Vec<i16>,
}

/// A column of a list: how deeply each entry is there, and whether it goes on with a list.
#[derive(Default)]
struct Repeated {
    values: Vec<ByteArray>,
    levels: Vec<i16>,
    repeats: Vec<i16>,
}

impl Optional {
    fn push(&mut self, value: Option<Vec<u8>>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value.map(ByteArray::from));
    }
}

impl Repeated {
    fn push(&mut self, value: Option<Vec<u8>>, level: i16, is_first: bool) {
        self.levels.push(level);
        self.repeats.push(i16::from(!is_first));
        self.values.extend(value.map(ByteArray::from));
    }
}

impl Group {
    fn push(&mut self, record: Exported) {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        self.bytes += len(&record.key) + len(&record.value);
        self.offsets.push(record.offset.cast_signed());
        self.timestamps.push(record.timestamp);
        self.keys.push(record.key);
        self.values.push(record.value);
        if record.headers.is_empty() {
            self.header_names.push(None, 0, true);
            self.header_values.push(None, 0, true);
        }
        for (index, (name, value)) in record.headers.into_iter().enumerate() {
            self.bytes += name.len() + len(&value);
            let level = 1 + i16::from(value.is_some());
            self.header_names.push(Some(name.into_bytes()), 1, index == 0);
            self.header_values.push(value, level, index == 0);
        }
    }

    fn is_full(&self) -> bool {
        self.offsets.len() >= GROUP_RECORDS || self.bytes >= GROUP_BYTES
    }

    /// Writes the columns in the order of the schema.
    fn write<W: std::io::Write + Send>(
        &self,
        partition: u32,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let partitions = vec![partition.cast_signed(); self.offsets.len()];
        column::<Int32Type, _>(group, &partitions, None, None)?;
        column::<Int64Type, _>(group, &self.offsets, None, None)?;
        column::<Int64Type, _>(group, &self.timestamps, None, None)?;
        for Optional { values, levels } in [&self.keys, &self.values] {
            column::<ByteArrayType, _>(group, values, Some(levels), None)?;
        }
        for Repeated { values, levels, repeats } in [&self.header_names, &self.header_values] {
            column::<ByteArrayType, _>(group, values, Some(levels), Some(repeats))?;
        }
        Ok(())
    }
}

fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
    repeats: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("the schema has too few columns".into()));
    };
    column.typed::<T>().write_batch(values, levels, repeats)?;
    column.close()
}

impl ColumnWriter {
    pub(super) fn new(
        file: File,
        path: &Path,
        topic: &str,
        partition: u32,
        is_text: bool,
    ) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 18, file);
        let file = records_schema(is_text)
            .and_then(|schema| SerializedFileWriter::new(file, schema, Arc::new(properties())));
        Ok(Self {
            path: path.to_owned(),
            topic: topic.to_owned(),
            partition,
            is_text,
            file: file.map_err(|error| unwritten(path, error))?,
            group: Group::default(),
            first: None,
            newest: None,
        })
    }

    fn write_group(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut write = || {
            let mut writer = self.file.next_row_group()?;
            group.write(self.partition, &mut writer)?;
            writer.close()
        };
        write().map(drop).map_err(|error| unwritten(&self.path, error))
    }

    /// Keys and values that are to be text are some.
    fn check_text(&self, record: &Exported) -> Result<()> {
        let parts = [("key", &record.key), ("value", &record.value)];
        for (part, bytes) in parts.into_iter().filter(|_| self.is_text) {
            if bytes.as_ref().is_some_and(|bytes| std::str::from_utf8(bytes).is_err()) {
                let Self { topic, partition, .. } = self;
                let place = format!("offset {} of {topic}, partition {partition}", record.offset);
                let text = format!("the {part} at {place} is no UTF-8 text");
                return Err(CliError::bad_input("E-EXPORT-TEXT", text)
                    .next("leave --text out: keys and values are then bytes"));
            }
        }
        Ok(())
    }
}

impl RecordWriter for ColumnWriter {
    fn push(&mut self, record: Exported) -> Result<()> {
        self.check_text(&record)?;
        self.first.get_or_insert(record.offset);
        if let Some(before) = self.newest.replace(record) {
            self.group.push(before);
        }
        if self.group.is_full() { self.write_group() } else { Ok(()) }
    }

    fn copy(&mut self, old: &Path) -> Result<()> {
        let (mut rows, columns) = open(old)?;
        while let Some(row) = rows.next().map_err(|why| damaged(old, &why))? {
            self.push(columns.record(row).map_err(|why| damaged(old, &why))?)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<File> {
        if let (Some(first), Some(newest)) = (self.first, self.newest.take()) {
            let mut line = Vec::new();
            write_exported(&self.topic, self.partition, &newest, &mut line);
            let note = |name: &str, text: String| KeyValue::new(name.to_owned(), text);
            let offsets = note(OFFSETS, format!("{first}-{}", newest.offset));
            self.file.append_key_value_metadata(offsets);
            let told_by = note(FINGERPRINT, fingerprint(&line).to_string());
            self.file.append_key_value_metadata(told_by);
            self.group.push(newest);
            self.write_group()?;
        }
        let Self { path, file, .. } = *self;
        let file = file.into_inner().map_err(|error| unwritten(&path, error))?;
        let written = file.into_inner().map_err(io::IntoInnerError::into_error);
        written.map_err(|error| CliError::file("write", &path, &error))
    }
}

/// Snappy, which every reader knows. Offsets and times are small steps.
fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("pelton version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(None)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for steps in ["offset", "timestamp"] {
        let path = ColumnPath::from(steps);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    let value = ColumnPath::from("value");
    properties.set_column_statistics_enabled(value, EnabledStatistics::None).build()
}

fn open(path: &Path) -> Result<(Rows, RecordColumns)> {
    let file = File::open(path).map_err(|error| CliError::file("read", path, &error))?;
    let rows = Rows::open(file).map_err(|why| damaged(path, &why))?;
    let columns = RecordColumns::of(rows.schema());
    Ok((rows, columns.ok_or_else(|| damaged(path, "it has other columns"))?))
}

/// The records that the footer names, of a file that keeps keys and values as it is asked for.
pub(super) fn span(path: &Path, is_text: bool) -> Result<Span> {
    let (rows, _) = open(path)?;
    let schema = records_schema(is_text).map_err(|error| unwritten(path, error))?;
    if rows.schema().get_fields() != schema.get_fields() {
        let (is, flag) = if is_text { ("bytes", "without") } else { ("text", "with") };
        let text = format!("the keys and values in {} are {is}", path.display());
        return Err(CliError::bad_input("E-EXPORT-TEXT", text)
            .next(format!("go on {flag} --text, or give --to another folder")));
    }
    let offsets = rows.note(OFFSETS).and_then(|note| note.split_once('-'));
    let span = offsets.and_then(|(first, last)| {
        let fingerprint = rows.note(FINGERPRINT)?.parse().ok()?;
        Some(Span { first: first.parse().ok()?, last: last.parse().ok()?, fingerprint })
    });
    span.filter(|span| span.first <= span.last)
        .ok_or_else(|| damaged(path, "its footer does not name its records"))
}

/// A file that could not be written.
fn unwritten(path: &Path, error: ParquetError) -> CliError {
    let error = match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    };
    CliError::file("write", path, &error)
}
