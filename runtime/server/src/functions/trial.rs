//! The trial of a version: its first commit on each task. Where one fails, all go back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Error, Fault, FunctionId, Result};
use pelton_engine::Verdict;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::deploy::Failed;
use super::record::EventKind;
use super::{Functions, Loaded, Running, lock};
use crate::control::{OnSwap, SwapEvent};
use crate::deployment::Deployment;

/// How far the trial of a version has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrialState {
    /// It has committed on every task.
    Passed,
    /// Some task has had nothing to do yet.
    OnTrial,
}

/// A swap under way.
pub(super) struct Swap {
    events: mpsc::UnboundedReceiver<(u32, SwapEvent)>,
    /// Tasks that have not committed under the new version.
    waiting: BTreeSet<u32>,
    tasks: u32,
}

/// What has become of it.
pub(super) enum Progress {
    Passed,
    /// Installed everywhere, and some task has nothing to do.
    Waiting,
    /// A task could not take the new version over.
    Refused(u32, Error),
    Failed(u32, Fault),
}

impl Swap {
    pub(super) fn new(events: mpsc::UnboundedReceiver<(u32, SwapEvent)>, tasks: u32) -> Self {
        Self { events, waiting: (0..tasks).collect(), tasks }
    }

    /// The tasks that have committed under the new version.
    pub(super) fn passed(&self) -> Vec<u32> {
        (0..self.tasks).filter(|task| !self.waiting.contains(task)).collect()
    }

    /// Follows the swap until it is decided, or for so long.
    pub(super) async fn follow(&mut self, patience: Option<Duration>) -> Progress {
        let followed = async {
            while !self.waiting.is_empty() {
                match self.events.recv().await {
                    // The tasks have ended, or another swap has taken this one's place.
                    None => return Progress::Waiting,
                    Some((_, SwapEvent::Installed(Ok(())))) => {}
                    Some((task, SwapEvent::Installed(Err(error)))) => {
                        return Progress::Refused(task, error);
                    }
                    Some((task, SwapEvent::Judged(Verdict::Failed(fault)))) => {
                        return Progress::Failed(task, fault);
                    }
                    Some((task, SwapEvent::Judged(Verdict::Passed))) => {
                        self.waiting.remove(&task);
                    }
                }
            }
            Progress::Passed
        };
        match patience {
            None => followed.await,
            Some(patience) => {
                tokio::time::timeout(patience, followed).await.unwrap_or(Progress::Waiting)
            }
        }
    }
}

impl Functions {
    /// Hands the tasks to `new`.
    pub(super) fn begin_swap(&self, deployment: &Deployment, new: &Loaded) -> Result<Swap> {
        let (told, events) = mpsc::unbounded_channel();
        self.node.swap(deployment, &new.spec, &new.factory, move |task, event| {
            // Nobody listens once the swap is decided.
            let _ = told.send((task, event));
        })?;
        Ok(Swap::new(events, deployment.partitions()))
    }

    /// Puts what the tasks of `deployment` start with on trial.
    pub(super) fn begin_alone(deployment: &Deployment) -> Swap {
        let (told, events) = mpsc::unbounded_channel();
        let told: OnSwap = Arc::new(move |task, event| drop(told.send((task, event))));
        deployment.try_alone(&told);
        Swap::new(events, deployment.partitions())
    }

    /// Waits for a trial, and goes on following it later where some task has nothing to do yet.
    pub(super) async fn judge(
        self: &Arc<Self>,
        function: &FunctionId,
        running: &Arc<Running>,
        number: u64,
        mut swap: Swap,
        wait: Duration,
    ) -> Result<TrialState> {
        match swap.follow(Some(wait)).await {
            Progress::Waiting => {
                self.follow_later(function.clone(), Arc::clone(running), number, swap);
                Ok(TrialState::OnTrial)
            }
            progress => self.end_trial(function, running, number, &swap, progress).await,
        }
    }

    /// Follows a trial whose tasks have had nothing to do yet, for as long as it takes.
    pub(super) fn follow_later(
        self: &Arc<Self>,
        function: FunctionId,
        running: Arc<Running>,
        number: u64,
        mut swap: Swap,
    ) {
        let functions = Arc::clone(self);
        self.following.spawn(async move {
            let progress = swap.follow(None).await;
            let _turn = functions.turn(&function).await;
            let ended = functions.end_trial(&function, &running, number, &swap, progress).await;
            if let Err(error) = ended {
                tracing::warn!(%function, "{error}");
            }
        });
    }

    /// Writes down how a trial has ended; where it has failed, the version before goes on.
    async fn end_trial(
        self: &Arc<Self>,
        function: &FunctionId,
        running: &Arc<Running>,
        number: u64,
        swap: &Swap,
        progress: Progress,
    ) -> Result<TrialState> {
        let (task, cause) = match progress {
            Progress::Waiting => return Ok(TrialState::OnTrial),
            Progress::Passed => {
                self.end_trial_well(function, running, number).await?;
                return Ok(TrialState::Passed);
            }
            Progress::Refused(task, error) => (task, error.to_string()),
            Progress::Failed(task, fault) => {
                (task, format!("{} ({})", fault.message, fault.kind.code()))
            }
        };
        let failed = Failed { function, number, task, passed: swap.passed(), cause };
        Err(self.end_trial_badly(running, &failed).await?)
    }

    /// Takes note that a version has passed its trial.
    async fn end_trial_well(
        &self,
        function: &FunctionId,
        running: &Running,
        number: u64,
    ) -> Result<()> {
        lock(&running.versions).before = None;
        let mut record = self.registry.get(function)?;
        if record.active == number {
            (record.before, record.was_paused) = (None, false);
        }
        record.note(self.now_ms(), EventKind::Passed, number, None);
        self.write(record).await
    }
}
