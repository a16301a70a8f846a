//! What the `csv` crate does not tell: a quote that is never closed, which it takes for a cell that
//! goes on to the end of the file, and the line that a row begins in where there are empty lines.

use std::collections::VecDeque;
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

/// Passes bytes on and watches quotes and rows in them.
pub(super) struct QuoteWatch<R> {
    source: R,
    state: State,
    opened: Quote,
    line: u64,
    at: u64,
    ended: bool,
    /// The next byte may begin a row.
    between_rows: bool,
    /// The lines of the rows that have begun, those left out that have been taken.
    rows: VecDeque<u64>,
}

impl<R: Read> QuoteWatch<R> {
    pub(super) fn new(source: R) -> Self {
        let opened = Quote { line: 0, at: 0 };
        let (state, rows) = (State::CellStart, VecDeque::new());
        Self { source, state, opened, line: 1, at: 0, ended: false, between_rows: true, rows }
    }

    /// Takes the line of the next row, from 1: of the header row first. To be called for each row
    /// that has been read.
    pub(super) fn next_row(&mut self) -> u64 {
        self.rows.pop_front().unwrap_or(self.line)
    }

    /// The quote that is still open at the end of the source; none before the end has been read.
    pub(super) fn unclosed(&self) -> Option<Quote> {
        (self.ended && self.state == State::Quoted).then_some(self.opened)
    }

    fn watch(&mut self, byte: u8) {
        let is_mark = self.at < 3 && matches!(byte, 0xef | 0xbb | 0xbf);
        let is_end = matches!(byte, b'\n' | b'\r') && self.state != State::Quoted;
        if self.between_rows && !is_end && !is_mark {
            self.rows.push_back(self.line);
        }
        self.between_rows = is_end || self.between_rows && is_mark;
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
            (State::CellStart, _) if is_mark => State::CellStart,
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
