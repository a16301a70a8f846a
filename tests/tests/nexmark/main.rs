//! NEXMark: the queries as functions, in real WebAssembly, over events that come out of order. What they
//! tell is what a plain computation over all events does: by sorting, grouping and looking, without any of
//! the engine's ideas.
#![allow(clippy::unwrap_used, reason = "a test fails where it is")]

#[path = "../cli/support.rs"]
#[allow(dead_code, reason = "it uses a part of it")]
mod command;
mod events;
mod pipeline;
mod single;
mod windowed;
mod winners;
