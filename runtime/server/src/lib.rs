//! Wires the parts to a running node: journal, wasm host, engine, workers.
//!
//! A [`Node`] owns one data directory. Functions are loaded by [`Node::load`], deployed by
//! [`Node::deploy`] and run on the node's workers.

pub mod backup;
mod clock;
pub mod compare;
mod control;
pub mod data;
mod deployment;
mod drive;
pub mod functions;
pub mod history;
pub mod http;
mod latency;
mod load;
mod node;
pub mod replication;
mod settle;
mod spec;
mod telemetry;
mod workers;

pub use clock::SystemClock;
pub use control::SwapEvent;
pub use deployment::{Deployment, Progress};
pub use load::LoadOptions;
pub use node::{Node, NodeConfig};
pub use spec::{DeploymentSpec, InputSpec, PoisonSpec, secret_from_environment};
pub use telemetry::{LOG_BYTES_PER_SECOND, LogLine, NodeTelemetry};
pub use workers::{SUSPENDED_CALLS_MAX, Timers, Workers, yield_now};

pub use pelton_engine::{Task, Verdict};
pub use pelton_journal::{Action, Hooks, POINTS, Point, SyncMode, TopicConfig};
