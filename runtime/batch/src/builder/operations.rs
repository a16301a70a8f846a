//! Building lists of operations.

use alloc::vec::Vec;

use super::columns::{FixedBuilder, HeadersBuilder, VarBuilder, truncate_bits};
use crate::layout::{self, Kind, tag};
use crate::operations::{OpKind, Operation};
use crate::records::HeaderIter;

/// Builds a list of operations. Columns that no operation uses are not written: a list of forwards
/// to output 0 is the header and one u32 an operation.
#[derive(Debug, Clone)]
pub struct OperationsBuilder {
    rows: usize,
    kinds: FixedBuilder<u8>,
    causes: FixedBuilder<u32>,
    targets: FixedBuilder<u16>,
    keys: VarBuilder,
    values: VarBuilder,
    timestamps: FixedBuilder<i64>,
    timestamps_valid: Vec<u8>,
    partitions: FixedBuilder<i32>,
    ttls: FixedBuilder<i64>,
    schemas: FixedBuilder<u32>,
    headers: HeadersBuilder,
}

impl Default for OperationsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl OperationsBuilder {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: 0,
            kinds: FixedBuilder::<u8>::new(OpKind::Forward as u8),
            causes: FixedBuilder::<u32>::new(0),
            targets: FixedBuilder::<u16>::new(0),
            keys: VarBuilder::default(),
            values: VarBuilder::default(),
            timestamps: FixedBuilder::<i64>::new(0),
            timestamps_valid: Vec::new(),
            partitions: FixedBuilder::<i32>::new(-1),
            ttls: FixedBuilder::<i64>::new(0),
            schemas: FixedBuilder::<u32>::new(0),
            headers: HeadersBuilder::default(),
        }
    }

    /// Number of operations so far.
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

    /// Sends the input record `cause` unchanged to output `target`.
    #[inline]
    pub fn forward(&mut self, cause: u32, target: u16) {
        self.kinds.set(self.rows, OpKind::Forward as u8);
        self.causes.push(self.rows, cause);
        self.targets.set(self.rows, target);
        self.rows += 1;
    }

    /// Adds an operation; `row` of `operation` is not used.
    #[inline]
    pub fn push(&mut self, operation: &Operation<'_>) -> &mut Self {
        let row = self.rows;
        self.kinds.set(row, operation.kind as u8);
        self.causes.push(row, operation.cause);
        self.targets.set(row, operation.target);
        self.keys.set(row, operation.key);
        self.values.set(row, operation.value);
        if let Some(timestamp) = operation.timestamp {
            self.timestamps.push(row, timestamp);
            self.timestamps_valid.resize(row / 8 + 1, 0);
            self.timestamps_valid[row / 8] |= 1 << (row % 8);
        }
        let partition = operation.partition.and_then(|p| i32::try_from(p).ok()).unwrap_or(-1);
        self.partitions.set(row, partition);
        self.ttls.set(row, operation.ttl);
        self.schemas.set(row, operation.schema);
        self.rows += 1;
        self
    }

    /// Adds a header to the operation that was pushed last; where there is none, does nothing.
    pub fn header(&mut self, name: &str, value: Option<&[u8]>) -> &mut Self {
        if let Some(row) = self.rows.checked_sub(1) {
            self.headers.push(row, name, value);
        }
        self
    }

    /// Adds headers to the operation that was pushed last.
    pub fn headers(&mut self, headers: HeaderIter<'_>) -> &mut Self {
        for header in headers {
            self.header(header.name, header.value);
        }
        self
    }

    /// Lays the list out as a batch, and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.finish_into(&mut out);
        out
    }

    /// Lays the list out behind what is in `out`, whose length must be a multiple of eight, and
    /// empties the builder.
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        let rows = self.rows;
        let mut columns = Vec::with_capacity(16);
        if rows == 0 {
            columns.push(layout::Column { tag: tag::CAUSE, width: 4, bytes: &[] });
        }
        columns.extend(self.kinds.column(tag::OP_KIND, rows));
        columns.extend(self.causes.column(tag::CAUSE, rows));
        columns.extend(self.targets.column(tag::TARGET, rows));
        columns.extend(self.keys.columns(tag::KEY, rows));
        columns.extend(self.values.columns(tag::VALUE, rows));
        if !self.timestamps_valid.is_empty() {
            self.timestamps_valid.resize(rows.div_ceil(8), 0);
            let bytes = &self.timestamps_valid[..];
            columns.push(layout::Column { tag: tag::TIMESTAMP_VALID, width: 0, bytes });
        }
        columns.extend(self.timestamps.column(tag::TIMESTAMP, rows));
        columns.extend(self.partitions.column(tag::PARTITION, rows));
        columns.extend(self.ttls.column(tag::TTL, rows));
        columns.extend(self.schemas.column(tag::SCHEMA, rows));
        columns.extend(self.headers.columns(rows));
        layout::write(Kind::Operations, super::rows_u32(rows), &columns, out);
        self.clear();
    }

    /// Takes the operations from `row` on back.
    pub fn truncate(&mut self, row: usize) {
        if row == 0 {
            return self.clear();
        }
        if row >= self.rows {
            return;
        }
        self.rows = row;
        self.kinds.truncate(row);
        self.causes.truncate(row);
        self.targets.truncate(row);
        self.keys.truncate(row);
        self.values.truncate(row);
        self.timestamps.truncate(row);
        truncate_bits(&mut self.timestamps_valid, row);
        self.partitions.truncate(row);
        self.ttls.truncate(row);
        self.schemas.truncate(row);
        self.headers.truncate(row);
    }

    /// Forgets all operations and keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.kinds.clear();
        self.causes.clear();
        self.targets.clear();
        self.keys.clear();
        self.values.clear();
        self.timestamps.clear();
        self.timestamps_valid.clear();
        self.partitions.clear();
        self.ttls.clear();
        self.schemas.clear();
        self.headers.clear();
    }
}
