//! The HTTP API, by a raw client against a real listener.
#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

mod clock;
mod connections;
mod console;
mod consume;
mod errors;
mod groups;
mod hostile;
mod idempotence;
mod produce;
mod replication;
mod safety;
mod server;
mod stream;
mod topics;
