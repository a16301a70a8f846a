//! `pelton up` as its users meet it: the binary in a process of its own, driven by the command line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beside;
mod commands;
mod ends;
mod server;
mod starts;
mod story;
#[path = "../cli/support.rs"]
mod support;
