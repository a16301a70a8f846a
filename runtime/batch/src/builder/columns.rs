//! Growing columns. A column that no row has used yet holds nothing; rows that a column has not
//! been given are filled with its default (null, or a fixed value) when it is next written.

use alloc::vec::Vec;
use core::ops::Range;

use crate::column::{BytesColumn, Scalar};
use crate::layout::Column;

/// A growing column of fixed-size elements, written only where it differs from its default.
#[derive(Debug, Clone)]
pub struct FixedBuilder<T> {
    bytes: Vec<u8>,
    default: T,
}

macro_rules! fixed_builder {
    ($($t:ty),*) => {$(
        impl FixedBuilder<$t> {
            /// An empty column whose missing elements are `default`.
            #[must_use]
            pub fn new(default: $t) -> Self {
                Self { bytes: Vec::new(), default }
            }

            /// Sets the element of `row`, which must not be before the last row that was set.
            /// Setting the last row again replaces it.
            #[inline]
            pub fn set(&mut self, row: usize, element: $t) {
                if self.bytes.is_empty() && element == self.default {
                    return;
                }
                self.pad(row);
                self.bytes.extend_from_slice(&element.to_le_bytes());
            }

            /// Sets the element of `row` and keeps the column even if it is all default.
            #[inline]
            pub fn push(&mut self, row: usize, element: $t) {
                self.pad(row);
                self.bytes.extend_from_slice(&element.to_le_bytes());
            }

            #[inline]
            fn pad(&mut self, row: usize) {
                let end = row * <$t as Scalar>::WIDTH;
                while self.bytes.len() < end {
                    self.bytes.extend_from_slice(&self.default.to_le_bytes());
                }
                self.bytes.truncate(end);
            }

            /// Appends elements given as little-endian bytes, as the rows from `row` on.
            pub fn extend(&mut self, row: usize, bytes: &[u8]) {
                self.pad(row);
                self.bytes.extend_from_slice(bytes);
            }

            /// The column with `rows` elements; `None` where every element is the default.
            pub fn column(&mut self, tag: u32, rows: usize) -> Option<Column<'_>> {
                if self.bytes.is_empty() {
                    return None;
                }
                self.pad(rows);
                Some(Column { tag, width: <$t as Scalar>::WIDTH as u32, bytes: &self.bytes })
            }

            /// Takes the elements from `row` on back.
            pub fn truncate(&mut self, row: usize) {
                self.bytes.truncate(row * <$t as Scalar>::WIDTH);
            }

            /// Forgets all elements and keeps the memory.
            pub fn clear(&mut self) {
                self.bytes.clear();
            }
        }
    )*};
}
fixed_builder!(u8, u16, u32, i32, i64);

/// A growing column of byte strings that may be null.
#[derive(Debug, Clone, Default)]
pub struct VarBuilder {
    ends: Vec<u8>,
    bytes: Vec<u8>,
    valid: Vec<u8>,
    rows: usize,
}

impl VarBuilder {
    /// Bytes of all elements so far.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    /// Sets the element of `row`, which must be behind the last row that was set. Rows in between
    /// become null. A null in a column without elements costs nothing.
    #[inline]
    pub fn set(&mut self, row: usize, element: Option<&[u8]>) {
        debug_assert!(self.rows <= row, "row {row} is set already");
        match element {
            Some(bytes) => {
                if self.rows < row {
                    self.pad(row);
                }
                self.bytes.extend_from_slice(bytes);
                self.end_row(true);
            }
            None if self.ends.is_empty() => {}
            None => self.pad(row + 1),
        }
    }

    #[inline]
    fn end_row(&mut self, valid: bool) {
        if self.ends.is_empty() {
            self.ends.extend_from_slice(&[0; 4]);
        }
        self.ends.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        if !valid && self.valid.is_empty() {
            self.fill_valid(self.rows);
        }
        if !valid || !self.valid.is_empty() {
            self.push_bit(valid);
        }
        self.rows += 1;
    }

    fn fill_valid(&mut self, rows: usize) {
        self.valid.resize(rows / 8, 0xff);
        if !rows.is_multiple_of(8) {
            self.valid.push((1 << (rows % 8)) - 1);
        }
    }

    #[inline]
    fn push_bit(&mut self, bit: bool) {
        if self.rows.is_multiple_of(8) {
            self.valid.push(0);
        }
        if let Some(last) = self.valid.last_mut() {
            *last |= u8::from(bit) << (self.rows % 8);
        }
    }

    fn pad(&mut self, rows: usize) {
        while self.rows < rows {
            self.end_row(false);
        }
    }

