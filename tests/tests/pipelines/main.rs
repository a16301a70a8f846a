//! Pipelines on a node, in real WebAssembly.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crashes;
mod deploy;
mod fused;
#[path = "../support/functions.rs"]
mod support;
