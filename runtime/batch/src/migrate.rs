//! Stored values of another schema version.

use crate::batch::Batch;
use crate::column::Fixed;
use crate::layout::tag;
use crate::records::Records;

/// The rows of a batch of values to migrate.
#[derive(Debug, Clone, Copy)]
pub struct StoredValues<'a> {
    records: Records<'a>,
    stores: Option<Fixed<'a, u16>>,
    schemas: Option<Fixed<'a, u32>>,
}

/// One value to migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredValue<'a> {
    /// Its index: what operations name as their cause.
    pub row: usize,
    /// Index of the declared store.
    pub store: u16,
    /// The key that it is stored under.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The schema version that it was written with.
    pub schema: u32,
}

impl<'a> StoredValues<'a> {
    pub(crate) fn of(batch: Batch<'a>) -> Self {
        Self {
            records: Records::of(batch),
            stores: batch.fixed(tag::TARGET),
            schemas: batch.fixed(tag::SCHEMA),
        }
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `row`. Stores hold neither null keys nor null values: such are read as empty.
    #[must_use]
    pub fn get(&self, row: usize) -> StoredValue<'a> {
        StoredValue {
            row,
            store: self.stores.map_or(0, |column| column.get(row)),
            key: self.records.key(row).unwrap_or_default(),
            value: self.records.value(row).unwrap_or_default(),
            schema: self.schemas.map_or(0, |column| column.get(row)),
        }
    }

    /// All values in order.
    pub fn iter(&self) -> impl Iterator<Item = StoredValue<'a>> + use<'a> {
        let values = *self;
        (0..values.len()).map(move |row| values.get(row))
    }
}
