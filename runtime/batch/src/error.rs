//! What can be wrong with the bytes of a batch.

use core::fmt;

/// The layout versions of the two sides of a misunderstanding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The version in the batch's header.
    pub writer: u16,
    /// The version that this reader implements.
    pub reader: u16,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, reader } = self;
        write!(f, "the batch was written in layout version {writer}, this reader is of {reader}")
    }
}

/// Why some bytes are not a batch. Each message names the place in the bytes or the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatError {
    /// Fewer bytes than the header and directory need.
    Truncated {
        /// Bytes that are there.
        have: usize,
        /// Bytes that are needed at least.
        need: usize,
    },
    /// The first four bytes are not the magic number.
    Magic(u32),
    /// The batch is of a version that there never was: 0.
    Version(u16),
    /// The kind is not one that this reader knows.
    Kind {
        /// The number in the header.
        number: u16,
        /// Who wrote it and who reads it.
        versions: Versions,
    },
    /// The batch is of another kind than the caller asked for.
    WrongKind {
        /// The kind in the header.
        found: u16,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// More columns than [`crate::layout::COLUMNS_MAX`].
    TooManyColumns(u32),
    /// A column that must be understood is not known: the writer is newer than this reader.
    UnknownColumn {
        /// The column's tag.
        tag: u32,
        /// Who wrote it and who reads it.
        versions: Versions,
    },
    /// An operation is of a kind that this reader does not know.
    UnknownOperation {
        /// Its index in the list.
        row: u32,
        /// The kind's number.
        number: u8,
        /// Who wrote it and who reads it.
        versions: Versions,
    },
    /// A column that the layout knows stands in a batch of a kind that has no such column.
    ForeignColumn {
        /// The column's tag.
        tag: u32,
        /// The batch's kind.
        kind: u16,
    },
    /// A column of groups has not one element a group.
    Groups {
        /// The column's tag.
        tag: u32,
        /// Elements in the column.
        found: usize,
        /// Groups in the batch.
        groups: usize,
    },
    /// There are not as many header values as names.
    Headers {
        /// Number of names.
        names: usize,
        /// Number of values.
        values: usize,
    },
    /// A tag stands in the directory twice.
    DuplicateColumn(u32),
    /// A column's element width is not the one that its tag has.
    Width {
        /// The column's tag.
        tag: u32,
        /// The width in the directory.
        found: u32,
    },
    /// A column lies outside the batch, overlaps the directory or is not 8-byte aligned.
    Placement(u32),
    /// A column has too few or too many bytes for the number of rows.
    Length {
        /// The column's tag.
        tag: u32,
        /// Bytes in the column.
        found: usize,
        /// Bytes that it must have.
        expected: usize,
    },
    /// The ends of a variable-size column decrease or run past its bytes.
    Ends {
        /// The tag of the ends column.
        tag: u32,
        /// The first row at fault.
        row: u32,
    },
    /// A column that this kind of batch needs is missing.
    Missing(u32),
    /// A value in a row is not one that the layout allows.
    Value {
        /// The column's tag.
        tag: u32,
        /// The row at fault.
        row: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { have, need } => {
                write!(f, "batch is truncated: {have} bytes, needs {need}")
            }
            Self::Magic(m) => write!(f, "not a batch: magic number {m:#010x}"),
            Self::Version(v) => write!(
                f,
                "there is no batch layout version {v}: this reader is of version {}",
                crate::layout::VERSION
            ),
            Self::Kind { number, versions } => {
                write!(f, "unknown batch kind {number:#06x}: {versions}")
            }
            Self::WrongKind { found, expected } => {
                write!(f, "batch of kind {found:#06x} where {expected} is expected")
            }
            Self::TooManyColumns(n) => {
                write!(f, "{n} columns, at most {}", crate::layout::COLUMNS_MAX)
            }
            Self::UnknownColumn { tag, versions } => {
                write!(f, "column {tag:#06x} is not known and may not be skipped: {versions}")
            }
            Self::UnknownOperation { row, number, versions } => {
                write!(f, "operation {row} is of the unknown kind {number}: {versions}")
            }
            Self::ForeignColumn { tag, kind } => {
                write!(f, "a batch of kind {kind:#06x} has no column {tag:#06x}")
            }
            Self::Groups { tag, found, groups } => {
                write!(f, "column {tag:#06x} has {found} elements for {groups} groups")
            }
            Self::Headers { names, values } => {
                write!(f, "{names} header names, but {values} header values")
            }
            Self::DuplicateColumn(tag) => write!(f, "column {tag:#06x} stands there twice"),
            Self::Width { tag, found } => write!(f, "column {tag:#06x} has width {found}"),
            Self::Placement(tag) => {
                write!(f, "column {tag:#06x} lies outside the batch or is not 8-byte aligned")
            }
            Self::Length { tag, found, expected } => {
                write!(f, "column {tag:#06x} has {found} bytes, needs {expected}")
            }
            Self::Ends { tag, row } => {
                write!(f, "column {tag:#06x}: the end of row {row} is out of order or range")
            }
            Self::Missing(tag) => write!(f, "column {tag:#06x} is missing"),
            Self::Value { tag, row, what } => write!(f, "column {tag:#06x}, row {row}: {what}"),
        }
    }
}

impl core::error::Error for FormatError {}
