//! A slice: the records of one guest call, as ranges of fetched batches.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use pelton_batch::{Batch, FormatError, Records, RecordsBuilder};
use pelton_core::{Declaration, Fetch};

use crate::event_time::Incoming;
use crate::scratch::Scratch;

/// Consecutive records of one fetched batch.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) input: usize,
    pub(crate) fetch: Arc<Incoming>,
    pub(crate) rows: Range<usize>,
}

impl Piece {
    /// The records of the whole fetched batch.
    pub(crate) fn records(&self) -> Result<Records<'_>, FormatError> {
        Batch::parse(&self.fetch.batch)?.records()
    }

    /// The offset to go on from behind this piece.
    pub(crate) fn next(&self) -> u64 {
        if self.rows.end == self.fetch.rows {
            self.fetch.next
        } else {
            self.fetch.offsets.get(self.rows.end)
        }
    }
}

/// The records of one guest call, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slice {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) rows: usize,
}

impl Slice {
    pub(crate) fn push(&mut self, piece: Piece) {
        self.rows += piece.rows.len();
        self.pieces.push(piece);
    }

    /// Keeps the first `rows` records.
    pub(crate) fn truncate(&mut self, rows: usize) {
        let mut left = rows;
        for piece in &mut self.pieces {
            let keep = piece.rows.len().min(left);
            piece.rows.end = piece.rows.start + keep;
            left -= keep;
        }
        self.pieces.retain(|piece| !piece.rows.is_empty());
        self.rows = rows.min(self.rows);
    }

    /// Lets go of the first `rows` records.
    pub(crate) fn skip(&mut self, rows: usize) {
        let mut left = rows.min(self.rows);
        self.rows -= left;
        for piece in &mut self.pieces {
            let gone = piece.rows.len().min(left);
            piece.rows.start += gone;
            left -= gone;
        }
        self.pieces.retain(|piece| !piece.rows.is_empty());
    }

    /// The fetched batch that the slice is all of, where it is.
    pub(crate) fn whole(&self) -> Option<&Fetch> {
        match &self.pieces[..] {
            [only] if only.rows == (0..only.fetch.rows) => Some(&only.fetch),
            _ => None,
        }
    }

    /// The piece that `row` of the slice is in, and its row in the fetched batch.
    pub(crate) fn locate(&self, row: usize) -> Option<(&Piece, usize)> {
        let mut left = row;
        for piece in &self.pieces {
            if left < piece.rows.len() {
                return Some((piece, piece.rows.start + left));
            }
            left -= piece.rows.len();
        }
        None
    }

    /// Why `row` does not say when it happened, where it does not.
    pub(crate) fn untimed(&self, row: usize) -> Option<&str> {
        let (piece, at) = self.locate(row)?;
        piece.fetch.untimed(at)
    }

    /// The timestamp of `row`, ms.
    pub(crate) fn timestamp(&self, row: usize) -> Option<i64> {
        let (piece, at) = self.locate(row)?;
        Some(piece.records().ok()?.timestamp(at))
    }

    /// The slice as one batch of kind `Records`: the fetched bytes themselves where they are all of
    /// it and nothing beside them is wanted.
    pub(crate) fn to_batch(
        &self,
        declared: &Declaration,
        scratch: &mut Scratch,
    ) -> Result<Bytes, FormatError> {
        let plain = !declared.wants_offsets && !declared.wants_inputs;
        if let Some(fetch) = self.whole().filter(|_| plain) {
            return Ok(fetch.batch.clone());
        }
        let mut buffer = scratch.buffer();
        scratch.records.clear();
        self.copy_into(&mut scratch.records, declared)?;
        scratch.records.finish_into(&mut buffer);
        Ok(Bytes::from(buffer))
    }

    /// Appends the records to `builder`, with the columns that the function wants.
    pub(crate) fn copy_into(
        &self,
        builder: &mut RecordsBuilder,
        declared: &Declaration,
    ) -> Result<(), FormatError> {
        for piece in &self.pieces {
            let records = piece.records()?;
            if !declared.wants_offsets && !declared.wants_inputs {
                builder.extend_from(&records, piece.rows.clone());
                continue;
            }
            for row in piece.rows.clone() {
                builder.push_from(&records, row);
                builder.meta(piece.fetch.offsets.get(row) as i64, piece.fetch.input);
            }
        }
        Ok(())
    }

    /// Calls `each` with the slice's row number, the records of its fetched batch, and its row in
    /// them.
    pub(crate) fn for_each<'a>(
        &'a self,
        mut each: impl FnMut(usize, &Piece, &Records<'a>, usize),
    ) -> Result<(), FormatError> {
        let mut row = 0;
        for piece in &self.pieces {
            let records = piece.records()?;
            for at in piece.rows.clone() {
                each(row, piece, &records, at);
                row += 1;
            }
        }
        Ok(())
    }
}
