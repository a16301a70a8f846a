//! The journal's promises, each tested by the property it is named for.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod adapter;
mod alter;
mod backup;
mod basics;
mod compaction;
mod compaction_limits;
mod compaction_model;
mod concurrency;
mod damage;
mod durable;
mod faults;
mod fixture;
mod fused;
mod limits;
mod model;
mod records;
mod recycling;
mod replica;
mod retention;
mod rewind;
mod snapshots;
mod support;
mod tails;
mod time;
mod topics;
mod waiting;
