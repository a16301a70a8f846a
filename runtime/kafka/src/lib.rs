//! Pelton on Apache Kafka: a [`Source`](pelton_core::Source) that reads committed records, a
//! [`Sink`](pelton_core::Sink) that makes a commit one Kafka transaction, and what little
//! administration both need.
//!
//! - [`KafkaSource`] reads partitions that it is told to read (no group assigns them) and builds
//!   batches straight from librdkafka's messages.
//! - [`KafkaSink`] is one transactional producer for one function. Output records, state changes,
//!   the task's meta record and its read positions go into one transaction. State is kept in a
//!   compacted changelog, see [`changelog`].
//! - [`Admin`] creates topics and tells their partitions.
//!
//! **Invariant:** this is the only crate that knows Kafka. Partitions of output records are chosen
//! before they get here, by murmur2 as in Kafka's Java client; librdkafka's own partitioner, which
//! differs, is never asked.

mod admin;
pub mod changelog;
mod config;
mod context;
mod error;
mod names;
mod sink;
mod source;
mod timestamp;

pub use admin::{Admin, TopicSpec};
pub use config::Cluster;
pub use error::KafkaError;
pub use names::{changelog_topic, group, kafka_topic};
pub use sink::KafkaSink;
pub use source::KafkaSource;
