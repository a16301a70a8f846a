//! Finding a CSV quote that is never closed, which the `csv` crate takes for a cell that goes on to
//! the end of the file.

use std::io::{self, Read};

/// Where a byte stands, by the rules that the `csv` crate reads by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    CellStart,
    Plain,
    Quoted,
    /// Behind a quote inside of quotes: the end of the quotes, or half of a quote that is doubled.
    QuoteInQuotes,
}

/// A quote that opens a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote {
    /// Its line, from 1.
    pub line: u64,
    /// Its place in the file, bytes.
    pub at: u64,
}

/// Passes bytes on and watches the quotes in them.
pub(super) struct QuoteWatch<R> {
    source: R,
    state: State,
    opened: Quote,
    line: u64,
    at: u64,
    ended: bool,
}

impl<R: Read> QuoteWatch<R> {
    pub(super) fn new(source: R) -> Self {
        let opened = Quote { line: 0, at: 0 };
        Self { source, state: State::CellStart, opened, line: 1, at: 0, ended: false }
    }

    /// The quote that is still open at the end of the source; none before the end has been read.
    pub(super) fn unclosed(&self) -> Option<Quote> {
        (self.ended && self.state == State::Quoted).then_some(self.opened)
    }

    fn watch(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::CellStart, b'"') => {
                self.opened = Quote { line: self.line, at: self.at };
                State::Quoted
            }
            (State::QuoteInQuotes, b'"') => State::Quoted,
            (State::Quoted, b'"') => State::QuoteInQuotes,
            (State::Quoted, _) => State::Quoted,
            (_, b',' | b'\n' | b'\r') => State::CellStart,
            // A byte-order mark stands before the first cell.
            (State::CellStart, 0xef | 0xbb | 0xbf) if self.at < 3 => State::CellStart,
            _ => State::Plain,
        };
        self.line += u64::from(byte == b'\n');
        self.at += 1;
    }
}

impl<R: Read> Read for QuoteWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.ended = read == 0 && !buffer.is_empty();
        buffer[..read].iter().for_each(|byte| self.watch(*byte));
        Ok(read)
    }
}
