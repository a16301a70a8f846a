//! Bytes of standard output and error, put together to log lines.

use std::borrow::Cow;

use pelton_core::LogLevel;

/// A stream that the guest writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Logged as information.
    Stdout,
    /// Logged as a warning: panics come here, and so do the logs of many libraries.
    Stderr,
}

impl Output {
    /// The number of its handles.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    /// The stream with this number. Handles come from this host only.
    pub(super) fn of_number(number: u32) -> Self {
        if number == Self::Stderr.number() { Self::Stderr } else { Self::Stdout }
    }

    /// The level of its lines.
    pub(crate) fn level(self) -> LogLevel {
        match self {
            Self::Stdout => LogLevel::Info,
            Self::Stderr => LogLevel::Warn,
        }
    }
}

/// The line that is being written. One longer than the limit goes on in another.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    bytes: Vec<u8>,
}

impl LineBuffer {
    /// Takes bytes and gives `emit` each line that they complete; `most` is the longest line, bytes.
    pub(super) fn write<E>(
        &mut self,
        bytes: &[u8],
        most: usize,
        mut emit: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            self.bytes.extend_from_slice(text);
            let mut done = 0;
            while self.bytes.len() - done > most {
                let rest = &self.bytes[done..];
                let end = boundary(rest, most);
                emit(&String::from_utf8_lossy(&rest[..end]))?;
                done += end;
            }
            self.bytes.drain(..done);
            if ends {
                let line = std::mem::take(&mut self.bytes);
                emit(line_text(&line).as_ref())?;
            }
        }
        Ok(())
    }

    /// The line that has no end yet, if it has a beginning.
    pub(super) fn take(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.bytes);
        (!line.is_empty()).then(|| line_text(&line).into_owned())
    }
}

/// Without the carriage return of Windows' line ends.
fn line_text(line: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Where to cut at `most` or up to three bytes before, so that no character is cut.
fn boundary(bytes: &[u8], most: usize) -> usize {
    let starts = |at: &usize| bytes[*at] & 0xc0 != 0x80;
    (most.saturating_sub(3).max(1)..=most).rev().find(starts).unwrap_or(most.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]], most: usize) -> (Vec<String>, Option<String>) {
        let (mut buffer, mut out) = (LineBuffer::default(), Vec::new());
        for piece in pieces {
            let emit = |line: &str| -> Result<(), ()> {
                out.push(line.into());
                Ok(())
            };
            buffer.write(piece, most, emit).unwrap();
        }
        (out, buffer.take())
    }

    #[test]
    fn lines_are_put_together_whatever_the_writes() {
        let (out, rest) = lines(&[b"a", b"b\nc\r\n\nd", b"e"], 100);
        assert_eq!(out, ["ab", "c", ""]);
        assert_eq!(rest.as_deref(), Some("de"));
    }

    #[test]
    fn a_line_is_whole_at_the_limit_and_goes_on_in_another_one_byte_past_it() {
        assert_eq!(lines(&[b"12345\n"], 5).0, ["12345"]);
        assert_eq!(lines(&[b"123456\n"], 5).0, ["12345", "6"]);
        assert_eq!(lines(&[&[b'x'; 1_000]], 5).0.len(), 199);
    }

    #[test]
    fn a_cut_goes_between_characters_and_bytes_that_are_none_do_no_harm() {
        assert_eq!(lines(&["aaaéé\n".as_bytes()], 4).0, ["aaa", "éé"]);
        assert_eq!(lines(&["🦀🦀\n".as_bytes()], 1).0.concat().chars().count(), 8);
        assert_eq!(lines(&[b"\xff\x80\x80\x80\x80\x80\n"], 2).0.len(), 3);
    }
}
