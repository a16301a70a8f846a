//! The transactional producer, and what its errors mean.

use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError as Cause, RDKafkaErrorCode as Code};
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::admin::{broker, client};
use crate::config::Cluster;
use crate::context::Context;
use crate::error::KafkaError;

/// How often a full queue is waited for, 10 ms each time.
const FULL_WAITS_MAX: u32 = 1_000;
/// How long one try of an abort may take.
const ABORT_TRY: Duration = Duration::from_millis(100);

pub(super) struct Producer {
    cluster: Cluster,
    id: String,
    producer: BaseProducer<Context>,
}

/// A record to be produced.
pub(super) struct Record<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// `None` is the time at which librdkafka takes it.
    pub(super) timestamp: Option<i64>,
    pub(super) headers: Option<OwnedHeaders>,
}

/// How a transaction failed.
pub(super) enum Failure {
    /// It was aborted, and the producer can go on.
    Aborted(KafkaError),
    /// The producer must be dropped.
    Lost(KafkaError),
}

impl Producer {
    /// Makes a producer and fences those that had its id before; their open transaction is aborted.
    pub(super) fn take_over(cluster: &Cluster, id: &str) -> Result<Self, KafkaError> {
        let config = cluster.producer(id);
        let producer = BaseProducer::from_config_and_context(&config, Context)
            .map_err(|cause| client(cluster, &cause))?;
        producer
            .init_transactions(cluster.request_timeout)
            .map_err(|cause| broker(cluster, format!("taking over {id}"), cause))?;
        Ok(Self { cluster: cluster.clone(), id: id.into(), producer })
    }

    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.producer.begin_transaction().map_err(|cause| self.lost("it was begun", &cause))
    }

    /// Hands a record to librdkafka, which copies it.
    pub(super) fn send(&self, record: Record<'_>) -> Result<(), Failure> {
        let Record { topic, partition, key, value, timestamp, headers } = record;
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(number);
        message.key = key;
        message.payload = value;
        message.timestamp = timestamp;
        message.headers = headers;
        let mut waits = 0;
        loop {
            let Err((cause, back)) = self.producer.send(message) else { return Ok(()) };
            match cause {
                Cause::MessageProduction(Code::QueueFull) if waits < FULL_WAITS_MAX => {
                    waits += 1;
                    self.producer.poll(Duration::from_millis(10));
                    message = back;
                }
                Cause::MessageProduction(
                    Code::MessageSizeTooLarge | Code::UnknownPartition | Code::UnknownTopic,
                ) => {
                    let cluster = self.cluster.name.to_string();
                    let (topic, cause) = (topic.to_owned(), cause.to_string());
                    let refused = KafkaError::Refused { cluster, topic, partition, cause };
                    return Err(self.abort_for(refused));
                }
                _ => return Err(self.failed("a record was handed over", &cause)),
            }
        }
    }

    /// Commits, with the read positions of the group.
    pub(super) fn commit(
        &self,
        offsets: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), Failure> {
        let timeout = self.cluster.request_timeout;
        if offsets.count() > 0 {
            self.producer
                .send_offsets_to_transaction(offsets, group, timeout)
                .map_err(|cause| self.failed("positions were handed over", &cause))?;
        }
        self.producer
            .commit_transaction(timeout)
            .map_err(|cause| self.failed("it was committed", &cause))
    }

    /// What an error means. Only where librdkafka itself asks for an abort is it certain that the
    /// transaction was not committed; after a time-out nobody knows.
    fn failed(&self, what: &'static str, cause: &Cause) -> Failure {
        match cause {
            Cause::Transaction(error) if error.txn_requires_abort() && !error.is_fatal() => {
                let (id, cause) = (self.id.clone(), cause.to_string());
                self.abort_for(KafkaError::Aborted { id, what, cause })
            }
            _ => self.lost(what, cause),
        }
    }

    /// Aborts. The producer goes on only where that worked.
    pub(super) fn abort_for(&self, error: KafkaError) -> Failure {
        let mut tries_left = self.cluster.request_timeout.as_millis() / ABORT_TRY.as_millis() + 1;
        loop {
            // An abort waits for the reports of the records that it throws away, and on this
            // thread only `poll` fetches those: hence in short tries, which librdkafka resumes.
            match self.producer.abort_transaction(ABORT_TRY) {
                Ok(()) => return Failure::Aborted(error),
                Err(Cause::Transaction(cause)) if cause.is_retriable() && tries_left > 0 => {
                    tries_left -= 1;
                    self.producer.poll(ABORT_TRY);
                }
                Err(cause) => return self.lost("it was aborted", &cause),
            }
        }
    }

    fn lost(&self, what: &'static str, cause: &Cause) -> Failure {
        let (id, text) = (self.id.clone(), cause.to_string());
        let codes = [
            cause.rdkafka_error_code(),
            self.producer.client().fatal_error().map(|(code, _)| code),
        ];
        let fenced = codes.into_iter().flatten().any(|code| {
            matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
        });
        Failure::Lost(if fenced {
            KafkaError::Fenced { id, cause: text }
        } else {
            KafkaError::Indefinite { id, what, cause: text }
        })
    }
}
