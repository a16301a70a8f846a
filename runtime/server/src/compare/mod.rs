//! Comparing what two versions of a function sent: counts, and the newest differences, field by field.

mod board;
mod fields;
mod shown;

pub use board::{Board, Counts, DIFFERENCES_KEPT};
pub use fields::{FIELDS_MAX, FieldDifference, field_differences};
pub use shown::{CauseKind, ComparedRecord, ComparisonCause, DifferenceEntry, DifferenceWay};
pub(crate) use shown::{records, shown};
