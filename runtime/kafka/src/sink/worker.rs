//! The thread behind a sink: it owns the producer and waits for the brokers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pelton_batch::Batch;
use pelton_core::{FunctionId, OutputBatch, Recovered, TaskId, TaskMeta, TopicName};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::{Offset, TopicPartitionList};

use super::log_reader::LogReader;
use super::producer::{Failure, Producer, Record};
use super::{Job, Work};
use crate::admin::{Admin, TopicSpec};
use crate::changelog::{Change, Index, class, encode_meta};
use crate::config::Cluster;
use crate::error::KafkaError;
use crate::names::{changelog_topic, group, kafka_topic};
use crate::timestamp;

pub(super) struct Worker {
    cluster: Cluster,
    function: FunctionId,
    /// The group, and the id of the transactions.
    id: String,
    changelog: String,
    task_count: u32,
    reader: LogReader,
    producer: Option<Producer>,
    /// The changelogs of the tasks that this producer has loaded.
    tasks: HashMap<u32, Index>,
    /// What is known of output topics.
    partitions: HashMap<TopicName, (Arc<str>, u32)>,
    sequence: u64,
    committed: Arc<AtomicU64>,
}

impl Worker {
    pub(super) fn new(
        cluster: &Cluster,
        function: &FunctionId,
        task_count: u32,
        committed: Arc<AtomicU64>,
    ) -> Result<Self, KafkaError> {
        let id = group(function)?;
        Ok(Self {
            cluster: cluster.clone(),
            function: function.clone(),
            changelog: changelog_topic(function)?,
            task_count: task_count.max(1),
            reader: LogReader::new(cluster, &id)?,
            id,
            producer: None,
            tasks: HashMap::new(),
            partitions: HashMap::new(),
            sequence: 0,
            committed,
        })
    }

    /// Does a job. Whoever asked may have stopped waiting, which changes nothing.
    pub(super) fn run(&mut self, job: Job) {
        match job {
            Job::Load { task, answer } => {
                let _ = answer.send(self.load(&task));
            }
            Job::Partitions { topic, answer } => {
                let found = self.topic(&topic).map(|found| found.map(|(_, count)| count));
                let _ = answer.send(found);
            }
            Job::Commit { work, answer } => {
                let _ = answer.send(self.commit(&work));
            }
        }
    }

    fn load(&mut self, task: &TaskId) -> Result<Recovered, KafkaError> {
        if task.function != self.function || task.partition >= self.task_count {
            return Err(KafkaError::NotLoaded { task: format!("{task} (of another function)") });
        }
        self.tasks.remove(&task.partition);
        if self.producer.is_none() {
            self.make_changelog()?;
            self.tasks.clear();
            self.producer = Some(Producer::take_over(&self.cluster, &self.id)?);
        }
        // Only now: what an earlier owner had open has been aborted or committed.
        let (recovered, index) = self.reader.restore(&self.changelog, task.partition)?;
        self.tasks.insert(task.partition, index);
        self.sequence = self.sequence.max(recovered.sequence);
        self.committed.fetch_max(recovered.sequence, Ordering::AcqRel);
        Ok(recovered)
    }

    fn make_changelog(&self) -> Result<(), KafkaError> {
        let partitions = match self.reader.partitions(&self.changelog)? {
            Some(partitions) => partitions,
            None => {
                let (partitions, replication) = (self.task_count, self.cluster.replication);
                let settings = BTreeMap::new();
                let spec = TopicSpec { partitions, replication, compacted: true, settings };
                Admin::new(&self.cluster)?.create(&self.changelog, &spec)?;
                partitions
            }
        };
        if partitions < self.task_count {
            return Err(KafkaError::Changelog {
                topic: self.changelog.clone(),
                partition: self.task_count - 1,
                what: format!(
                    "is not there: the function has {} tasks and its changelog {partitions} \
                     partitions; add partitions to it",
                    self.task_count
                ),
            });
        }
        Ok(())
    }

    /// A topic's name in Kafka and its number of partitions.
    fn topic(&mut self, topic: &TopicName) -> Result<Option<(Arc<str>, u32)>, KafkaError> {
        if let Some(known) = self.partitions.get(topic) {
            return Ok(Some(known.clone()));
        }
        let name = kafka_topic(topic)?;
        let Some(count) = self.reader.partitions(&name)? else { return Ok(None) };
        let known = (Arc::from(name), count);
        self.partitions.insert(topic.clone(), known.clone());
        Ok(Some(known))
    }

