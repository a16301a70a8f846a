//! The engine: what a task does with records, and what it commits.
//!
//! A [`Task`] reads slices of its inputs, calls its guest, turns the answer into state changes and
//! output batches, and hands all of it to its sink as one commit. When to cut a slice, when a
//! window fires, what to do after a fault are pure functions over observed facts.
//!
//! **Invariant:** no I/O, no clock and no thread of its own: sources, sinks, guests and the clock
//! are handed in, so that the whole engine runs under a seeded simulation.

mod apply;
mod call;
mod canary;
mod config;
mod dead_letters;
mod due;
mod environment;
mod event_time;
mod faults;
mod guest_time;
mod input;
pub mod memory;
mod migrate;
mod opening;
mod outputs;
mod peers;
mod plan;
mod pool;
mod progress;
mod random;
mod reads;
pub mod scheduler;
mod scratch;
mod shadow;
mod slice;
mod task;
mod telemetry;
mod windows;

pub use canary::{
    CANARY_PARTS, CanaryBoard, CanaryCounts, CanaryFactory, Side, SideCounts, side_of,
};
pub use config::{InputConfig, NullKey, OnPoison, OutputTopic, RetryPolicy, Settings, TaskConfig};
pub use event_time::event_time_of;
pub use faults::{Decision, decide};
pub use migrate::{MIGRATE_BYTES_MAX, MIGRATE_VALUES_MAX};
pub use opening::OpenEnvironment;
pub use peers::Peers;
pub use pool::GuestPool;
pub use progress::EventClock;
pub use random::random;
pub use reads::{Reads, Touched};
pub use shadow::{
    Beat, Cause, Difference, DifferenceKind, Effect, Emitted, FEED_BYTES_MAX, FEED_COMMITS_MAX,
    Fed, Feed, Given, Sample, Shadow, ShadowSeed, TOLD_MAX, Tally, WATCHED_BYTES_MAX,
    WATCHED_COMMITS_MAX, WATCHES_MAX, Watch, Watched,
};
pub use task::{
    InputSeen, PaneSeen, Parts, Repeat, Replacement, Savepoint, Step, Task, Verdict,
    check_savepoint, savepoint_meta,
};
pub use telemetry::{Counters, NoTelemetry, Telemetry};
