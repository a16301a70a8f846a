//! Building batches of records.

use alloc::vec::Vec;
use core::ops::Range;

use super::columns::{FixedBuilder, HeadersBuilder, VarBuilder};
use crate::layout::{self, Kind, tag};
use crate::operations::Operations;
use crate::records::Records;

/// Columns that are written only where a reader wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// Each record's offset.
    pub offsets: bool,
    /// Each record's input index.
    pub inputs: bool,
}

/// Builds a batch of records. It can be reused: [`RecordsBuilder::finish`] leaves it empty and
/// keeps its memory.
#[derive(Debug, Clone)]
pub struct RecordsBuilder {
    pub(super) rows: usize,
    keys: VarBuilder,
    values: VarBuilder,
    timestamps: FixedBuilder<i64>,
    offsets: FixedBuilder<i64>,
    inputs: FixedBuilder<u16>,
    headers: HeadersBuilder,
}

impl Default for RecordsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl RecordsBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: 0,
            keys: VarBuilder::default(),
            values: VarBuilder::default(),
            timestamps: FixedBuilder::<i64>::new(0),
            offsets: FixedBuilder::<i64>::new(0),
            inputs: FixedBuilder::<u16>::new(0),
            headers: HeadersBuilder::default(),
        }
    }

    /// Number of records so far.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes of keys, values and headers so far.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.keys.bytes_len() + self.values.bytes_len() + self.headers.bytes_len()
    }

    /// Adds a record. Its headers and meta columns follow by [`Self::header`] and [`Self::meta`].
    #[inline]
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) -> &mut Self {
        self.keys.set(self.rows, key);
        self.values.set(self.rows, value);
        self.timestamps.set(self.rows, timestamp);
        self.rows += 1;
        self
    }

    /// Adds a header to the record that was pushed last; where there is none, does nothing.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) -> &mut Self {
        if let Some(row) = self.rows.checked_sub(1) {
            self.headers.push(row, name, value);
        }
        self
    }

    /// Sets offset and input of the record that was pushed last; where there is none, does nothing.
    pub fn meta(&mut self, offset: i64, input: u16) -> &mut Self {
        if let Some(row) = self.rows.checked_sub(1) {
            self.offsets.push(row, offset);
            self.inputs.set(row, input);
        }
        self
    }

    /// Adds the record at `row` of `source`, headers included, meta columns not.
    #[inline]
    pub fn push_from(&mut self, source: &Records<'_>, row: usize) -> &mut Self {
        self.push(source.key(row), source.value(row), source.timestamp(row));
        if source.headers.is_some() {
            for header in source.headers(row) {
                self.headers.push(self.rows - 1, header.name, header.value);
            }
        }
        self
    }

    /// Adds the records `range` of `source`, column by column; meta columns are not copied. What
    /// of the range is behind the last record is left out. `source` must have been validated: the
    /// ends of a batch that was not are copied as they are.
    pub fn extend_from(&mut self, source: &Records<'_>, range: Range<usize>) {
        let range = range.start..range.end.min(source.len());
        if source.headers.is_some() || range.len() < 4 {
            for row in range {
                self.push_from(source, row);
            }
            return;
        }
        if let Some(keys) = &source.keys {
            self.keys.extend(self.rows, keys, range.clone());
        }
        if let Some(values) = &source.values {
            self.values.extend(self.rows, values, range.clone());
        }
        if let Some(timestamps) = &source.timestamps {
            self.timestamps.extend(self.rows, timestamps.bytes_of(range.clone()));
        }
        self.rows += range.len();
    }

    /// Gives all records other timestamps, ms since the Unix epoch: one for each, in order.
    pub fn retime(&mut self, timestamps: impl IntoIterator<Item = i64>) {
        self.timestamps.clear();
        for (row, timestamp) in timestamps.into_iter().take(self.rows).enumerate() {
            self.timestamps.set(row, timestamp);
        }
    }

    /// Adds the records that the operations `range` emit, headers not, with the timestamps that
    /// `timestamp` gives for their rows: keys and values column by column. The list must have been
    /// validated, and `range` lie in it.
    pub fn extend_emitted(
        &mut self,
        operations: &Operations<'_>,
        range: Range<usize>,
        mut timestamp: impl FnMut(usize) -> i64,
    ) {
        if let Some(keys) = &operations.keys {
            self.keys.extend(self.rows, keys, range.clone());
        }
        if let Some(values) = &operations.values {
            self.values.extend(self.rows, values, range.clone());
        }
        for row in range {
            self.timestamps.set(self.rows, timestamp(row));
            self.rows += 1;
        }
    }

    /// Lays the records out as a batch of kind `Records` behind what is in `out`, whose length must
    /// be a multiple of eight, and empties the builder.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        self.finish_kind(Kind::Records, &[], out);
    }

    /// Lays the records out as a batch of their own, and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_into(&mut out);
        out
    }

    /// As [`Self::finish`], with the timestamps even where all of them are 0: where a server is sent a
    /// batch without the column, its records have no time yet.
    #[must_use]
    pub fn finish_dated(&mut self) -> Vec<u8> {
        self.timestamps.extend(self.rows, &[]);
        self.finish()
    }

    /// Lays the rows out as a batch of another kind: the keys of a multi-get, values, entries.
    #[must_use]
    pub fn finish_as(&mut self, kind: Kind) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_kind(kind, &[], &mut out);
        out
    }

    pub(super) fn finish_kind(
        &mut self,
        kind: Kind,
        more: &[layout::Column<'_>],
        out: &mut Vec<u8>,
    ) {
        let rows = self.rows;
        let mut columns = Vec::with_capacity(12 + more.len());
        columns.extend(self.keys.columns(tag::KEY, rows));
        columns.extend(self.values.columns(tag::VALUE, rows));
        columns.extend(self.timestamps.column(tag::TIMESTAMP, rows));
        columns.extend(self.offsets.column(tag::OFFSET, rows));
        columns.extend(self.inputs.column(tag::INPUT, rows));
        columns.extend(self.headers.columns(rows));
        columns.extend_from_slice(more);
        layout::write(kind, super::rows_u32(rows), &columns, out);
        self.clear();
    }

    /// Forgets all records and keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.keys.clear();
        self.values.clear();
        self.timestamps.clear();
        self.offsets.clear();
        self.inputs.clear();
        self.headers.clear();
    }
}
