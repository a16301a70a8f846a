//! Running a function natively, in an ordinary `cargo test`.
//!
//! [`Harness`] runs a function on Pelton's own engine over a log in memory: windows, timers, time
//! to live, undo and retries are the real ones, and the clock stands still until it is moved.
//!
//! ```
//! use pelton_sdk::testing::Harness;
//!
//! pelton_sdk::filter!(|record| record.value_bytes().len() > 3);
//!
//! # fn main() {
//! let mut test = Harness::new(function);
//! test.push("a", "long enough", 1_000);
//! test.push("b", "no", 2_000);
//! assert_eq!(test.texts("out"), ["long enough"]);
//! # }
//! ```

mod harness;
mod native;
mod observed;

pub use harness::Harness;
pub use native::NativeFunction;
pub use observed::{Emitted, LogLine, Rejected};
