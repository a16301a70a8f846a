//! Builders: they write columns as rows come and lay them out once at the end.

mod columns;
mod groups;
mod operations;
mod records;
mod timers;

pub use columns::{FixedBuilder, HeadersBuilder, VarBuilder};
pub use groups::GroupsBuilder;
pub use operations::OperationsBuilder;
pub use records::{RecordsBuilder, Wanted};
pub use timers::TimersBuilder;
