//! A batch as readers get it.

use bytes::Bytes;

use super::BatchEntry;
use super::sparse::Sparse;
use crate::error::{Error, Result};
use crate::segment::PartRef;
use crate::task::Producer;

/// A batch as it was appended, or as compaction has left it.
///
/// Go on reading at [`Batch::next_offset`]: a compacted batch covers more offsets than it has
/// records, and may have no record left.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The first offset that it covers; of its first record where it was not compacted.
    pub base_offset: u64,
    /// How many records it has.
    pub rows: u32,
    /// The latest timestamp in it, as its writer said.
    pub timestamp_max: i64,
    /// The commit that wrote it (the last one, where compaction made one batch of several).
    pub seq: u64,
    /// Which task wrote it, where one did.
    pub producer: Option<Producer>,
    /// Its bytes, shared with the segment they are in.
    pub bytes: Bytes,
    span: u32,
    sparse: Option<Sparse>,
    /// When it was committed, ms, where it is not sparse.
    time_ms: i64,
}

/// A batch that was found and not read yet.
pub(crate) struct Found {
    part: PartRef,
    batch: Batch,
    is_sparse: bool,
}

impl Found {
    pub(crate) fn new(entry: &BatchEntry) -> Found {
        let batch = Batch {
            base_offset: entry.base,
            rows: entry.rows,
            timestamp_max: entry.timestamp_max,
            seq: entry.seq,
            producer: entry.producer,
            bytes: Bytes::new(),
            span: entry.span,
            sparse: None,
            time_ms: entry.time_ms,
        };
        Found { part: (*entry.located).clone(), batch, is_sparse: entry.is_sparse }
    }

    pub(crate) fn read(self) -> Result<Batch> {
        let (bytes, batch) = (self.part.read()?, self.batch);
        if !self.is_sparse {
            return Ok(Batch { bytes, ..batch });
        }
        match Sparse::split(&bytes, batch.rows, batch.span) {
            Some((sparse, bytes)) => Ok(Batch { bytes, sparse: Some(sparse), ..batch }),
            None => Err(Error::Corrupt {
                path: self.part.segment.path(),
                offset: 0,
                seq: self.part.seq,
                problem: "it holds no compacted batch".to_owned(),
            }),
        }
    }
}

impl Batch {
    /// The first offset behind it: where to read on.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.base_offset + u64::from(self.span)
    }

    /// Whether records between the first and the last offset that it covers are gone.
    #[must_use]
    pub fn is_compacted(&self) -> bool {
        self.sparse.is_some()
    }

    /// The offset of the record at `row`, which must be there.
    #[must_use]
    pub fn offset(&self, row: usize) -> u64 {
        let delta = match &self.sparse {
            None => row as u64,
            Some(sparse) => u64::from(sparse.delta(row)),
        };
        self.base_offset + delta
    }

    /// The first row whose offset is not before `offset`; [`Batch::rows`] where there is none.
    #[must_use]
    pub fn row_at(&self, offset: u64) -> usize {
        let delta = offset.saturating_sub(self.base_offset);
        match &self.sparse {
            None => delta.min(u64::from(self.rows)) as usize,
            Some(sparse) => sparse.row_at(delta),
        }
    }

    /// The offset of the first record from `offset` on that has no key. Bytes that are no batch of
    /// records have none.
    pub(crate) fn first_keyless(&self, offset: u64) -> Option<u64> {
        let records = pelton_batch::Batch::parse(&self.bytes).ok()?.records().ok()?;
        let mut rows = self.row_at(offset)..records.len().min(self.rows as usize);
        rows.find(|row| records.key(*row).is_none()).map(|row| self.offset(row))
    }

    /// When the tombstone was committed, ms, that `before` other tombstones of this batch
    /// precede.
    pub(crate) fn tombstone_ms(&self, before: usize) -> i64 {
        let sparse = self.sparse.as_ref();
        sparse.map_or(Some(self.time_ms), |sparse| sparse.tombstone_ms(before)).unwrap_or(i64::MAX)
    }
}
