//! Builders: they write columns as rows come and lay them out once at the end.

mod columns;
mod groups;
mod migrate;
mod operations;
mod records;
mod timers;

pub use columns::{FixedBuilder, HeadersBuilder, VarBuilder};
pub use groups::GroupsBuilder;
pub use migrate::MigrateBuilder;
pub use operations::OperationsBuilder;
pub use records::{RecordsBuilder, Wanted};
pub use timers::TimersBuilder;

/// The number of rows as the header holds it.
///
/// # Panics
/// Panics at 2^32 rows, as [`crate::layout::write`] does at 4 GiB.
fn rows_u32(rows: usize) -> u32 {
    match u32::try_from(rows) {
        Ok(rows) => rows,
        Err(_) => panic!("a batch of {rows} rows has no layout: cut it by rows before"),
    }
}
