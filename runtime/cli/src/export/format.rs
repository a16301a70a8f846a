//! What the files are made of.

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;

use super::Exported;
use super::columns::{self, ColumnWriter};
use super::lines::{self, LineWriter};
use crate::error::{CliError, Result};

/// The format of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// A column each for partition, offset, timestamp, key, value and headers
    Parquet,
    /// JSON lines, as `produce` and `run` read them
    Jsonl,
}

/// How files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The format.
    pub format: FileFormat,
    /// Whether keys and values of Parquet are text, not bytes.
    pub is_text: bool,
}

/// First and last offset of the records in a file, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub first: u64,
    pub last: u64,
    /// Of the last record, to tell whether the topic is still the one that it is of.
    pub fingerprint: u64,
}

/// What a record is told by, as a line of JSON.
pub(super) fn fingerprint(line: &[u8]) -> u64 {
    let hash = blake3::hash(line.trim_ascii_end());
    hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Writes the records of a file, in the order of their offsets.
pub(super) trait RecordWriter {
    /// Adds a record.
    fn push(&mut self, record: Exported) -> Result<()>;

    /// Adds all records of a file that was exported before.
    fn copy(&mut self, old: &Path) -> Result<()>;

    /// Writes what is still held back, and answers the file, which is not synced yet.
    fn finish(self: Box<Self>) -> Result<File>;
}

impl FileFormat {
    /// The extension of its files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Jsonl => "jsonl",
        }
    }
}

impl Layout {
    /// A writer of records of a partition to a file, which errors call `path`.
    pub(super) fn writer(
        self,
        file: File,
        path: &Path,
        topic: &str,
        partition: u32,
    ) -> Result<Box<dyn RecordWriter>> {
        Ok(match self.format {
            FileFormat::Parquet => {
                Box::new(ColumnWriter::new(file, path, topic, partition, self.is_text)?)
            }
            FileFormat::Jsonl => Box::new(LineWriter::new(file, path, topic, partition)),
        })
    }

    /// Which records a file has.
    ///
    /// # Errors
    /// `E-EXPORT-FILE` where it is none that was exported, `E-EXPORT-TEXT` where it was in another layout.
    pub(super) fn span(self, path: &Path) -> Result<Span> {
        match self.format {
            FileFormat::Parquet => columns::span(path, self.is_text),
            FileFormat::Jsonl => lines::span(path),
        }
    }
}

/// A file in the folder that cannot be gone on with.
pub(super) fn damaged(path: &Path, why: &str) -> CliError {
    let text = format!("{} is no whole exported file: {why}", path.display());
    CliError::bad_input("E-EXPORT-FILE", text)
        .next("remove it: it is written again, as far as its records are still in the topic")
}
