//! Numbers of the layout: header, kinds, column tags and their widths.

use alloc::vec::Vec;

/// The first four bytes of every batch: `PLTN` read as a little-endian integer.
pub const MAGIC: u32 = u32::from_le_bytes(*b"PLTN");
/// The layout's version.
pub const VERSION: u16 = 1;
/// Bytes of the fixed header: magic u32, version u16, kind u16, rows u32, columns u32.
pub const HEADER_BYTES: usize = 16;
/// Bytes of one directory entry: tag u32, width u32, offset u32, length u32.
pub const ENTRY_BYTES: usize = 16;
/// Columns start at multiples of this many bytes from the start of the batch.
pub const ALIGN: usize = 8;
/// Most columns that a batch may have.
pub const COLUMNS_MAX: u32 = 64;
/// Set in a tag: a reader that does not know the column may skip it.
pub const SKIPPABLE: u32 = 1 << 31;

/// What a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kind {
    /// Records, in order.
    Records = 0x0001,
    /// The contents of closed windows: records grouped by pane.
    Window = 0x0002,
    /// Records to be added to the accumulators of their groups.
    Accumulate = 0x0003,
    /// Accumulators to be merged, group by group.
    Merge = 0x0004,
    /// Accumulators whose panes fire.
    Finish = 0x0005,
    /// Timers that are due.
    Timers = 0x0006,
    /// Stored values of another schema version than the code's.
    Migrate = 0x0007,
    /// Records whose event time the guest is to tell.
    Times = 0x0008,
    /// What a guest call answers: an ordered list of operations.
    Operations = 0x0100,
    /// Keys of a multi-get.
    Keys = 0x0200,
    /// Values that answer a multi-get, in the order of the keys.
    Values = 0x0201,
    /// Entries that answer a range scan.
    Entries = 0x0202,
}

impl Kind {
    /// The kind with this number, if the layout has one.
    #[must_use]
    pub fn from_u16(number: u16) -> Option<Self> {
        Some(match number {
            0x0001 => Self::Records,
            0x0002 => Self::Window,
            0x0003 => Self::Accumulate,
            0x0004 => Self::Merge,
            0x0005 => Self::Finish,
            0x0006 => Self::Timers,
            0x0007 => Self::Migrate,
            0x0008 => Self::Times,
            0x0100 => Self::Operations,
            0x0200 => Self::Keys,
            0x0201 => Self::Values,
            0x0202 => Self::Entries,
            _ => return None,
        })
    }
}

/// Column tags. A variable-size column is three tags in a row: ends, bytes, validity.
pub mod tag {
    /// Ends of the keys (rows + 1 u32); the bytes are `KEY + 1`, the validity bitmap `KEY + 2`.
    pub const KEY: u32 = 0x10;
    /// Ends of the values; bytes and validity follow.
    pub const VALUE: u32 = 0x14;
    /// Timestamps in milliseconds since the Unix epoch, i64.
    pub const TIMESTAMP: u32 = 0x20;
    /// Validity of the timestamps (operations only: a null inherits the cause's timestamp).
    pub const TIMESTAMP_VALID: u32 = 0x21;
    /// Offsets of the records in their partitions, i64.
    pub const OFFSET: u32 = 0x22;
    /// Index of the subscription that a record came from, u16; absent: all 0.
    pub const INPUT: u32 = 0x23;
    /// For each row the end of its headers in the header list, rows + 1 u32; absent: no headers.
    pub const HEADER_ENDS: u32 = 0x30;
    /// Ends of the header names (UTF-8); bytes follow.
    pub const HEADER_NAME: u32 = 0x34;
    /// Ends of the header values; bytes and validity follow.
    pub const HEADER_VALUE: u32 = 0x38;
    /// For each group the end of its members, groups + 1 u32.
    pub const GROUP_ENDS: u32 = 0x40;
    /// Row indexes, u32, in group order; absent: the rows themselves are in group order.
    pub const GROUP_MEMBERS: u32 = 0x41;
    /// Ends of the groups' keys; bytes and validity follow.
    pub const GROUP_KEY: u32 = 0x44;
    /// Ends of the groups' accumulators; bytes and validity (null: none yet) follow.
    pub const ACCUMULATOR: u32 = 0x48;
    /// Window starts, inclusive, ms, i64 a group.
    pub const WINDOW_START: u32 = 0x50;
    /// Window ends, exclusive, ms, i64 a group.
    pub const WINDOW_END: u32 = 0x51;
    /// Pane flags and number, u32 a group: see [`crate::Pane`].
    pub const PANE: u32 = 0x52;
    /// Operation kinds, u8; absent: all are `Forward`.
    pub const OP_KIND: u32 = 0x60;
    /// The row, group or timer of the input that caused an operation, u32; required.
    pub const CAUSE: u32 = 0x61;
    /// Index of the declared output, store or timer that is meant, u16; absent: all 0.
    pub const TARGET: u32 = 0x62;
    /// Output partition, i32, -1 for "by key"; absent: all -1.
    pub const PARTITION: u32 = 0x63;
    /// Time to live in ms of a put, or ms to wait of a retry, i64, 0 for none; absent: all 0.
    pub const TTL: u32 = 0x64;
    /// Schema version of a stored value, u32; absent: all 0.
    pub const SCHEMA: u32 = 0x65;
}

