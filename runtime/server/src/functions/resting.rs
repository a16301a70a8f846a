//! How far a function has read that does not run: its tasks' last commits say so.

use std::sync::Arc;

use dashmap::DashMap;
use pelton_core::manifest::{Input, Manifest};
use pelton_core::{FunctionId, Position, Result, Start, TaskId, TaskRecord};
use pelton_journal::Visibility;

use super::Functions;
use crate::data::of;

/// Positions of tasks that rest, with the commit that they are of.
pub(super) type Resting = DashMap<TaskId, (u64, Arc<[Position]>)>;

impl Functions {
    /// Records that wait for a function that does not run.
    pub(super) fn lag_at_rest(&self, function: &FunctionId, manifest: &Manifest) -> u64 {
        let inputs = &manifest.inputs;
        let shared = inputs.iter().find(|input| !input.broadcast);
        let tasks = shared.map_or(0, |input| self.partitions(input));
        let lag = |input: &Input| match input.broadcast {
            false => self.input_lag(function, input, None),
            true => (0..tasks).map(|task| self.input_lag(function, input, Some(task))).sum(),
        };
        inputs.iter().map(lag).sum()
    }

    fn partitions(&self, input: &Input) -> u32 {
        let topic = self.node.journal().topic(&input.topic.to_string());
        topic.map_or(0, |topic| topic.config().partitions)
    }

    /// What waits of an input: for this task, or for the one of each partition.
    fn input_lag(&self, function: &FunctionId, input: &Input, task: Option<u32>) -> u64 {
        let Ok(topic) = self.node.journal().topic(&input.topic.to_string()) else { return 0 };
        let lag = topic.partitions().iter().map(|partition| {
            let number = task.unwrap_or_else(|| partition.number());
            let task = TaskId { function: function.clone(), partition: number };
            let end = partition.end(Visibility::Appended);
            let known = self.resting_positions(&task).unwrap_or_else(|error| {
                tracing::warn!(%task, %error, "how far it has read cannot be told");
                None
            });
            let at = |position: &&Position| {
                position.input.topic == input.topic
                    && position.input.partition == partition.number()
                    && position.input.cluster.is_empty()
            };
            let known = known.as_ref().and_then(|known| known.iter().find(at));
            let from = match (known, input.start) {
                (Some(position), _) => position.next,
                (None, Start::Latest) => end,
                (None, Start::Offset(offset)) => offset,
                (None, Start::Earliest | Start::Time(_)) => partition.offsets().start,
            };
            end.saturating_sub(from.max(partition.offsets().start))
        });
        lag.sum()
    }

    /// What the task has read, where it has ever committed.
    fn resting_positions(&self, id: &TaskId) -> Result<Option<Arc<[Position]>>> {
        let Some(task) = self.node.journal().task(&id.to_string()) else { return Ok(None) };
        let newest = task.newest_commit().transpose().map_err(of)?;
        let Some(seq) = newest.as_ref().map(|commit| commit.seq).or_else(|| task.snapshot_seq())
        else {
            return Ok(None);
        };
        if let Some(known) = self.resting.get(id).filter(|known| known.0 == seq) {
            return Ok(Some(Arc::clone(&known.1)));
        }
        let meta = match newest {
            Some(commit) => TaskRecord::decode(&commit.bytes)?.meta,
            None => match self.node.journal().snapshot(&task).map_err(of)? {
                Some(snapshot) => pelton_engine::savepoint_meta(&snapshot.bytes)?,
                None => return Ok(None),
            },
        };
        let positions: Arc<[Position]> = meta.positions.into();
        self.resting.insert(id.clone(), (seq, Arc::clone(&positions)));
        Ok(Some(positions))
    }
}
