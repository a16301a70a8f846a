//! Groups: the panes that records or accumulators belong to.

use crate::batch::Batch;
use crate::column::{BytesColumn, Fixed, first_bad_end};
use crate::error::FormatError;
use crate::layout::tag;
use crate::records::Records;

/// Why a pane comes, and which piece of it: flags in the low byte, the pane's number above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pane(pub u32);

impl Pane {
    /// The first piece of the pane's contents.
    pub const FIRST: u32 = 1;
    /// The last piece of the pane's contents.
    pub const LAST: u32 = 2;
    /// Fired before the watermark passed the window's end.
    pub const EARLY: u32 = 4;
    /// Fired again by a late record within the allowed lateness.
    pub const LATE: u32 = 8;

    /// A pane of this number with these flags.
    #[must_use]
    #[inline]
    pub fn new(number: u32, flags: u32) -> Self {
        Self(number << 8 | flags & 0xff)
    }

    /// How often the window had fired before.
    #[must_use]
    #[inline]
    pub fn number(self) -> u32 {
        self.0 >> 8
    }

    /// Whether all these flags are set.
    #[must_use]
    #[inline]
    pub fn has(self, flags: u32) -> bool {
        self.0 & flags == flags
    }
}

/// The groups of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    batch: Batch<'a>,
    records: Records<'a>,
    ends: Fixed<'a, u32>,
    members: Option<Fixed<'a, u32>>,
    keys: Option<BytesColumn<'a>>,
    accumulators: Option<BytesColumn<'a>>,
    starts: Option<Fixed<'a, i64>>,
    window_ends: Option<Fixed<'a, i64>>,
    panes: Option<Fixed<'a, u32>>,
}

/// One group: a key and a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group<'a> {
    /// Its index: what operations name as their cause.
    pub index: usize,
    /// The key; `None` where the window is not keyed.
    pub key: Option<&'a [u8]>,
    /// Window start, inclusive, ms.
    pub start: i64,
    /// Window end, exclusive, ms.
    pub end: i64,
    /// Why it comes and which piece it is.
    pub pane: Pane,
    /// The accumulator; `None` where there is none yet.
    pub accumulator: Option<&'a [u8]>,
}

impl<'a> Groups<'a> {
    pub(crate) fn of(batch: Batch<'a>) -> Result<Self, FormatError> {
        Ok(Self {
            batch,
            records: Records::of(batch),
            ends: batch.fixed(tag::GROUP_ENDS).ok_or(FormatError::Missing(tag::GROUP_ENDS))?,
            members: batch.fixed(tag::GROUP_MEMBERS),
            keys: batch.var(tag::GROUP_KEY),
            accumulators: batch.var(tag::ACCUMULATOR),
            starts: batch.fixed(tag::WINDOW_START),
            window_ends: batch.fixed(tag::WINDOW_END),
            panes: batch.fixed(tag::PANE),
        })
    }

    /// Number of groups.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The batch's rows: records, or accumulators as values where the batch is a merge.
    #[must_use]
    #[inline]
    pub fn records(&self) -> Records<'a> {
        self.records
    }

    /// The group at `index`.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Group<'a> {
        Group {
            index,
            key: self.keys.and_then(|column| column.get(index)),
            start: self.starts.map_or(0, |column| column.get(index)),
            end: self.window_ends.map_or(0, |column| column.get(index)),
            pane: Pane(self.panes.map_or(0, |column| column.get(index))),
            accumulator: self.accumulators.and_then(|column| column.get(index)),
        }
    }

    /// The number of members of all groups together.
    #[inline]
    fn members_len(&self) -> usize {
        self.members.map_or(self.batch.rows(), |members| members.len())
    }

    /// The rows that belong to the group at `index`, in order.
    #[inline]
    pub fn rows(&self, index: usize) -> impl Iterator<Item = usize> + use<'a> {
        let members = self.members;
        let end = self.ends.get(index.saturating_add(1)) as usize;
        let range = self.ends.get(index) as usize..end.min(self.members_len());
        range.map(move |at| members.map_or(at, |members| members.get(at) as usize))
    }

    /// All groups in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Group<'a>> + use<'a> {
        let groups = *self;
        (0..groups.len()).map(move |index| groups.get(index))
    }

    pub(crate) fn validate(&self) -> Result<(), FormatError> {
        if self.ends.is_empty() {
            return Err(FormatError::Length { tag: tag::GROUP_ENDS, found: 0, expected: 4 });
        }
        self.batch.validate_var(tag::GROUP_KEY)?;
        self.batch.validate_var(tag::ACCUMULATOR)?;
        let per_group = [
            (tag::GROUP_KEY, self.keys.map(|column| column.len())),
            (tag::ACCUMULATOR, self.accumulators.map(|column| column.len())),
            (tag::WINDOW_START, self.starts.map(|column| column.len())),
            (tag::WINDOW_END, self.window_ends.map(|column| column.len())),
            (tag::PANE, self.panes.map(|column| column.len())),
        ];
        for (tag, found) in per_group {
            if let Some(found) = found
                && found != self.len()
            {
                return Err(FormatError::Groups { tag, found, groups: self.len() });
            }
        }
        if let Some(row) = first_bad_end(&self.ends, self.members_len()) {
            return Err(FormatError::Ends { tag: tag::GROUP_ENDS, row });
        }
        let rows = self.batch.rows();
        match self.members.and_then(|all| all.iter().position(|row| row as usize >= rows)) {
            Some(row) => Err(FormatError::Value {
                tag: tag::GROUP_MEMBERS,
                row: row as u32,
                what: "a group member is not a row of the batch",
            }),
            None => Ok(()),
        }
    }
}