    fn commit(&mut self, work: &Work) -> Result<u64, KafkaError> {
        let not_loaded = || KafkaError::NotLoaded { task: work.task.to_string() };
        let partition = work.task.partition;
        if work.task.function != self.function || !self.tasks.contains_key(&partition) {
            return Err(not_loaded());
        }
        let mut outputs = Vec::with_capacity(work.outputs.len());
        for output in &work.outputs {
            outputs.push((self.output_topic(output)?, output));
        }
        let index = self.tasks.get_mut(&partition).ok_or_else(not_loaded)?;
        let wrong = |what| KafkaError::Changelog { topic: self.changelog.clone(), partition, what };
        let changes = index.apply(&work.record).map_err(|what| {
            index.roll_back();
            wrong(what)
        })?;
        let sequence = self.sequence + 1;
        match self.transaction(work, &outputs, &changes, sequence) {
            Ok(()) => {
                self.sequence = sequence;
                if let Some(index) = self.tasks.get_mut(&partition) {
                    index.accept();
                }
                self.committed.fetch_max(sequence, Ordering::AcqRel);
                Ok(sequence)
            }
            Err(Failure::Aborted(error)) => {
                if let Some(index) = self.tasks.get_mut(&partition) {
                    index.roll_back();
                }
                Err(error)
            }
            Err(Failure::Lost(error)) => {
                // A client that goes on after an answer was lost can tear the next transaction.
                self.producer = None;
                self.tasks.clear();
                Err(error)
            }
        }
    }

    fn output_topic(&mut self, output: &OutputBatch) -> Result<Arc<str>, KafkaError> {
        let OutputBatch { topic, partition, .. } = output;
        match self.topic(topic)? {
            Some((name, count)) if *partition < count => Ok(name),
            _ => Err(KafkaError::UnknownPartition {
                cluster: self.cluster.name.to_string(),
                topic: topic.to_string(),
                partition: *partition,
            }),
        }
    }

    fn transaction(
        &self,
        work: &Work,
        outputs: &[(Arc<str>, &OutputBatch)],
        changes: &[Change],
        sequence: u64,
    ) -> Result<(), Failure> {
        let lost = || Failure::Lost(KafkaError::NotLoaded { task: work.task.to_string() });
        let producer = self.producer.as_ref().ok_or_else(lost)?;
        let group = self.reader.group().ok_or_else(lost)?;
        let offsets = self.offsets(&work.record.meta).map_err(Failure::Aborted)?;
        let meta = encode_meta(sequence, &work.record.meta).map_err(|error| {
            Failure::Aborted(self.changelog_error(&work.task, error.to_string()))
        })?;
        producer.begin()?;
        for (topic, output) in outputs {
            self.produce(producer, topic, output)?;
        }
        let changes = changes.iter().map(|(key, value)| (&key[..], value.as_deref()));
        let meta = [(&[class::META][..], Some(&meta[..]))];
        for (key, value) in changes.chain(meta) {
            producer.send(Record {
                topic: &self.changelog,
                partition: work.task.partition,
                key: Some(key),
                value,
                timestamp: None,
                headers: None,
            })?;
        }
        producer.commit(&offsets, &group)
    }

    fn produce(
        &self,
        producer: &Producer,
        topic: &str,
        output: &OutputBatch,
    ) -> Result<(), Failure> {
        let batch = Batch::parse(&output.batch).and_then(Batch::records);
        let records = batch.map_err(|error| {
            let (cluster, cause) = (self.cluster.name.to_string(), error.to_string());
            let partition = output.partition;
            let refused = KafkaError::Refused { cluster, topic: topic.into(), partition, cause };
            producer.abort_for(refused)
        })?;
        for row in records.iter() {
            let (timestamp, told) = timestamp::outgoing(row.timestamp());
            let told = told
                .as_ref()
                .map(|value| Header { key: timestamp::HEADER, value: Some(value.as_bytes()) });
            let own = row.headers().map(|h| Header { key: h.name, value: h.value });
            let headers = told.into_iter().chain(own).fold(None, |headers, header| {
                Some(headers.unwrap_or_else(OwnedHeaders::new).insert(header))
            });
            producer.send(Record {
                topic,
                partition: output.partition,
                key: row.key(),
                value: row.value(),
                timestamp: Some(timestamp),
                headers,
            })?;
        }
        Ok(())
    }

    /// The positions on this cluster, for the group: for whoever looks at lag. What counts at a
    /// restart is the meta record, in the same transaction.
    fn offsets(&self, meta: &TaskMeta) -> Result<TopicPartitionList, KafkaError> {
        let mut list = TopicPartitionList::new();
        let here = meta.positions.iter().filter(|at| at.input.cluster == self.cluster.name);
        for position in here {
            let topic = kafka_topic(&position.input.topic)?;
            let partition = i32::try_from(position.input.partition).unwrap_or(i32::MAX);
            let next = Offset::Offset(i64::try_from(position.next).unwrap_or(i64::MAX));
            list.add_partition_offset(&topic, partition, next).map_err(|cause| {
                crate::admin::broker(&self.cluster, "naming positions".into(), cause)
            })?;
        }
        Ok(list)
    }

    fn changelog_error(&self, task: &TaskId, what: String) -> KafkaError {
        let (topic, partition) = (self.changelog.clone(), task.partition);
        KafkaError::Changelog { topic, partition, what }
    }
}
