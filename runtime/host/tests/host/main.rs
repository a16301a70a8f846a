//! What the host does with functions, well-behaved and hostile. Names that start with `h` and a
//! number are cases of the project's catalogue of hostile guests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abi;
mod cache;
mod calls;
mod compile;
mod imports;
mod memory;
mod reentry;
mod scan;
mod simple;
mod start;
mod support;
mod time;
mod traps;
mod types;
mod wasi;
