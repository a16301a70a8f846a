//! `pelton up` as its users meet it: the binary in a process of its own, driven by the command line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod beside;
mod commands;
mod dev;
mod dev_session;
mod ends;
mod figures;
mod full;
mod load;
mod replica;
mod server;
mod starts;
mod story;
#[path = "../cli/support.rs"]
mod support;
mod tap;
