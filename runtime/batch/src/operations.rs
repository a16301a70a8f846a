//! Operations: what a guest call answers.

use crate::batch::Batch;
use crate::column::{Bits, BytesColumn, Fixed, Headers};
use crate::error::FormatError;
use crate::layout::tag;
use crate::records::HeaderIter;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpKind {
    /// Send the input record that is the cause, unchanged, to output `target`.
    Forward = 1,
    /// Send a new record to output `target`.
    Emit = 2,
    /// Put `value` under `key` into store `target`.
    Put = 3,
    /// Delete `key` from store `target`.
    Delete = 4,
    /// Delete every key of store `target` that starts with `key`.
    DeletePrefix = 5,
    /// Append `value` to what store `target` holds under `key`.
    Append = 6,
    /// Set the timer (`target`, `key`) to fire when time has passed `timestamp`; `value` comes
    /// back with it. Setting it again moves it.
    SetTimer = 7,
    /// Cancel the timer (`target`, `key`).
    CancelTimer = 8,
    /// Send the cause to the dead letters; `value` is the reason.
    Reject = 9,
    /// Take back what this call did from the cause on, and call again after `ttl` ms.
    Retry = 10,
    /// Fire the window of the group that is the cause now.
    FireWindow = 11,
    /// Drop the contents of the window of the group that is the cause.
    PurgeWindow = 12,
    /// Set the accumulator of the group that is the cause to `value`.
    Accumulator = 13,
    /// The pane under `key` goes to the key that is `value`. Only in state changes that a commit
    /// journals: from a guest it is an error.
    MovePane = 14,
    /// The record that is the cause happened at `timestamp`: what answers a batch of kind `Times`.
    Time = 15,
}

impl OpKind {
    /// The kind with this number, if the layout has one.
    #[must_use]
    #[inline]
    pub fn from_u8(number: u8) -> Option<Self> {
        use OpKind::*;
        const ALL: [OpKind; 15] = [
            Forward,
            Emit,
            Put,
            Delete,
            DeletePrefix,
            Append,
            SetTimer,
            CancelTimer,
            Reject,
            Retry,
            FireWindow,
            PurgeWindow,
            Accumulator,
            MovePane,
            Time,
        ];
        ALL.get((number as usize).wrapping_sub(1)).copied()
    }
}

/// The kinds that a list of operations has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpKinds(u16);

impl OpKinds {
    /// Whether any operation is of this kind.
    #[must_use]
    #[inline]
    pub fn has(self, kind: OpKind) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }
}

/// The rows of a batch of operations.
#[derive(Debug, Clone, Copy)]
pub struct Operations<'a> {
    batch: Batch<'a>,
    kinds: Option<Fixed<'a, u8>>,
    causes: Fixed<'a, u32>,
    targets: Option<Fixed<'a, u16>>,
    pub(crate) keys: Option<BytesColumn<'a>>,
    pub(crate) values: Option<BytesColumn<'a>>,
    timestamps: Option<Fixed<'a, i64>>,
    timestamps_valid: Option<Bits<'a>>,
    partitions: Option<Fixed<'a, i32>>,
    ttls: Option<Fixed<'a, i64>>,
    schemas: Option<Fixed<'a, u32>>,
    headers: Option<Headers<'a>>,
}

/// One operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// Its index in the list.
    pub row: usize,
    /// What it does.
    pub kind: OpKind,
    /// The row, group or timer of the input that caused it.
    pub cause: u32,
    /// Index of the output, store or timer.
    pub target: u16,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The timestamp; `None` inherits the cause's.
    pub timestamp: Option<i64>,
    /// The output partition, at most `i32::MAX`; `None` is chosen by key.
    pub partition: Option<u32>,
    /// Time to live or time to wait in ms; 0 is none.
    pub ttl: i64,
    /// Schema version of a stored value.
    pub schema: u32,
}

impl<'a> Operations<'a> {
    pub(crate) fn of(batch: Batch<'a>) -> Result<Self, FormatError> {
        Ok(Self {
            batch,
            kinds: batch.fixed(tag::OP_KIND),
            causes: batch.fixed(tag::CAUSE).ok_or(FormatError::Missing(tag::CAUSE))?,
            targets: batch.fixed(tag::TARGET),
            keys: batch.var(tag::KEY),
            values: batch.var(tag::VALUE),
            timestamps: batch.fixed(tag::TIMESTAMP),
            timestamps_valid: batch.column(tag::TIMESTAMP_VALID).map(Bits),
            partitions: batch.fixed(tag::PARTITION),
            ttls: batch.fixed(tag::TTL),
            schemas: batch.fixed(tag::SCHEMA),
            headers: batch.headers(),
        })
    }

