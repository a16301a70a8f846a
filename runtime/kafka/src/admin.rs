//! Topics: making them and asking after them. Everything here waits for the brokers.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};

use pelton_core::TopicName;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode};

use crate::config::Cluster;
use crate::context::Context;
use crate::error::KafkaError;
use crate::names::kafka_topic;

/// What a new topic is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Number of partitions.
    pub partitions: u32,
    /// Number of replicas; -1 takes the brokers' default.
    pub replication: i32,
    /// Whether only the last value of each key is kept.
    pub compacted: bool,
    /// Settings of the topic on top of the brokers' own. Brokers delete by a record's own
    /// timestamp: a topic of events of long ago needs `retention.ms` of -1, or they go within
    /// minutes.
    pub settings: BTreeMap<String, String>,
}

/// Makes topics and tells what there is.
pub struct Admin {
    cluster: Cluster,
    client: AdminClient<Context>,
    /// Asks for metadata: unlike a producer it never makes a topic by asking.
    reader: BaseConsumer<Context>,
}

impl Admin {
    /// An administrator of this cluster.
    ///
    /// # Errors
    /// [`KafkaError::Client`] where the settings are wrong. Whether the brokers can be reached
    /// shows later.
    pub fn new(cluster: &Cluster) -> Result<Self, KafkaError> {
        let config = cluster.client();
        let made = |cause| client(cluster, &cause);
        let client = AdminClient::from_config_and_context(&config, Context).map_err(made)?;
        let reader = BaseConsumer::from_config_and_context(&config, Context).map_err(made)?;
        Ok(Self { cluster: cluster.clone(), client, reader })
    }

    /// Makes a topic; `false` where it was there already, however it is made.
    ///
    /// # Errors
    /// [`KafkaError::Broker`] where the brokers do not do it.
    pub fn create_topic(&self, topic: &TopicName, spec: &TopicSpec) -> Result<bool, KafkaError> {
        self.create(&kafka_topic(topic)?, spec)
    }

    /// Number of partitions of a topic; `None` where there is no such topic.
    ///
    /// # Errors
    /// [`KafkaError::Broker`] where no broker tells.
    pub fn partitions(&self, topic: &TopicName) -> Result<Option<u32>, KafkaError> {
        partitions(&self.cluster, &self.reader, &kafka_topic(topic)?)
    }

    pub(crate) fn create(&self, name: &str, spec: &TopicSpec) -> Result<bool, KafkaError> {
        let replication = TopicReplication::Fixed(spec.replication);
        let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
        let mut topic = NewTopic::new(name, partitions, replication);
        if spec.compacted {
            topic = topic.set("cleanup.policy", "compact");
        }
        for (setting, value) in &spec.settings {
            topic = topic.set(setting, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(self.cluster.request_timeout));
        let failed = |cause| broker(&self.cluster, format!("creating topic {name}"), cause);
        let results = block_on(self.client.create_topics([&topic], &options)).map_err(failed)?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(failed(Cause::AdminOp(code))),
            Some(Ok(_)) | None => Ok(true),
        }
    }
}

pub(crate) fn client(cluster: &Cluster, cause: &Cause) -> KafkaError {
    KafkaError::Client { cluster: cluster.name.to_string(), cause: cause.to_string() }
}

pub(crate) fn broker(cluster: &Cluster, what: String, cause: Cause) -> KafkaError {
    KafkaError::Broker { cluster: cluster.name.to_string(), what, cause: cause.to_string() }
}

/// Number of partitions of a topic, asked by this consumer.
pub(crate) fn partitions(
    cluster: &Cluster,
    reader: &BaseConsumer<Context>,
    topic: &str,
) -> Result<Option<u32>, KafkaError> {
    let what = || format!("asking for the partitions of {topic}");
    let metadata = reader
        .fetch_metadata(Some(topic), cluster.request_timeout)
        .map_err(|cause| broker(cluster, what(), cause))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(Some(found.partitions().len() as u32)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
            Ok(None)
        }
        Some(code) => Err(broker(cluster, what(), Cause::MetadataFetch(code))),
    }
}

/// Waits on this thread. librdkafka's own threads make the future ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
