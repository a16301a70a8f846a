//! `pelton up` as its users meet it: the binary in a process of its own, driven by the command line.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod beside;
mod capsule;
mod careful;
mod chains;
mod commands;
mod compacted;
mod dev;
mod dev_session;
mod doctor;
mod ends;
mod explain;
mod export;
mod exported;
mod figures;
mod full;
mod invoke;
mod load;
mod manifest;
mod openapi;
#[path = "../../../runtime/otel/tests/receiver/mod.rs"]
mod otlp_receiver;
mod pipelines;
mod poisoned;
mod readme;
mod replay_kill;
mod replica;
mod server;
mod starts;
mod story;
#[path = "../cli/support.rs"]
mod support;
mod tap;
mod under_load;
