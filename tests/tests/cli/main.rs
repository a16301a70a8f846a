//! The command line as its users see it: arguments and input in, output and exit code out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod basics;
mod demo;
mod event_time;
mod files;
mod fixtures;
mod flights;
mod invoke;
mod library;
mod parquet;
mod profiles;
mod project;
mod read;
mod run;
mod support;
mod unfinished;
mod windows;
