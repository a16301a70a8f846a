//! What the files are made of.

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;

use super::Exported;
use super::lines::{self, LineWriter};
use crate::error::{CliError, Result};

/// The format of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// JSON lines, as `produce` and `run` read them
    Jsonl,
}

/// First and last offset of the records in a file, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub first: u64,
    pub last: u64,
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
            Self::Jsonl => "jsonl",
        }
    }

    /// A writer of records of a partition.
    pub(super) fn writer(
        self,
        file: File,
        topic: &str,
        partition: u32,
    ) -> Result<Box<dyn RecordWriter>> {
        Ok(match self {
            Self::Jsonl => Box::new(LineWriter::new(file, topic, partition)),
        })
    }

    /// Which records a file has.
    ///
    /// # Errors
    /// `E-EXPORT-FILE` where it is none that was exported.
    pub(super) fn span(self, path: &Path) -> Result<Span> {
        match self {
            Self::Jsonl => lines::span(path),
        }
    }
}

/// A file in the folder that cannot be gone on with.
pub(super) fn damaged(path: &Path, why: &str) -> CliError {
    let text = format!("{} is no whole exported file: {why}", path.display());
    CliError::bad_input("E-EXPORT-FILE", text)
        .next("remove it: it is written again, as far as its records are still in the topic")
}
