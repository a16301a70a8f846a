//! Functions in native code, and a small world to run them in.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "each test file is a crate of its own")]

pub mod functions;
mod world;

pub use world::*;
