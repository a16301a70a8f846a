//! Time travel: savepoints, rewinding, replays, capsules, on real WebAssembly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod capsules;
mod crashes;
mod replays;
mod savepoints;
mod support;
