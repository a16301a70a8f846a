//! What can go wrong with Kafka.

use pelton_core::{Coded, Domain};

/// An error of this crate. `cluster` is the name that the configuration gives it.
#[derive(Debug, thiserror::Error)]
pub enum KafkaError {
    /// A client cannot be made: a setting that librdkafka does not take.
    #[error("a Kafka client for cluster {cluster:?} cannot be made: {cause}; check its settings")]
    Client {
        /// The cluster.
        cluster: String,
        /// What librdkafka said.
        cause: String,
    },
    /// A request failed or timed out.
    #[error("cluster {cluster:?}: {what} failed: {cause}; see whether its brokers can be reached")]
    Broker {
        /// The cluster.
        cluster: String,
        /// What was asked for.
        what: String,
        /// What librdkafka said.
        cause: String,
    },
    /// There is no such topic, or it has not that many partitions.
    #[error(
        "cluster {cluster:?} has no topic partition {topic}-{partition}; create the topic first"
    )]
    UnknownPartition {
        /// The cluster.
        cluster: String,
        /// The topic as Kafka knows it.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// A seek behind the end of a partition.
    #[error("offset {offset} of {topic}-{partition} is beyond its end, {end}")]
    BeyondEnd {
        /// The topic as Kafka knows it.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset that was asked for.
        offset: u64,
        /// The end.
        end: u64,
    },
    /// A name that Kafka cannot hold.
    #[error("the Kafka name {name:?} is not allowed: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Another process has taken the function over.
    #[error("another process has taken over {id}; this one may not commit any more: {cause}")]
    Fenced {
        /// The transactional id.
        id: String,
        /// What librdkafka said.
        cause: String,
    },
    /// The transaction was aborted, nothing of it is there.
    #[error("the transaction of {id} was aborted while {what}: {cause}; it can be tried again")]
    Aborted {
        /// The transactional id.
        id: String,
        /// What was being done.
        what: &'static str,
        /// What librdkafka said.
        cause: String,
    },
    /// Nobody knows whether the transaction was committed.
    #[error(
        "it is not known whether the transaction of {id} was committed ({what}: {cause}); load \
         the task again to find out"
    )]
    Indefinite {
        /// The transactional id.
        id: String,
        /// What was being done.
        what: &'static str,
        /// What librdkafka said.
        cause: String,
    },
    /// A record that the cluster does not take.
    #[error("cluster {cluster:?} does not take a record for {topic}-{partition}: {cause}")]
    Refused {
        /// The cluster.
        cluster: String,
        /// The topic as Kafka knows it.
        topic: String,
        /// The partition.
        partition: u32,
        /// What librdkafka said.
        cause: String,
    },
    /// A commit of a task that this sink has not loaded, or has to load again.
    #[error("task {task} is not loaded; load it before it commits")]
    NotLoaded {
        /// The task.
        task: String,
    },
    /// A record of a changelog that cannot be read, or a change that cannot be written to one.
    #[error("the changelog {topic}-{partition} {what}")]
    Changelog {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// What is wrong.
        what: String,
    },
    /// The thread behind a source or sink is gone.
    #[error("the thread of a Kafka {what} has ended; open it anew")]
    Closed {
        /// Which.
        what: &'static str,
    },
}

impl Coded for KafkaError {
    fn code(&self) -> &'static str {
        match self {
            Self::Client { .. } => "E-KAFKA-CLIENT",
            Self::Broker { .. } => "E-KAFKA-BROKER",
            Self::UnknownPartition { .. } => "E-KAFKA-UNKNOWN-PARTITION",
            Self::BeyondEnd { .. } => "E-KAFKA-BEYOND-END",
            Self::Name { .. } => "E-KAFKA-NAME",
            Self::Fenced { .. } => "E-KAFKA-FENCED",
            Self::Aborted { .. } => "E-KAFKA-ABORTED",
            Self::Indefinite { .. } => "E-KAFKA-INDEFINITE",
            Self::Refused { .. } => "E-KAFKA-REFUSED",
            Self::NotLoaded { .. } => "E-KAFKA-NOT-LOADED",
            Self::Changelog { .. } => "E-KAFKA-CHANGELOG",
            Self::Closed { .. } => "E-KAFKA-CLOSED",
        }
    }

    fn domain(&self) -> Domain {
        match self {
            Self::Client { .. } | Self::UnknownPartition { .. } | Self::Name { .. } => Domain::User,
            Self::NotLoaded { .. } | Self::Closed { .. } | Self::BeyondEnd { .. } => {
                Domain::Internal
            }
            _ => Domain::External,
        }
    }

    fn retryable(&self) -> bool {
        matches!(self, Self::Broker { .. } | Self::Aborted { .. })
    }
}

/// An error as the traits of the core want it.
pub(crate) fn core(error: KafkaError) -> pelton_core::Error {
    pelton_core::Error::from_coded(error)
}
