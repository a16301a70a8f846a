//! What functions have done so far, as their tasks publish it: nobody waits for a task.

use pelton_core::FunctionId;
use pelton_journal::Visibility;

use super::{Functions, Running, lock};
use crate::deployment::Progress;
use crate::latency::Durations;

/// What a function has done since its tasks were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Its counts.
    pub progress: Progress,
    /// Records that wait for it.
    pub lag: u64,
    /// How long its calls took, each with its commit.
    pub(crate) durations: Durations,
}

impl Functions {
    /// The figures of all functions that run, by name.
    #[must_use]
    pub fn figures(&self) -> Vec<(FunctionId, Figures)> {
        let running = self.running.iter();
        let mut all: Vec<_> =
            running.map(|entry| (entry.key().clone(), self.figures_of(&entry))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    pub(super) fn figures_of(&self, running: &Running) -> Figures {
        let progress = running.deployment.progress();
        let spec = std::sync::Arc::clone(&lock(&running.versions).active.spec);
        let partitions = running.deployment.partitions();
        let mut end = 0;
        for input in &spec.inputs {
            let Ok(topic) = self.node.journal().topic(&input.topic.to_string()) else { continue };
            let (most, times) =
                if input.broadcast { (u32::MAX, partitions) } else { (partitions, 1) };
            let read = topic.partitions().iter().take(most as usize);
            let ends = read.map(|partition| partition.end(Visibility::Appended)).sum::<u64>();
            end += ends * u64::from(times);
        }
        // A task that has not started yet has published nothing: its lag is not known.
        let lag = match running.deployment.has_started() {
            true => end.saturating_sub(progress.read_to),
            false => 0,
        };
        Figures { progress, lag, durations: running.deployment.durations() }
    }
}
