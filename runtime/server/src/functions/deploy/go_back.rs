//! A trial has failed: the version before goes on, or, where there is no way back, the new one does.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, Result};
use tokio::sync::mpsc;

use super::super::record::{EventKind, FunctionRecord};
use super::super::{Functions, Loaded, Running, Versions, lock};
use crate::control::SwapEvent;

/// How long the tasks have to take the version before back: a call must end first.
const TAKE_BACK_WAIT: Duration = Duration::from_secs(30);

/// A trial that has failed.
pub(in crate::functions) struct Failed<'a> {
    pub(in crate::functions) function: &'a FunctionId,
    /// The version.
    pub(in crate::functions) number: u64,
    /// Where it failed.
    pub(in crate::functions) task: u32,
    /// Where it had committed by then.
    pub(in crate::functions) passed: Vec<u32>,
    pub(in crate::functions) cause: String,
}

impl Failed<'_> {
    /// The version before goes on: what the failed one has left, if anything.
    fn went_back(&self) -> Error {
        let Self { function, number, task, passed, cause } = self;
        let text = match passed.is_empty() {
            true => format!(
                "{function} version {number} failed before its first commit, which leaves no trace; \
                 the version before goes on: {cause}"
            ),
            false => format!(
                "{function} version {number} failed on partition {task} before its first commit there, \
                 but had committed on partition {}; what it has sent there stays, and the version \
                 before goes on with the state that it has left: {cause}",
                list(passed)
            ),
        };
        Error::new("E-DEPLOY-TRIAL", Domain::Guest, text)
    }

    /// The new version goes on.
    fn goes_on(&self, before: u64) -> Error {
        let Self { function, number, task, passed, cause } = self;
        let text = format!(
            "{function} version {number} failed on partition {task} before its first commit there, but \
             had committed on partition {} and left state that version {before} cannot read: version \
             {number} goes on, and its [delivery] decides about what it cannot do; `pelton savepoint \
             restore {} before-v{number}` goes back to version {before}, and says how many outputs \
             repeat: {cause}",
            list(passed),
            function.name()
        );
        Error::new("E-DEPLOY-PARTIAL", Domain::Guest, text)
    }
}

fn list(partitions: &[u32]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Whether `before` can go on with the state that `after` has written: no value of it is of a schema
/// version that it does not know, and no open window of another shape.
fn reads_state_of(before: &Loaded, after: &Loaded) -> bool {
    let (old, new) = (before.factory.declaration(), after.factory.declaration());
    let shape = |loaded: &Loaded| {
        let spec = &loaded.spec;
        let window = spec.window.as_ref().or(loaded.factory.declaration().window.as_ref());
        window.map(|window| window.shape)
    };
    let same_schema = new.stores.iter().all(|new| {
        let known = old.stores.iter().find(|old| old.name == new.name);
        known.is_none_or(|old| old.schema == new.schema)
    });
    same_schema && shape(before) == shape(after)
}

impl Functions {
    /// Lets the version before go on, and writes down that the new one has failed. Answers what there
    /// is to say about it.
    pub(in crate::functions) async fn end_trial_badly(
        self: &Arc<Self>,
        running: &Arc<Running>,
        failed: &Failed<'_>,
    ) -> Result<Error> {
        let (function, number) = (failed.function, failed.number);
        let mut record = self.registry.get(function)?;
        let Versions { active, before } = lock(&running.versions).clone();
        if record.active != number || active.number != number {
            // Another version has taken its place meanwhile.
            return Ok(failed.went_back());
        }
        let stays = before
            .as_ref()
            .filter(|before| !failed.passed.is_empty() && !reads_state_of(before, &active));
        let error = match stays {
            Some(before) => {
                let error = failed.goes_on(before.number);
                self.stop_running(function).await;
                self.start_again(function, Versions { active, before: None }, false)?;
                error
            }
            None => {
                self.take_back(running, &record, before).await?;
                record.active = record.before.unwrap_or(record.active);
                record.paused = record.was_paused;
                failed.went_back()
            }
        };
        (record.before, record.was_paused) = (None, false);
        record.note(self.now_ms(), EventKind::TrialFailed, number, Some(error.to_string()));
        if let Some(pipeline) = record.pipeline.clone() {
            self.member_failed(pipeline, function.clone(), number, error.to_string());
        }
        self.write(record).await?;
        if failed.passed.is_empty() {
            // The savepoint before it is of no use.
            self.swap_failed(function, number).await;
        }
        Ok(error)
    }

    /// Gives all tasks back to the version before: live, where that has run them, else by a start.
    async fn take_back(
        self: &Arc<Self>,
        running: &Arc<Running>,
        record: &FunctionRecord,
        before: Option<Loaded>,
    ) -> Result<()> {
        let function = &record.function;
        let Some(before) = before else { return Ok(()) };
        let is_live = running.deployment.is_whole() && !record.was_paused;
        if is_live && before.same_inputs(&lock(&running.versions).active) {
            self.hand_back(running, &before).await?;
            let mut versions = lock(&running.versions);
            (versions.active, versions.before) = (before, None);
            return Ok(());
        }
        self.stop_running(function).await;
        if record.was_paused {
            return Ok(());
        }
        self.start_again(function, Versions { active: before, before: None }, false)?;
        self.attach_recorded(record).await;
        Ok(())
    }

    /// Hands the tasks to the version before, and waits until they have it.
    async fn hand_back(&self, running: &Running, before: &Loaded) -> Result<()> {
        let (told, mut events) = mpsc::unbounded_channel();
        let deployment = &running.deployment;
        self.node.swap(deployment, &before.spec, &before.factory, move |task, event| {
            let _ = told.send((task, event));
        })?;
        let all = async {
            let mut left = deployment.partitions();
            while left > 0 {
                match events.recv().await {
                    None => return,
                    Some((task, SwapEvent::Installed(installed))) => {
                        left -= 1;
                        if let Err(error) = installed {
                            tracing::error!(task, %error, "a task could not be taken back");
                        }
                    }
                    Some((_, SwapEvent::Judged(_))) => {}
                }
            }
        };
        if tokio::time::timeout(TAKE_BACK_WAIT, all).await.is_err() {
            tracing::warn!(function = %deployment.function(), "a task is still in a call");
        }
        Ok(())
    }
}
