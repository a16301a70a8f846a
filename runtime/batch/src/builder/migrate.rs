//! Building batches of stored values to migrate.

use alloc::vec::Vec;

use super::columns::FixedBuilder;
use super::records::RecordsBuilder;
use crate::layout::{Kind, tag};

/// Builds a batch of stored values of another schema version.
#[derive(Debug, Clone)]
pub struct MigrateBuilder {
    records: RecordsBuilder,
    stores: FixedBuilder<u16>,
    schemas: FixedBuilder<u32>,
}

impl Default for MigrateBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl MigrateBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: RecordsBuilder::new(),
            stores: FixedBuilder::<u16>::new(0),
            schemas: FixedBuilder::<u32>::new(0),
        }
    }

    /// Adds a value that was written with schema version `schema`.
    pub fn push(&mut self, store: u16, key: &[u8], value: &[u8], schema: u32) {
        self.stores.set(self.records.len(), store);
        self.schemas.set(self.records.len(), schema);
        self.records.push(Some(key), Some(value), 0);
    }

    /// Number of values so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Lays the values out as a batch, and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let rows = self.records.len();
        let stores = self.stores.column(tag::TARGET, rows);
        let more: Vec<_> =
            stores.into_iter().chain(self.schemas.column(tag::SCHEMA, rows)).collect();
        self.records.finish_kind(Kind::Migrate, &more, &mut out);
        self.stores.clear();
        self.schemas.clear();
        out
    }
}
