//! Reading records from a file: JSON lines, plain lines, CSV or Parquet.

mod bounds;
mod bytes;
mod csv;
mod json;
mod lines;
mod load;
mod parquet;
mod places;
mod quotes;
mod row;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use clap::{Args, ValueEnum};
use pelton_core::TimeFormat;

use crate::error::{CliError, Result};
use crate::project::show;

pub(crate) use bounds::check as check_bounds;
pub(crate) use bytes::compact;
pub(crate) use json::parse_record;
pub(crate) use load::{LoadOptions, Loaded, Target, load};
pub(crate) use places::Places;
pub(crate) use row::Row;

/// How records stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// One JSON object a line: key, value, timestamp, headers, topic
    Json,
    /// One value a line
    Lines,
    /// A header row, then a JSON object for each row
    Csv,
    /// Parquet: records as they were exported, else a JSON object for each row
    Parquet,
}

/// What to read, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// File of input records; - is stdin
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub input: String,
    /// How the input is laid out; else by the file's name (.csv, .parquet, .txt), else JSON lines
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,
    /// CSV, Parquet: the column that is the key
    #[arg(long, value_name = "COLUMN")]
    pub key_column: Option<String>,
    /// CSV, Parquet: the column that is the timestamp
    #[arg(long, value_name = "COLUMN")]
    pub time_column: Option<String>,
    /// How timestamps are written: ms, s, rfc3339, or a pattern such as "%Y-%m-%d %H:%M:%S" (UTC)
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub time_format: TimeFormat,
    /// Leave out lines that cannot be read, and count them
    #[arg(long)]
    pub skip_bad_lines: bool,
}

impl InputArgs {
    /// The format that was asked for, or that the file's name tells.
    pub(crate) fn format(&self) -> InputFormat {
        let by_name = || match Path::new(&self.input).extension()?.to_str()? {
            "csv" => Some(InputFormat::Csv),
            "parquet" => Some(InputFormat::Parquet),
            "txt" | "log" => Some(InputFormat::Lines),
            _ => None,
        };
        self.input_format.or_else(by_name).unwrap_or(InputFormat::Json)
    }

    /// How errors name the file.
    pub(crate) fn name(&self) -> &str {
        if self.input == "-" { "<stdin>" } else { &self.input }
    }

    /// Opens the input.
    ///
    /// # Errors
    /// Where there is no such file, or the flags do not fit the format.
    pub(crate) fn open(&self) -> Result<Box<dyn RowReader>> {
        let format = self.format();
        let has_columns = matches!(format, InputFormat::Csv | InputFormat::Parquet);
        if !has_columns && (self.key_column.is_some() || self.time_column.is_some()) {
            let text = "--key-column and --time-column are for CSV and Parquet only";
            return Err(CliError::new("E-USAGE", crate::exit::Exit::Usage, text)
                .next("add --input-format csv or parquet, or leave them out"));
        }
        let source: Box<dyn BufRead> = if self.input == "-" {
            Box::new(BufReader::with_capacity(1 << 16, io::stdin()))
        } else {
            let path = Path::new(&self.input);
            if path.is_dir() {
                return Err(is_folder(path));
            }
            let file = File::open(path).map_err(|error| {
                CliError::file("read", path, &error).next("check the path; --input - is stdin")
            })?;
            if format == InputFormat::Parquet && path.is_file() {
                return self.parquet(file);
            }
            Box::new(BufReader::with_capacity(1 << 16, file))
        };
        self.reader(source)
    }

    /// A reader over these bytes.
    pub(crate) fn reader(&self, mut source: Box<dyn BufRead>) -> Result<Box<dyn RowReader>> {
        let time = self.time_format.clone();
        Ok(match self.format() {
            InputFormat::Json => Box::new(json::JsonReader::new(source, time)),
            InputFormat::Lines => Box::new(lines::PlainReader::new(source)),
            InputFormat::Csv => {
                let (key, at) = (self.key_column.as_deref(), self.time_column.as_deref());
                let reader = csv::CsvReader::new(source, key, at, time);
                Box::new(reader.map_err(|bad| bad.into_error(self.name()))?)
            }
            InputFormat::Parquet => {
                let file = parquet::spooled(&mut *source).map_err(|error| {
                    let text = format!("{}: cannot be read: {error}", self.name());
                    CliError::bad_input("E-INPUT-READ", text)
                        .next("give --input a file; a pipe is copied to the temporary folder")
                })?;
                self.parquet(file)?
            }
        })
    }

    fn parquet(&self, file: File) -> Result<Box<dyn RowReader>> {
        let (key, time) = (self.key_column.as_deref(), self.time_column.as_deref());
        let format = self.time_format.clone();
        let reader = parquet::ParquetReader::new(file, self.name(), key, time, format)?;
        Ok(Box::new(reader))
    }
}

/// Reads records one by one.
pub(crate) trait RowReader {
    /// Reads the next record into `row`; `false` at the end of the input. After a bad line the
    /// next call goes on behind it.
    ///
    /// # Errors
    /// Where the line cannot be read.
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine>;
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// The line, from 1.
    pub line: u64,
    /// The column, in bytes from 1; 0 where only the line is known.
    pub column: u64,
    /// A stable code.
    pub code: &'static str,
    /// What is wrong with it.
    pub text: String,
    /// Whether it ends the reading; else it can go on behind the line.
    pub fatal: bool,
    /// What to do about it, where that is not to mend the line or to leave it out.
    pub next: Option<&'static str>,
}

impl BadLine {
    pub(crate) fn new(code: &'static str, line: u64, column: u64, text: impl Into<String>) -> Self {
        Self { line, column, code, text: text.into(), fatal: false, next: None }
    }

    /// The error that names the file.
    pub(crate) fn into_error(self, file: &str) -> CliError {
        let column = if self.column > 0 { format!(":{}", self.column) } else { String::new() };
        let text = format!("{file}:{}{column}: {}", self.line, self.text);
        let mend = match self.fatal {
            true => "give a file of JSON lines, plain lines, CSV or Parquet that can be read",
            false => "mend this line, or leave such lines out with --skip-bad-lines",
        };
        CliError::bad_input(self.code, text).next(self.next.unwrap_or(mend))
    }
}

/// A folder is no input; it may have some.
fn is_folder(path: &Path) -> CliError {
    let text = format!("{} is a folder, not a file of records", path.display());
    let error = CliError::bad_input("E-INPUT-FOLDER", text);
    let files = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files
        .filter(|file| {
            let extension = file.extension().unwrap_or_default();
            ["jsonl", "ndjson", "csv", "parquet", "txt", "log"]
                .iter()
                .any(|known| extension == *known)
        })
        .collect();
    files.sort();
    match files.first() {
        Some(file) => error.next(format!("give a file, such as --input {}", show(file))),
        None => error.next("give --input FILE; - is stdin"),
    }
}

#[cfg(test)]
mod parquet_tests;
#[cfg(test)]
mod tests;
