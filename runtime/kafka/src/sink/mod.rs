//! Writing: a commit is one Kafka transaction.

mod log_reader;
mod producer;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;

use pelton_core::{
    BoxFuture, Commit, Committed, FunctionId, OutputBatch, Recovered, Result, Sink, SnapshotWriter,
    TaskId, TaskRecord, TopicName,
};
use tokio::sync::oneshot;

use crate::config::Cluster;
use crate::error::{KafkaError, core};
use worker::Worker;

/// The sink of one function: a transactional producer whose id is the function's, and a thread
/// that waits for the brokers.
///
/// Taking over ([`Sink::load`]) fences every other sink of the function. After an error that
/// leaves open whether a transaction was committed the producer is dropped, and every task of the
/// function has to be loaded again: what is read back then says which way it went.
///
/// A clone shares producer and thread: every task of the function in a process gets one.
///
/// There are no snapshots here: compaction keeps the changelog about as large as the state.
#[derive(Clone)]
pub struct KafkaSink {
    jobs: Sender<Job>,
    committed: Arc<AtomicU64>,
}

pub(crate) type Answer<T> = oneshot::Sender<Result<T, KafkaError>>;

/// What the thread is asked to do.
pub(crate) enum Job {
    Load { task: TaskId, answer: Answer<Recovered> },
    Partitions { topic: TopicName, answer: Answer<Option<u32>> },
    Commit { work: Box<Work>, answer: Answer<u64> },
}

/// A commit that the thread owns.
pub(crate) struct Work {
    pub(crate) task: TaskId,
    pub(crate) record: TaskRecord,
    pub(crate) outputs: Vec<OutputBatch>,
}

impl KafkaSink {
    /// The sink of `function`, which has `tasks` tasks: as many as its inputs have partitions. The
    /// changelog is made with as many partitions at the first load.
    ///
    /// # Errors
    /// [`KafkaError::Client`] where the settings are wrong, [`KafkaError::Name`] where Kafka
    /// cannot hold the function's name.
    pub fn new(cluster: &Cluster, function: &FunctionId, tasks: u32) -> Result<Self, KafkaError> {
        let committed = Arc::new(AtomicU64::new(0));
        let mut worker = Worker::new(cluster, function, tasks, Arc::clone(&committed))?;
        let (jobs, inbox) = mpsc::channel();
        let spawned = thread::Builder::new().name("pelton-kafka-sink".into()).spawn(move || {
            while let Ok(job) = inbox.recv() {
                worker.run(job);
            }
        });
        match spawned {
            Ok(_) => Ok(Self { jobs, committed }),
            Err(error) => Err(KafkaError::Client {
                cluster: cluster.name.to_string(),
                cause: format!("no thread could be started: {error}"),
            }),
        }
    }

    fn ask<T>(
        &self,
        job: impl FnOnce(Answer<T>) -> Job,
    ) -> oneshot::Receiver<Result<T, KafkaError>> {
        let (answer, receiver) = oneshot::channel();
        // Where the thread is gone, so is the sender of the answer: the receiver will say so.
        let _ = self.jobs.send(job(answer));
        receiver
    }
}

fn closed(_: oneshot::error::RecvError) -> KafkaError {
    KafkaError::Closed { what: "sink" }
}

impl Sink for KafkaSink {
    fn load<'a>(&'a mut self, task: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        let receiver = self.ask(|answer| Job::Load { task: task.clone(), answer });
        Box::pin(async move { receiver.await.map_err(closed).flatten().map_err(core) })
    }

    /// Asks the brokers the first time, and remembers.
    fn partitions(&mut self, topic: &TopicName) -> Result<Option<u32>> {
        let receiver = self.ask(|answer| Job::Partitions { topic: topic.clone(), answer });
        wait(receiver).map_err(closed).flatten().map_err(core)
    }

    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        let work = Box::new(Work {
            task: commit.task.clone(),
            record: commit.record.clone(),
            outputs: commit.outputs.to_vec(),
        });
        let receiver = self.ask(|answer| Job::Commit { work, answer });
        Box::pin(async move {
            let sequence = receiver.await.map_err(closed).flatten().map_err(core)?;
            Ok(Committed { sequence })
        })
    }

    /// A transaction that the brokers have taken is durable.
    fn durable(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Nothing: the changelog holds the state already, and is compacted by the brokers.
    fn snapshot(
        &mut self,
        _: &TaskId,
        _: u64,
        _: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// Waits on this thread, which may be one that runs futures.
fn wait<T>(receiver: oneshot::Receiver<T>) -> Result<T, oneshot::error::RecvError> {
    crate::admin::block_on(receiver)
}
