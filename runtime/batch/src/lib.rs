//! The batch layout: the one byte format that records and operations have in Pelton, in the
//! journal, in memory and across the WebAssembly boundary.
//!
//! A batch is a 16-byte header, a column directory, and 8-byte-aligned little-endian columns that
//! follow Arrow's buffer rules. `docs/batch-format.md` specifies every byte; this crate is the
//! reader and the builder that the host and the Rust SDK share.
//!
//! Reading never copies and never panics, whatever the bytes are: [`Batch::parse`] checks the
//! structure in time proportional to the number of columns, [`Batch::validate`] checks every row.
//! A host calls both on what a guest returned; a guest may trust what its host sent.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
pub mod builder;
mod column;
mod error;
mod groups;
pub mod layout;
mod migrate;
mod operations;
mod records;
mod timers;

pub use batch::Batch;
pub use builder::{
    GroupsBuilder, MigrateBuilder, OperationsBuilder, RecordsBuilder, TimersBuilder, Wanted,
};
pub use column::{Bits, BytesColumn, Fixed, Headers, Scalar};
pub use error::{FormatError, Versions};
pub use groups::{Group, Groups, Pane};
pub use layout::Kind;
pub use migrate::{StoredValue, StoredValues};
pub use operations::{OpKind, OpKinds, Operation, Operations};
pub use records::{Header, HeaderIter, Record, Records};
pub use timers::{TimerRow, Timers};
