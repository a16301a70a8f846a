//! Reading a changelog back.

use std::time::Duration;

use pelton_core::Recovered;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};

use crate::admin::{broker, partitions};
use crate::changelog::{Index, Restore};
use crate::config::Cluster;
use crate::context::Context;
use crate::error::KafkaError;
use crate::source::{Event, ReadQueue, consumer, ends};

/// How long one wait for more of the changelog is.
const WAIT: Duration = Duration::from_millis(500);

/// Reads changelogs, and stands for the function's group in transactions.
pub(super) struct LogReader {
    cluster: Cluster,
    group: String,
    consumer: BaseConsumer<Context>,
}

impl LogReader {
    pub(super) fn new(cluster: &Cluster, group: &str) -> Result<Self, KafkaError> {
        let consumer = consumer(cluster, group)?;
        Ok(Self { cluster: cluster.clone(), group: group.into(), consumer })
    }

    /// The function's group, as one without members.
    pub(super) fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    pub(super) fn partitions(&self, topic: &str) -> Result<Option<u32>, KafkaError> {
        partitions(&self.cluster, &self.consumer, topic)
    }

    /// What the partition holds, committed records only, up to its end as of now.
    pub(super) fn restore(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<(Recovered, Index), KafkaError> {
        let wrong = |what| KafkaError::Changelog { topic: topic.into(), partition, what };
        let (first, end) = ends(&self.cluster, &self.consumer, topic, partition)?;
        let mut restore = Restore::default();
        if first < end {
            // A client of its own each time: see `ReadQueue::assign`.
            let client = consumer(&self.cluster, &self.group)?;
            let mut queue = ReadQueue::new(client);
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            let failed = |cause| broker(&self.cluster, format!("reading {topic}"), cause);
            queue.assign([(topic, number, first)]).map_err(failed)?;
            self.read(&mut queue, topic, end, &mut restore)?;
        }
        restore.finish().map_err(wrong)
    }

    fn read(
        &self,
        queue: &mut ReadQueue,
        topic: &str,
        end: u64,
        restore: &mut Restore,
    ) -> Result<(), KafkaError> {
        let cluster = &self.cluster;
        let waits = cluster.request_timeout.as_millis() / WAIT.as_millis() + 1;
        let (mut reached, mut failed, mut idle) = (0, None, 0);
        while reached < end && failed.is_none() && idle < waits {
            let count = queue.read(WAIT, |event| match event {
                Event::Record(message) => {
                    restore.push(message.key().unwrap_or_default(), message.value());
                    reached = message.offset() + 1;
                }
                Event::End(message) => reached = message.offset(),
                Event::Failed(_, cause) => failed = Some(cause),
            });
            idle = if count == 0 { idle + 1 } else { 0 };
        }
        match failed {
            Some(cause) => Err(broker(cluster, format!("reading {topic}"), cause)),
            None if reached < end => Err(KafkaError::Broker {
                cluster: cluster.name.to_string(),
                what: format!("reading {topic}"),
                cause: format!("nothing came behind offset {reached}, of {end}"),
            }),
            None => Ok(()),
        }
    }
}
