//! Files of JSON lines, in the form that `produce` and `run` read, with partition and offset.

use std::fs::File;
use std::io::{
    self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Exported;
use super::format::{RecordWriter, Span, damaged, fingerprint};
use crate::error::{CliError, Result};
use crate::output::write_exported;

/// How much is read at a time on the way back from the end of a file.
const BACK_BYTES: u64 = 1 << 16;

/// Writes records as lines.
pub(super) struct LineWriter {
    path: PathBuf,
    topic: String,
    partition: u32,
    file: BufWriter<File>,
    line: Vec<u8>,
}

impl LineWriter {
    pub(super) fn new(file: File, path: &Path, topic: &str, partition: u32) -> Self {
        let file = BufWriter::with_capacity(1 << 18, file);
        let (path, topic) = (path.to_owned(), topic.to_owned());
        Self { path, topic, partition, file, line: Vec::new() }
    }
}

impl RecordWriter for LineWriter {
    fn push(&mut self, record: Exported) -> Result<()> {
        self.line.clear();
        write_exported(&self.topic, self.partition, &record, &mut self.line);
        let written = self.file.write_all(&self.line);
        written.map_err(|error| CliError::file("write", &self.path, &error))
    }

    fn copy(&mut self, old: &Path) -> Result<()> {
        let read = |error: io::Error| CliError::file("read", old, &error);
        let mut old = File::open(old).map_err(read)?;
        let copied = io::copy(&mut old, &mut self.file);
        copied.map(drop).map_err(|error| CliError::file("write", &self.path, &error))
    }

    fn finish(self: Box<Self>) -> Result<File> {
        let Self { path, file, .. } = *self;
        let written = file.into_inner().map_err(io::IntoInnerError::into_error);
        written.map_err(|error| CliError::file("write", &path, &error))
    }
}

/// The first and the last record in a file.
pub(super) fn span(path: &Path) -> Result<Span> {
    let (first, last) = ends(path).map_err(|error| CliError::file("read", path, &error))?;
    let fingerprint = fingerprint(&last);
    let (Some(first), Some(last)) = (offset(&first), offset(&last)) else {
        return Err(damaged(path, "its first or last line is no exported record"));
    };
    Ok(Span { first, last, fingerprint })
}

fn offset(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Line {
        offset: u64,
    }
    let whole = line.strip_suffix(b"\n")?;
    serde_json::from_slice::<Line>(whole).ok().map(|line| line.offset)
}

/// The first and the last line.
fn ends(path: &Path) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut file = BufReader::new(File::open(path)?);
    let mut first = Vec::new();
    file.read_until(b'\n', &mut first)?;
    let len = file.seek(SeekFrom::End(0))?;
    let (mut last, mut back) = (Vec::new(), BACK_BYTES);
    loop {
        let start = len.saturating_sub(back);
        file.seek(SeekFrom::Start(start))?;
        last.clear();
        file.read_to_end(&mut last)?;
        let body = &last[..last.len().saturating_sub(1)];
        if let Some(end) = body.iter().rposition(|byte| *byte == b'\n') {
            return Ok((first, last.split_off(end + 1)));
        }
        if start == 0 {
            return Ok((first, last));
        }
        back *= 2;
    }
}