    /// Number of operations.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.batch.rows()
    }

    /// Whether there are none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The causes, where every operation is a forward to output 0 that names no partition: what a
    /// filter answers.
    #[must_use]
    #[inline]
    pub fn plain_forwards(&self) -> Option<Fixed<'a, u32>> {
        let plain = self.kinds.is_none() && self.targets.is_none() && self.partitions.is_none();
        plain.then_some(self.causes)
    }

    /// The kinds that there are, in one pass over one byte an operation.
    #[must_use]
    pub fn kinds(&self) -> OpKinds {
        let bit = |kind: u8| 1_u16.checked_shl(kind.into()).unwrap_or_default();
        match self.kinds {
            Some(kinds) => OpKinds(kinds.iter().fold(0, |seen, kind| seen | bit(kind))),
            None if self.is_empty() => OpKinds::default(),
            None => OpKinds(bit(OpKind::Forward as u8)),
        }
    }

    /// Whether any operation has a time to live or to wait.
    #[must_use]
    #[inline]
    pub fn has_ttl(&self) -> bool {
        self.ttls.is_some()
    }

    /// How many operations from `row` on are emits to one output that name no partition, in a list
    /// without headers: they can be sent on column by column.
    #[must_use]
    pub fn plain_emits(&self, row: usize) -> usize {
        let Some(kinds) = self.kinds else { return 0 };
        if self.partitions.is_some() || self.headers.is_some() {
            return 0;
        }
        let target = self.target(row);
        let plain =
            |row: &usize| kinds.get(*row) == OpKind::Emit as u8 && self.target(*row) == target;
        (row..self.len()).take_while(plain).count()
    }

    /// The index of the output, store or timer that the operation at `row` means.
    #[must_use]
    #[inline]
    pub fn target(&self, row: usize) -> u16 {
        self.targets.map_or(0, |column| column.get(row))
    }

    /// The row, group or timer of the input that caused the operation at `row`.
    #[must_use]
    #[inline]
    pub fn cause(&self, row: usize) -> u32 {
        self.causes.get(row)
    }

    /// Bytes of the keys and values of the operations `range` together. The list must have been
    /// validated.
    #[must_use]
    pub fn bytes_len(&self, range: core::ops::Range<usize>) -> usize {
        let length = |column: Option<BytesColumn<'_>>| {
            column.map_or(0, |column| column.bytes_of(range.clone()).len())
        };
        length(self.keys) + length(self.values)
    }

    /// The headers of the operation at `row`.
    #[must_use]
    #[inline]
    pub fn headers(&self, row: usize) -> HeaderIter<'a> {
        HeaderIter::new(self.headers, row)
    }

    /// The operation at `row`. An unknown kind reads as `Forward`: validate first.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Operation<'a> {
        let kind = self.kinds.map_or(OpKind::Forward as u8, |column| column.get(row));
        Operation {
            row,
            kind: OpKind::from_u8(kind).unwrap_or(OpKind::Forward),
            cause: self.cause(row),
            target: self.target(row),
            key: self.keys.and_then(|column| column.get(row)),
            value: self.values.and_then(|column| column.get(row)),
            timestamp: self.timestamp(row),
            partition: self.partitions.and_then(|column| u32::try_from(column.get(row)).ok()),
            ttl: self.ttls.map_or(0, |column| column.get(row)),
            schema: self.schemas.map_or(0, |column| column.get(row)),
        }
    }

    /// All operations in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Operation<'a>> + use<'a> {
        let operations = *self;
        (0..operations.len()).map(move |row| operations.get(row))
    }

    pub(crate) fn validate(&self) -> Result<(), FormatError> {
        let wrong = |tag, row: usize, what| FormatError::Value { tag, row: row as u32, what };
        if let Some(row) = self.partitions.and_then(|all| all.iter().position(|p| p < -1)) {
            return Err(wrong(tag::PARTITION, row, "a partition is -1 or not negative"));
        }
        if let Some(row) = self.ttls.and_then(|all| all.iter().position(|ttl| ttl < 0)) {
            return Err(wrong(tag::TTL, row, "a time to live or to wait is not negative"));
        }
        let Some(kinds) = self.kinds else {
            return Ok(());
        };
        for (row, number) in kinds.iter().enumerate() {
            let Some(kind) = OpKind::from_u8(number) else {
                let (row, versions) = (row as u32, self.batch.versions());
                return Err(FormatError::UnknownOperation { row, number, versions });
            };
            if let Some((tag, what)) = self.lacks(kind, row) {
                return Err(wrong(tag, row, what));
            }
        }
        Ok(())
    }

    /// What the operation at `row` needs for its kind and has not.
    #[inline]
    fn lacks(&self, kind: OpKind, row: usize) -> Option<(u32, &'static str)> {
        use OpKind::{Append, Delete, DeletePrefix, MovePane, Put, SetTimer, Time};
        let there = |column: Option<BytesColumn<'_>>| column.is_some_and(|c| !c.is_null(row));
        match kind {
            Put | Append | Delete | DeletePrefix | MovePane if !there(self.keys) => {
                Some((tag::KEY, "a state operation without a key"))
            }
            Put | Append | MovePane if !there(self.values) => {
                Some((tag::VALUE, "a put, append or move without a value"))
            }
            SetTimer if self.timestamp(row).is_none() => {
                Some((tag::TIMESTAMP, "a timer is set to no time"))
            }
            Time if self.timestamp(row).is_none() => {
                Some((tag::TIMESTAMP, "a record is told to have happened at no time"))
            }
            _ => None,
        }
    }

    /// The timestamp of the operation at `row`; `None` inherits the cause's.
    #[must_use]
    #[inline]
    pub fn timestamp(&self, row: usize) -> Option<i64> {
        let valid = self.timestamps_valid.is_none_or(|valid| valid.get(row));
        self.timestamps.filter(|_| valid).map(|column| column.get(row))
    }
}
