//! Where to start reading, as an offset.

use std::time::Duration;

use pelton_core::Start;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

use crate::admin::{broker, partitions};
use crate::config::Cluster;
use crate::context::Context;
use crate::error::KafkaError;

/// The offset to start at, and the end of the partition.
///
/// # Errors
/// [`KafkaError::UnknownPartition`], [`KafkaError::Broker`], or [`KafkaError::BeyondEnd`] for an
/// offset that the partition has not reached: it is not the topic that it was.
pub(crate) fn resolve(
    cluster: &Cluster,
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: u32,
    start: Start,
) -> Result<(u64, u64), KafkaError> {
    let count = partitions(cluster, consumer, topic)?;
    if count.is_none_or(|count| partition >= count) {
        let cluster = cluster.name.to_string();
        return Err(KafkaError::UnknownPartition { cluster, topic: topic.into(), partition });
    }
    let (first, end) = ends(cluster, consumer, topic, partition)?;
    let offset = match start {
        Start::Earliest => first,
        Start::Latest => end,
        Start::Offset(offset) if offset > end => {
            return Err(KafkaError::BeyondEnd { topic: topic.into(), partition, offset, end });
        }
        Start::Offset(offset) => offset.max(first),
        Start::Time(time) => at_time(cluster, consumer, topic, partition, time)?.unwrap_or(end),
    };
    Ok((offset, end))
}

/// The first offset of a partition, and the one behind its last committed record.
///
/// # Errors
/// [`KafkaError::Broker`] where no broker tells.
pub(crate) fn ends(
    cluster: &Cluster,
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: u32,
) -> Result<(u64, u64), KafkaError> {
    let failed =
        |cause| broker(cluster, format!("asking for the ends of {topic}-{partition}"), cause);
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let mut tries_left = 50;
    loop {
        match consumer.fetch_watermarks(topic, number, cluster.request_timeout) {
            Ok((first, end)) => {
                return Ok((first.max(0).unsigned_abs(), end.max(0).unsigned_abs()));
            }
            // A topic that has just been made has no leader for a moment.
            Err(Cause::MetadataFetch(Code::LeaderNotAvailable | Code::NotLeaderForPartition))
                if tries_left > 0 =>
            {
                tries_left -= 1;
                // Polling is also how this waits.
                if let Some(Err(error)) = consumer.poll(Duration::from_millis(20)) {
                    tracing::debug!(%error, "waiting for a leader");
                }
            }
            Err(cause) => return Err(failed(cause)),
        }
    }
}

fn at_time(
    cluster: &Cluster,
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: u32,
    time: i64,
) -> Result<Option<u64>, KafkaError> {
    let failed = |cause| {
        broker(cluster, format!("asking for a time's offset in {topic}-{partition}"), cause)
    };
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, number, Offset::Offset(time.max(0))).map_err(failed)?;
    let found = consumer.offsets_for_times(list, cluster.request_timeout).map_err(failed)?;
    match found.elements().first().map(|element| element.offset()) {
        Some(Offset::Offset(offset)) => Ok(Some(offset.unsigned_abs())),
        _ => Ok(None),
    }
}