/// What a column's elements are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One element of `width` bytes a row.
    PerRow(u32),
    /// Rows + 1 u32.
    Ends,
    /// One bit a row, least significant first.
    Bits,
    /// Bytes that an ends column points into.
    Bytes,
    /// Elements counted by another column (headers, groups); checked where they are read.
    Free(u32),
}

/// The shape of each known column, by tag without the skippable bit.
pub(crate) fn shape(tag: u32) -> Option<Shape> {
    Some(match tag {
        tag::KEY | tag::VALUE | tag::HEADER_ENDS => Shape::Ends,
        t if t == tag::KEY + 1 || t == tag::VALUE + 1 => Shape::Bytes,
        t if t == tag::KEY + 2 || t == tag::VALUE + 2 => Shape::Bits,
        tag::TIMESTAMP | tag::OFFSET | tag::TTL => Shape::PerRow(8),
        tag::TIMESTAMP_VALID => Shape::Bits,
        tag::INPUT | tag::TARGET => Shape::PerRow(2),
        tag::OP_KIND => Shape::PerRow(1),
        tag::CAUSE | tag::PARTITION | tag::SCHEMA => Shape::PerRow(4),
        t if [tag::HEADER_NAME, tag::HEADER_VALUE, tag::GROUP_KEY, tag::ACCUMULATOR]
            .contains(&t) =>
        {
            Shape::Free(4)
        }
        t if [tag::HEADER_NAME, tag::HEADER_VALUE, tag::GROUP_KEY, tag::ACCUMULATOR]
            .contains(&t.wrapping_sub(1)) =>
        {
            Shape::Bytes
        }
        t if [tag::HEADER_VALUE, tag::GROUP_KEY, tag::ACCUMULATOR].contains(&t.wrapping_sub(2)) => {
            Shape::Free(0)
        }
        tag::GROUP_ENDS | tag::GROUP_MEMBERS | tag::PANE => Shape::Free(4),
        tag::WINDOW_START | tag::WINDOW_END => Shape::Free(8),
        _ => return None,
    })
}

/// Whether a batch of this kind may have the column with this known tag.
pub(crate) fn belongs(kind: Kind, tag: u32) -> bool {
    let grouped = matches!(kind, Kind::Window | Kind::Accumulate | Kind::Merge | Kind::Finish);
    let operations = kind == Kind::Operations;
    match tag {
        tag::TIMESTAMP_VALID | tag::OP_KIND | tag::CAUSE | tag::PARTITION | tag::TTL => operations,
        tag::OFFSET | tag::INPUT => !operations,
        tag::GROUP_ENDS..=tag::PANE => grouped,
        tag::TARGET => operations || matches!(kind, Kind::Timers | Kind::Migrate),
        tag::SCHEMA => operations || matches!(kind, Kind::Migrate | Kind::Values | Kind::Entries),
        _ => true,
    }
}

impl Shape {
    /// The element width that the directory must give: 0 for bits.
    pub(crate) fn width(self) -> u32 {
        match self {
            Self::PerRow(w) | Self::Free(w) => w,
            Self::Ends => 4,
            Self::Bits => 0,
            Self::Bytes => 1,
        }
    }
}

/// One column as a writer hands it over: tag, element width in bytes (0: bits), bytes.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// The column's tag.
    pub tag: u32,
    /// Bytes an element; 0 for a bitmap.
    pub width: u32,
    /// The elements.
    pub bytes: &'a [u8],
}

/// Bytes of the batch that [`write()`] makes of these columns: a multiple of eight. `None` where it
/// is more than u32 offsets can reach, so that [`write()`] would panic.
#[must_use]
pub fn size(columns: &[Column<'_>]) -> Option<u32> {
    let directory = HEADER_BYTES as u64 + columns.len() as u64 * ENTRY_BYTES as u64;
    let align = ALIGN as u64;
    let padded = |column: &Column<'_>| (column.bytes.len() as u64).next_multiple_of(align);
    u32::try_from(columns.iter().fold(directory, |sum, column| sum + padded(column))).ok()
}

/// Appends a batch of `rows` rows made of `columns` to `out`, which must be empty or end at a
/// multiple of eight bytes.
///
/// # Panics
/// Panics if the batch would have 4 GiB or more, or more than [`COLUMNS_MAX`] columns: a wrapped
/// offset must not reach a reader. Batches are limited to 4 MiB and answers to 8 MiB, long
/// before that; a caller without such a limit asks [`size`] first.
pub fn write(kind: Kind, rows: u32, columns: &[Column<'_>], out: &mut Vec<u8>) {
    let start = out.len();
    assert!(columns.len() <= COLUMNS_MAX as usize, "a batch of {} columns", columns.len());
    let Some(total) = size(columns) else {
        panic!("a batch of 4 GiB or more has no layout: cut it by rows and bytes before");
    };
    let directory_end = HEADER_BYTES + columns.len() * ENTRY_BYTES;
    out.reserve(total as usize);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(kind as u16).to_le_bytes());
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&(columns.len() as u32).to_le_bytes());
    let mut at = directory_end;
    for column in columns {
        for number in [column.tag, column.width, at as u32, column.bytes.len() as u32] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        at = padded(at + column.bytes.len());
    }
    for column in columns {
        out.extend_from_slice(column.bytes);
        out.resize(start + padded(out.len() - start), 0);
    }
}

/// `length` rounded up to the alignment of columns.
#[must_use]
pub fn padded(length: usize) -> usize {
    length.next_multiple_of(ALIGN)
}