    /// Appends the elements `range` of `source`, which must have been validated, as the rows from
    /// `row` on: one copy of their bytes where neither side has nulls.
    pub fn extend(&mut self, row: usize, source: &BytesColumn<'_>, range: Range<usize>) {
        if source.valid.is_some() || !self.valid.is_empty() || self.rows < row {
            for (row, at) in (row..).zip(range) {
                self.set(row, source.get(at));
            }
            return;
        }
        debug_assert!(self.rows == row, "row {row} is set already");
        if range.is_empty() {
            return;
        }
        let moved = (self.bytes.len() as u32).wrapping_sub(source.ends.get(range.start));
        self.bytes.extend_from_slice(source.bytes_of(range.clone()));
        if self.ends.is_empty() {
            self.ends.extend_from_slice(&[0; 4]);
        }
        let old = source.ends.bytes_of(range.start + 1..range.end + 1);
        let at = self.ends.len();
        self.ends.resize(at + old.len(), 0);
        for (new, old) in self.ends[at..].chunks_exact_mut(4).zip(old.chunks_exact(4)) {
            let end = u32::read(old).unwrap_or_default().wrapping_add(moved);
            new.copy_from_slice(&end.to_le_bytes());
        }
        self.rows += old.len() / 4;
    }

    /// The columns with `rows` elements, ends first; none where every element is null.
    pub fn columns(&mut self, tag: u32, rows: usize) -> impl Iterator<Item = Column<'_>> {
        let used = !self.ends.is_empty();
        if used {
            self.pad(rows);
        }
        let ends = used.then_some(Column { tag, width: 4, bytes: &self.ends });
        let bytes = used.then_some(Column { tag: tag + 1, width: 1, bytes: &self.bytes });
        let nulls = used && !self.valid.is_empty();
        let valid = nulls.then_some(Column { tag: tag + 2, width: 0, bytes: &self.valid });
        [ends, bytes, valid].into_iter().flatten()
    }

    /// Forgets all elements and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
        self.valid.clear();
        self.rows = 0;
    }
}

/// Growing header columns.
#[derive(Debug, Clone, Default)]
pub struct HeadersBuilder {
    ends: Vec<u8>,
    names: VarBuilder,
    values: VarBuilder,
    count: usize,
}

impl HeadersBuilder {
    /// Adds a header to `row`, which must not be before the last row that got one.
    pub fn push(&mut self, row: usize, name: &str, value: Option<&[u8]>) {
        self.pad(row);
        self.names.set(self.count, Some(name.as_bytes()));
        if value.is_none() && self.count == 0 {
            // A column of nulls only must still be there, so it does not start lazily.
            self.values.end_row(false);
        } else {
            self.values.set(self.count, value);
        }
        self.count += 1;
    }

    /// Ends of all rows before `row` that have none yet.
    fn pad(&mut self, row: usize) {
        while self.ends.len() < (row + 1) * 4 {
            self.ends.extend_from_slice(&(self.count as u32).to_le_bytes());
        }
    }

    /// Bytes of all names and values so far.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.names.bytes_len() + self.values.bytes_len()
    }

    /// The columns for `rows` rows; none where no row has a header.
    pub fn columns(&mut self, rows: usize) -> impl Iterator<Item = Column<'_>> {
        use crate::layout::tag;
        if self.count > 0 {
            self.pad(rows);
        }
        let count = self.count;
        let ends = Column { tag: tag::HEADER_ENDS, width: 4, bytes: &self.ends };
        let ends = (count > 0).then_some(ends);
        let names = self.names.columns(tag::HEADER_NAME, count);
        ends.into_iter().chain(names).chain(self.values.columns(tag::HEADER_VALUE, count))
    }

    /// Forgets all headers and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.names.clear();
        self.values.clear();
        self.count = 0;
    }
}

impl VarBuilder {
    /// Takes the elements from `row` on back.
    pub fn truncate(&mut self, row: usize) {
        if row >= self.rows {
            return;
        }
        if row == 0 {
            return self.clear();
        }
        let end = self.ends.get(row * 4..).and_then(u32::read);
        self.bytes.truncate(end.unwrap_or_default() as usize);
        self.ends.truncate((row + 1) * 4);
        truncate_bits(&mut self.valid, row);
        self.rows = row;
    }
}

impl HeadersBuilder {
    /// Takes the headers of the rows from `row` on back.
    pub fn truncate(&mut self, row: usize) {
        let Some(count) = self.ends.get(row * 4..).and_then(u32::read) else {
            return;
        };
        self.count = count as usize;
        self.ends.truncate(row * 4);
        self.names.truncate(self.count);
        self.values.truncate(self.count);
    }
}

/// Drops the bits from `row` on; those behind the last one stay zero.
pub(super) fn truncate_bits(bits: &mut Vec<u8>, row: usize) {
    bits.truncate(row.div_ceil(8));
    if bits.len() * 8 > row
        && let Some(last) = bits.last_mut()
    {
        *last &= (1 << (row % 8)) - 1;
    }
}
