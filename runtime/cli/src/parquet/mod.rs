//! Parquet files: reading any of them row by row, and the columns of records.

mod guard;
mod json;
mod records;
mod rows;
mod time;

pub(crate) use guard::guarded;
pub(crate) use json::{check_types, write_json};
pub(crate) use records::{RecordColumns, records_schema};
pub(crate) use rows::Rows;
pub(crate) use time::time_ms;
