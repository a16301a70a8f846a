//! The rows of a file, one by one: a row group after the other, of each column a page at a time.

use std::fs::File;

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Row;
use parquet::record::reader::RowIter;
use parquet::schema::types::TypePtr;

use super::guarded;

/// Reads the rows of a file.
pub(crate) struct Rows {
    iter: RowIter<'static>,
    schema: TypePtr,
    /// `KEY=VALUE` of the footer.
    notes: Vec<(String, Option<String>)>,
}

impl Rows {
    /// The rows of a file, of which only the footer is read here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn open(file: File) -> Result<Self, String> {
        guarded(|| {
            let reader = SerializedFileReader::new(file)?;
            check_codecs(reader.metadata())?;
            let about = reader.metadata().file_metadata();
            let schema = about.schema_descr().root_schema_ptr();
            let notes = about.key_value_metadata().into_iter().flatten();
            let notes = notes.map(|note| (note.key.clone(), note.value.clone())).collect();
            Ok(Self { iter: RowIter::from_file_into(Box::new(reader)), schema, notes })
        })
    }

    /// Its columns, below a root.
    pub(crate) fn schema(&self) -> &TypePtr {
        &self.schema
    }

    /// What the footer notes under a name.
    pub(crate) fn note(&self, name: &str) -> Option<&str> {
        let found = self.notes.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.as_deref())
    }

    /// The next row, `None` behind the last.
    ///
    /// # Errors
    /// What is wrong with the file; it is not to be read on.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, String> {
        guarded(|| self.iter.next().transpose())
    }
}

/// Refuses compressions that are not built in, before the first row.
fn check_codecs(about: &ParquetMetaData) -> Result<(), ParquetError> {
    let columns = about.row_groups().iter().flat_map(|group| group.columns());
    let name = columns.map(|column| column.compression()).find_map(|codec| match codec {
        Compression::ZSTD(_) => Some("zstd"),
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("lzo"),
        _ => None,
    });
    match name {
        Some(name) => Err(ParquetError::General(format!("it is compressed with {name}"))),
        None => Ok(()),
    }
}
