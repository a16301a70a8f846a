//! Records: the rows of most batches.

use crate::batch::Batch;
use crate::column::{BytesColumn, Fixed, Headers};
use crate::layout::tag;

/// The rows of a batch as records. Columns that are absent read as null keys, null values,
/// timestamp 0, offset 0, input 0 and no headers.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    batch: Batch<'a>,
    pub(crate) keys: Option<BytesColumn<'a>>,
    pub(crate) values: Option<BytesColumn<'a>>,
    pub(crate) timestamps: Option<Fixed<'a, i64>>,
    pub(crate) offsets: Option<Fixed<'a, i64>>,
    pub(crate) inputs: Option<Fixed<'a, u16>>,
    pub(crate) headers: Option<Headers<'a>>,
}

impl<'a> Records<'a> {
    pub(crate) fn of(batch: Batch<'a>) -> Self {
        Self {
            batch,
            keys: batch.var(tag::KEY),
            values: batch.var(tag::VALUE),
            timestamps: batch.fixed(tag::TIMESTAMP),
            offsets: batch.fixed(tag::OFFSET),
            inputs: batch.fixed(tag::INPUT),
            headers: batch.headers(),
        }
    }

    /// The batch that these are the rows of.
    #[must_use]
    #[inline]
    pub fn batch(&self) -> Batch<'a> {
        self.batch
    }

    /// Number of records.
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

    /// The key of `row`.
    #[must_use]
    #[inline]
    pub fn key(&self, row: usize) -> Option<&'a [u8]> {
        self.keys.and_then(|keys| keys.get(row))
    }

    /// The value of `row`; `None` is a tombstone.
    #[must_use]
    #[inline]
    pub fn value(&self, row: usize) -> Option<&'a [u8]> {
        self.values.and_then(|values| values.get(row))
    }

    /// The timestamp of `row` in ms since the Unix epoch.
    #[must_use]
    #[inline]
    pub fn timestamp(&self, row: usize) -> i64 {
        self.timestamps.map_or(0, |column| column.get(row))
    }

    /// The offset of `row` in its partition, where the batch carries offsets.
    #[must_use]
    #[inline]
    pub fn offset(&self, row: usize) -> Option<i64> {
        self.offsets.map(|column| column.get(row))
    }

    /// The index of the subscription that `row` came from.
    #[must_use]
    #[inline]
    pub fn input(&self, row: usize) -> u16 {
        self.inputs.map_or(0, |column| column.get(row))
    }

    /// The headers of `row`, in order; a name may stand there twice.
    #[must_use]
    #[inline]
    pub fn headers(&self, row: usize) -> HeaderIter<'a> {
        HeaderIter::new(self.headers, row)
    }

    /// The record at `row`.
    #[must_use]
    #[inline]
    pub fn get(&self, row: usize) -> Record<'a> {
        Record { records: *self, row }
    }

    /// All records in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Record<'a>> + use<'a> {
        let records = *self;
        (0..records.len()).map(move |row| Record { records, row })
    }
}

/// One record of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    records: Records<'a>,
    row: usize,
}

impl<'a> Record<'a> {
    /// The index of this record in its batch.
    #[must_use]
    #[inline]
    pub fn row(&self) -> usize {
        self.row
    }

    /// The key.
    #[must_use]
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.records.key(self.row)
    }

    /// The value; `None` is a tombstone.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.records.value(self.row)
    }

    /// The timestamp in ms since the Unix epoch.
    #[must_use]
    #[inline]
    pub fn timestamp(&self) -> i64 {
        self.records.timestamp(self.row)
    }

    /// The offset in the partition, where the batch carries offsets.
    #[must_use]
    #[inline]
    pub fn offset(&self) -> Option<i64> {
        self.records.offset(self.row)
    }

    /// The index of the subscription that the record came from.
    #[must_use]
    #[inline]
    pub fn input(&self) -> u16 {
        self.records.input(self.row)
    }

    /// The headers in order.
    #[must_use]
    #[inline]
    pub fn headers(&self) -> HeaderIter<'a> {
        self.records.headers(self.row)
    }

    /// The value of the first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|header| header.name == name).and_then(|header| header.value)
    }
}

/// A record's header: a name and a value that may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value.
    pub value: Option<&'a [u8]>,
}

/// The headers of one row.
#[derive(Debug, Clone)]
pub struct HeaderIter<'a> {
    headers: Option<Headers<'a>>,
    range: core::ops::Range<usize>,
}

impl<'a> HeaderIter<'a> {
    #[inline]
    pub(crate) fn new(headers: Option<Headers<'a>>, row: usize) -> Self {
        Self { headers, range: headers.map_or(0..0, |headers| headers.range(row)) }
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        let (name, value) = self.headers?.entry(self.range.next()?);
        Some(Header { name, value })
    }
}
