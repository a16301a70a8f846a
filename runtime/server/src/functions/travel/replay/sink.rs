//! Where the commits of a replay go: outputs to a topic or into a comparison, the rest nowhere.

use std::sync::{Arc, Mutex};

use pelton_core::{
    BoxFuture, Commit, Committed, Error, Recovered, Result, Sink, SnapshotWriter, TaskId, TopicName,
};
use pelton_journal::{Journal, Topic};

use super::compare::Compare;
use super::job::Job;
use super::plan::TaskPlan;
use crate::functions::{Loaded, lock};
use crate::node::Node;

/// What becomes of the outputs.
pub(super) enum Target {
    /// They are compared with what was emitted.
    Compare(Mutex<Compare>),
    /// Those of the declared outputs go to this topic.
    Topic { journal: Arc<Journal>, topic: Topic, outputs: Vec<TopicName> },
}

impl Target {
    pub(super) fn compare(node: &Node, plans: &[TaskPlan], outputs: &[TopicName]) -> Result<Self> {
        let emitted = plans.iter().filter_map(|plan| {
            plan.emitted.map(|(id, since, upto)| (plan.began.partition, id, since, upto))
        });
        Ok(Self::Compare(Mutex::new(Compare::new(node.journal(), emitted.collect(), outputs)?)))
    }

    pub(super) fn topic(node: &Node, loaded: &Loaded, topic: Topic) -> Self {
        let outputs = loaded.spec.outputs.values().cloned().collect();
        Self::Topic { journal: Arc::clone(node.journal()), topic, outputs }
    }

    /// Takes the outputs of a commit, whole.
    fn take(&self, task: &TaskId, commit: &Commit<'_>) -> Result<u64> {
        match self {
            Self::Compare(compare) => lock(compare).replayed(task.partition, commit.outputs),
            Self::Topic { journal, topic, outputs } => {
                let mut frame = pelton_journal::Commit::new(commit.record.meta.time_ms);
                let mut rows = 0;
                let partitions = topic.partitions();
                for output in commit.outputs.iter().filter(|o| outputs.contains(&o.topic)) {
                    let to = &partitions[output.partition as usize % partitions.len()];
                    frame.batch(to, output.rows, output.max_timestamp, [&output.batch[..]]);
                    rows += u64::from(output.rows);
                }
                if !frame.is_empty() {
                    // A replay waits for nobody: where the disk is full it ends.
                    let appended = journal.append(&mut frame).map_err(Error::from_coded);
                    appended
                        .map_err(|error| Error::new(error.code, error.domain, error.to_string()))?;
                }
                Ok(rows)
            }
        }
    }
}

/// The sink of one task of a replay.
pub(super) struct ReplaySink {
    job: Arc<Job>,
    recovered: Option<Recovered>,
    bytes_max: u64,
    sequence: u64,
}

impl ReplaySink {
    pub(super) fn new(job: Arc<Job>, recovered: Recovered, bytes_max: u64) -> Self {
        Self { job, recovered: Some(recovered), bytes_max, sequence: 0 }
    }
}

impl Sink for ReplaySink {
    fn load<'a>(&'a mut self, _: &'a TaskId) -> BoxFuture<'a, Result<Recovered>> {
        let nothing = || Recovered { snapshot: None, tail: Vec::new(), sequence: 0 };
        let recovered = self.recovered.take().unwrap_or_else(nothing);
        self.sequence = recovered.sequence;
        Box::pin(std::future::ready(Ok(recovered)))
    }

    fn commit_bytes_max(&self) -> u64 {
        self.bytes_max
    }

    fn partitions(&mut self, _: &TopicName) -> Result<Option<u32>> {
        Ok(None)
    }

    fn commit<'a>(&'a mut self, commit: &'a Commit<'a>) -> BoxFuture<'a, Result<Committed>> {
        let taken = self.job.target().take(commit.task, commit);
        self.sequence += 1;
        let sequence = self.sequence;
        Box::pin(std::future::ready(taken.map(|rows| {
            self.job.emitted(rows);
            Committed { sequence }
        })))
    }

    fn durable(&self) -> u64 {
        self.sequence
    }

    fn snapshot(
        &mut self,
        _: &TaskId,
        _: u64,
        _: SnapshotWriter,
    ) -> BoxFuture<'static, Result<()>> {
        // Nothing of a replay is kept.
        Box::pin(std::future::ready(Ok(())))
    }
}
