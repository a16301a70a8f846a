//! The structure of a batch: header and column directory.

use crate::column::{Bits, BytesColumn, Fixed, Headers, Scalar, first_bad_end};
use crate::error::{FormatError, Versions};
use crate::layout::{self, ENTRY_BYTES, HEADER_BYTES, Kind, SKIPPABLE, Shape, tag};
use crate::{
    groups::Groups, migrate::StoredValues, operations::Operations, records::Records, timers::Timers,
};

/// A batch whose header and directory have been checked: every column lies inside the bytes and
/// has as many elements as there are rows. What the columns hold is checked by [`Batch::validate`].
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    bytes: &'a [u8],
    version: u16,
    kind: Kind,
    rows: u32,
    columns: u32,
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(u32::read).unwrap_or_default()
}

impl<'a> Batch<'a> {
    /// Reads the structure of `bytes`, in time proportional to the number of columns.
    ///
    /// # Errors
    /// [`FormatError`] names what is wrong; no input panics.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let have = bytes.len();
        if have < HEADER_BYTES {
            return Err(FormatError::Truncated { have, need: HEADER_BYTES });
        }
        if number(bytes, 0) != layout::MAGIC {
            return Err(FormatError::Magic(number(bytes, 0)));
        }
        let version = number(bytes, 4) as u16;
        if version == 0 {
            return Err(FormatError::Version(version));
        }
        let versions = Versions { writer: version, reader: layout::VERSION };
        let kind = (number(bytes, 4) >> 16) as u16;
        let kind = Kind::from_u16(kind).ok_or(FormatError::Kind { number: kind, versions })?;
        let (rows, columns) = (number(bytes, 8), number(bytes, 12));
        let batch = Self { bytes, version, kind, rows, columns };
        if batch.columns > layout::COLUMNS_MAX {
            return Err(FormatError::TooManyColumns(batch.columns));
        }
        let need = batch.directory_end();
        if have < need {
            return Err(FormatError::Truncated { have, need });
        }
        for entry in 0..batch.columns as usize {
            batch.check_entry(entry)?;
        }
        Ok(batch)
    }

    fn directory_end(&self) -> usize {
        HEADER_BYTES + self.columns as usize * ENTRY_BYTES
    }

    /// Tag without the skippable bit, whether it may be skipped, width, offset, length.
    fn entry(&self, index: usize) -> (u32, bool, u32, usize, usize) {
        let at = HEADER_BYTES + index * ENTRY_BYTES;
        let tag = number(self.bytes, at);
        let offset = number(self.bytes, at + 8) as usize;
        let length = number(self.bytes, at + 12) as usize;
        (tag & !SKIPPABLE, tag & SKIPPABLE != 0, number(self.bytes, at + 4), offset, length)
    }

    fn check_entry(&self, index: usize) -> Result<(), FormatError> {
        let (tag, skippable, width, offset, length) = self.entry(index);
        let inside = offset >= self.directory_end()
            && offset.is_multiple_of(layout::ALIGN)
            && offset.checked_add(length).is_some_and(|end| end <= self.bytes.len());
        if !inside {
            return Err(FormatError::Placement(tag));
        }
        let Some(shape) = layout::shape(tag) else {
            let versions = self.versions();
            return if skippable {
                Ok(())
            } else {
                Err(FormatError::UnknownColumn { tag, versions })
            };
        };
        if (0..index).any(|earlier| self.entry(earlier).0 == tag) {
            return Err(FormatError::DuplicateColumn(tag));
        }
        if width != shape.width() {
            return Err(FormatError::Width { tag, found: width });
        }
        let rows = self.rows as usize;
        let expected = match shape {
            Shape::PerRow(width) => rows.saturating_mul(width as usize),
            Shape::Ends => rows.saturating_add(1).saturating_mul(4),
            Shape::Bits => rows.div_ceil(8),
            Shape::Bytes => length,
            Shape::Free(width) => length - length % width.max(1) as usize,
        };
        if length != expected {
            return Err(FormatError::Length { tag, found: length, expected });
        }
        Ok(())
    }

    /// The version of the layout that the writer implements. It may be newer than
    /// [`layout::VERSION`]: what a reader does not know announces itself by tag, kind or operation.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u16 {
        self.version
    }

    pub(crate) fn versions(&self) -> Versions {
        Versions { writer: self.version, reader: layout::VERSION }
    }

    /// The batch's kind.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Number of rows.
    #[must_use]
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// The bytes of the whole batch.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the column with this tag.
    #[must_use]
    pub fn column(&self, tag: u32) -> Option<&'a [u8]> {
        (0..self.columns as usize).find_map(|index| {
            let (found, _, _, offset, length) = self.entry(index);
            if found == tag { self.bytes.get(offset..offset + length) } else { None }
        })
    }

    /// The column of fixed-size elements with this tag.
    #[must_use]
    pub fn fixed<T: Scalar + Default>(&self, tag: u32) -> Option<Fixed<'a, T>> {
        self.column(tag).map(Fixed::new)
    }

    /// The variable-size column whose ends have this tag.
    #[must_use]
    pub fn var(&self, tag: u32) -> Option<BytesColumn<'a>> {
        Some(BytesColumn {
            ends: self.fixed(tag)?,
            bytes: self.known(tag.wrapping_add(1)).unwrap_or(&[]),
            valid: self.known(tag.wrapping_add(2)).map(Bits),
        })
    }

    /// The column with this tag if the layout has the tag. Header names have no nulls: what stands
    /// where their bitmap would be is some later writer's column, and not meant for this reader.
    fn known(&self, tag: u32) -> Option<&'a [u8]> {
        layout::shape(tag).and_then(|_| self.column(tag))
    }

    /// The header columns, where there are any.
    #[must_use]
    pub fn headers(&self) -> Option<Headers<'a>> {
        Some(Headers {
            ends: self.fixed(tag::HEADER_ENDS)?,
            names: self.var(tag::HEADER_NAME)?,
            values: self.var(tag::HEADER_VALUE)?,
        })
    }

    /// Checks what the columns hold, in time proportional to the rows: only columns that this kind
    /// of batch has, ends in order and in range, header names UTF-8, group members in range, each
    /// operation of a known kind and with what its kind needs.
    ///
    /// Rows are not limited here: the keys of a multi-get and operations cost their writer at least
    /// four bytes a row, records without any column cost nothing.
    ///
    /// # Errors
    /// [`FormatError`] names the column and the first row at fault.
    pub fn validate(&self) -> Result<(), FormatError> {
        self.validate_columns()?;
        for tag in [tag::KEY, tag::VALUE, tag::HEADER_NAME, tag::HEADER_VALUE] {
            self.validate_var(tag)?;
        }
        self.validate_headers()?;
        match self.kind {
            Kind::Operations => Operations::of(*self)?.validate(),
            Kind::Window | Kind::Accumulate | Kind::Merge | Kind::Finish => {
                Groups::of(*self)?.validate()
            }
            _ => Ok(()),
        }
    }

    fn validate_columns(&self) -> Result<(), FormatError> {
        let mut tags = (0..self.columns as usize).map(|index| self.entry(index).0);
        let foreign = tags.find(|t| layout::shape(*t).is_some() && !layout::belongs(self.kind, *t));
        if let Some(tag) = foreign {
            return Err(FormatError::ForeignColumn { tag, kind: self.kind as u16 });
        }
        // A list of null keys would let a guest ask for four billion answers in sixteen bytes.
        if self.kind == Kind::Keys && self.rows > 0 && self.column(tag::KEY).is_none() {
            return Err(FormatError::Missing(tag::KEY));
        }
        Ok(())
    }

    pub(crate) fn validate_var(&self, tag: u32) -> Result<(), FormatError> {
        let Some(column) = self.var(tag) else {
            return if self.known(tag + 1).is_some() || self.known(tag + 2).is_some() {
                Err(FormatError::Missing(tag))
            } else {
                Ok(())
            };
        };
        if column.ends.is_empty() {
            return Err(FormatError::Length { tag, found: 0, expected: 4 });
        }
        let expected = column.len().div_ceil(8);
        if let Some(valid) = column.valid
            && valid.0.len() != expected
        {
            return Err(FormatError::Length { tag: tag + 2, found: valid.0.len(), expected });
        }
        match column.first_bad_end() {
            Some(row) => Err(FormatError::Ends { tag, row }),
            None => Ok(()),
        }
    }

    fn validate_headers(&self) -> Result<(), FormatError> {
        let Some(ends) = self.fixed::<u32>(tag::HEADER_ENDS) else {
            let orphan = [tag::HEADER_NAME, tag::HEADER_VALUE].map(|tag| self.column(tag));
            return match orphan {
                [None, None] => Ok(()),
                _ => Err(FormatError::Missing(tag::HEADER_ENDS)),
            };
        };
        let headers = self.headers().ok_or(FormatError::Missing(tag::HEADER_NAME))?;
        let count = headers.names.len();
        if headers.values.len() != count {
            return Err(FormatError::Headers { names: count, values: headers.values.len() });
        }
        if let Some(row) = first_bad_end(&ends, count) {
            return Err(FormatError::Ends { tag: tag::HEADER_ENDS, row });
        }
        let name_is_text = |i: usize| core::str::from_utf8(headers.names.get(i).unwrap_or(&[]));
        match (0..count).find(|i| name_is_text(*i).is_err()) {
            Some(row) => Err(FormatError::Value {
                tag: tag::HEADER_NAME,
                row: row as u32,
                what: "a header name is not UTF-8",
            }),
            None => Ok(()),
        }
    }

    fn expect(&self, kinds: &[Kind], expected: &'static str) -> Result<(), FormatError> {
        if kinds.contains(&self.kind) {
            Ok(())
        } else {
            Err(FormatError::WrongKind { found: self.kind as u16, expected })
        }
    }

    /// The rows as records. Keys of a multi-get and its values are records without the rest.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for operations.
    pub fn records(self) -> Result<Records<'a>, FormatError> {
        if self.kind == Kind::Operations {
            return Err(FormatError::WrongKind { found: self.kind as u16, expected: "records" });
        }
        Ok(Records::of(self))
    }

    /// The rows as operations.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] where it is not a batch of operations, or
    /// [`FormatError::Missing`] where no operation has a cause.
    pub fn operations(self) -> Result<Operations<'a>, FormatError> {
        self.expect(&[Kind::Operations], "operations")?;
        Operations::of(self)
    }

    /// The groups of a window, accumulate, merge or finish batch.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for other kinds, [`FormatError::Missing`] without groups.
    pub fn groups(self) -> Result<Groups<'a>, FormatError> {
        let kinds = [Kind::Window, Kind::Accumulate, Kind::Merge, Kind::Finish];
        self.expect(&kinds, "groups")?;
        Groups::of(self)
    }

    /// The rows as due timers.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for other kinds.
    pub fn timers(self) -> Result<Timers<'a>, FormatError> {
        self.expect(&[Kind::Timers], "timers")?;
        Ok(Timers::of(self))
    }

    /// The rows as stored values to migrate.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for other kinds.
    pub fn stored_values(self) -> Result<StoredValues<'a>, FormatError> {
        self.expect(&[Kind::Migrate], "stored values to migrate")?;
        Ok(StoredValues::of(self))
    }
}
