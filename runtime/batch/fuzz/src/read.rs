//! No input may crash a reader: parse, validate and read everything, and compare ways of reading.
//!
//! ```text
//! cd runtime/batch/fuzz
//! cargo run --release --target x86_64-unknown-linux-gnu -- \
//!     corpus/read ../../../tests/golden/batch -max_len=4096 -max_total_time=60
//! ```
//!
//! The stable toolchain does: `.cargo/config.toml` switches the coverage counters on.

#![no_main]
#![forbid(unsafe_code)]

#[path = "../../tests/common/read.rs"]
mod read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| read::read_everything(bytes));
