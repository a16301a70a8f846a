//! Lines of bytes, and records that are plain lines.

use std::io::{BufRead, Read as _};

use super::{BadLine, Row, RowReader};

/// Longest line that is read; a longer one is no line but another kind of file.
const LINE_BYTES_MAX: u64 = 32 << 20;

/// Lines of a file with their numbers: `\n` and `\r\n` end them, a byte-order mark is left out.
pub(super) struct Lines {
    source: Box<dyn BufRead>,
    buffer: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(super) fn new(source: Box<dyn BufRead>) -> Self {
        Self { source, buffer: Vec::new(), number: 0 }
    }

    /// The number of the line that was read last, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next line, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, BadLine> {
        self.buffer.clear();
        self.number += 1;
        let mut limited = (&mut self.source).take(LINE_BYTES_MAX + 1);
        let read = limited.read_until(b'\n', &mut self.buffer).map_err(|error| BadLine {
            fatal: true,
            ..BadLine::new("E-INPUT-READ", self.number, 0, format!("cannot be read: {error}"))
        })?;
        if read == 0 {
            return Ok(None);
        }
        if read as u64 > LINE_BYTES_MAX {
            let text = format!("is longer than {LINE_BYTES_MAX} bytes: this is no file of lines");
            let bad = BadLine::new("E-INPUT-LINE", self.number, 0, text);
            return Err(BadLine { fatal: true, ..bad });
        }
        let mut line = self.buffer.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        Ok(Some(line))
    }
}

/// Records that are plain lines: the line is the value, there is no key.
pub(super) struct PlainReader(Lines);

impl PlainReader {
    pub(super) fn new(source: Box<dyn BufRead>) -> Self {
        Self(Lines::new(source))
    }
}

impl RowReader for PlainReader {
    fn read(&mut self, row: &mut Row) -> Result<bool, BadLine> {
        row.clear();
        let Some(line) = self.0.next()? else { return Ok(false) };
        row.value_mut().extend_from_slice(line);
        row.line = self.0.number();
        Ok(true)
    }
}
