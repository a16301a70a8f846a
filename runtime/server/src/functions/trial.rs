//! The trial of a version: its first commit on each task. Where one fails, all go back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, Fault, FunctionId, Result};
use pelton_engine::Verdict;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::record::EventKind;
use super::{Functions, Loaded, Running, lock};
use crate::control::SwapEvent;
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
    installed: BTreeSet<u32>,
    tasks: u32,
}

/// What has become of it.
pub(super) enum Progress {
    Passed,
    /// Installed everywhere, and some task has nothing to do.
    Waiting,
    /// A task could not take the new version over.
    Refused(Error),
    Failed(Fault),
}

impl Swap {
    pub(super) fn new(events: mpsc::UnboundedReceiver<(u32, SwapEvent)>, tasks: u32) -> Self {
        Self { events, waiting: (0..tasks).collect(), installed: BTreeSet::new(), tasks }
    }

    /// Whether no task has committed under the new version.
    pub(super) fn left_nothing(&self) -> bool {
        self.waiting.len() == self.tasks as usize
    }

    /// Follows the swap until it is decided, or for so long.
    pub(super) async fn follow(&mut self, patience: Option<Duration>) -> Progress {
        let followed = async {
            while !self.waiting.is_empty() {
                match self.events.recv().await {
                    // The tasks have ended, or another swap has taken this one's place.
                    None => return Progress::Waiting,
                    Some((task, SwapEvent::Installed(Ok(())))) => drop(self.installed.insert(task)),
                    Some((_, SwapEvent::Installed(Err(error)))) => return Progress::Refused(error),
                    Some((_, SwapEvent::Judged(Verdict::Failed(fault)))) => {
                        return Progress::Failed(fault);
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

    /// Gives all tasks back to the version before.
    fn take_back(&self, running: &Running) -> Result<()> {
        let mut versions = lock(&running.versions);
        let Some(before) = versions.before.take() else { return Ok(()) };
        self.node.swap(&running.deployment, &before.spec, &before.factory, |_, _| {})?;
        versions.active = before;
        Ok(())
    }

    /// Takes note that a version failed its trial, and lets the one before go on.
    pub(super) fn end_trial_badly(
        &self,
        function: &FunctionId,
        running: &Running,
        number: u64,
        error: &Error,
    ) -> Result<()> {
        self.take_back(running)?;
        let mut record = self.registry.get(function)?;
        if record.active == number
            && let Some(before) = record.before.take()
        {
            record.active = before;
        }
        let message = Some(error.to_string());
        record.note(self.now_ms(), EventKind::TrialFailed, number, message);
        self.registry.put(&record, self.now_ms())
    }

    /// Follows a trial that has failed: the savepoint before it is of no use, unless a task has
    /// passed its own.
    pub(super) async fn swap_left_nothing(&self, function: &FunctionId, number: u64, swap: &Swap) {
        if swap.left_nothing() {
            self.swap_failed(function, number).await;
        }
    }

    /// Takes note that a version has passed its trial.
    pub(super) fn end_trial_well(
        &self,
        function: &FunctionId,
        running: &Running,
        number: u64,
    ) -> Result<()> {
        lock(&running.versions).before = None;
        let mut record = self.registry.get(function)?;
        if record.active == number {
            record.before = None;
        }
        record.note(self.now_ms(), EventKind::Passed, number, None);
        self.registry.put(&record, self.now_ms())
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
            let failed = matches!(progress, Progress::Refused(_) | Progress::Failed(_));
            let ended = match progress {
                Progress::Waiting => Ok(()),
                Progress::Passed => functions.end_trial_well(&function, &running, number),
                Progress::Refused(error) => {
                    functions.end_trial_badly(&function, &running, number, &error)
                }
                Progress::Failed(fault) => {
                    let error = trial_failed(&function, number, &fault);
                    tracing::warn!(%function, "{error}");
                    functions.end_trial_badly(&function, &running, number, &error)
                }
            };
            if failed {
                functions.swap_left_nothing(&function, number, &swap).await;
            }
            if let Err(error) = ended {
                tracing::error!(%function, %error, "how a trial ended could not be written down");
            }
        });
    }
}

pub(super) fn trial_failed(function: &FunctionId, number: u64, fault: &Fault) -> Error {
    let text = format!(
        "{function} version {number} failed before its first commit, which leaves no trace; the \
         version before goes on: {} ({})",
        fault.message,
        fault.kind.code()
    );
    Error::new("E-DEPLOY-TRIAL", Domain::Guest, text)
}
