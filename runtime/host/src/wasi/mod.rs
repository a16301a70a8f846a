//! The interfaces of WASI 0.2 that a function may import, since the toolchains of most languages
//! always do: those that are harmless are answered, alike on every replay; those that would reach
//! the outside load, and a call of theirs is a fault. Nothing here opens a file, a socket or a clock.
//!
//! `docs/wasi.md` lists them; [`interfaces`] is what it is taken from.

mod cli;
mod clocks;
mod interfaces;
mod lines;
mod link;
mod random;
mod resources;
mod state;
mod streams;

pub(crate) use interfaces::{PREVIEW_1, of_import, packages};
pub use interfaces::{WasiImport, WasiStanding};
pub(crate) use lines::Output;
pub(crate) use link::add;
pub(crate) use state::WasiState;
