//! Tasks go over to another version, on trial, or are started with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_core::{FunctionId, Result};

use super::super::trial::{Swap, TrialState};
use super::super::{Functions, Loaded, Running, Versions, lock};
use crate::deployment::Deployment;

impl Functions {
    /// Lets `new` take over the running tasks, and waits for its trial.
    pub(super) async fn swap(
        self: &Arc<Self>,
        function: &FunctionId,
        running: &Arc<Running>,
        new: Loaded,
        wait: Duration,
    ) -> Result<TrialState> {
        let number = new.number;
        let swap = self.begin_swap(&running.deployment, &new)?;
        {
            let mut versions = lock(&running.versions);
            let active = std::mem::replace(&mut versions.active, new);
            versions.before.get_or_insert(active);
        }
        self.judge(function, running, number, swap, wait).await
    }

    /// Stops the tasks that run, if any, and starts those of `new`, on trial where there is a version
    /// `before` it; where it cannot be started, the ones that ran are started again.
    pub(super) async fn restart(
        self: &Arc<Self>,
        function: &FunctionId,
        new: Loaded,
        before: Option<Loaded>,
        wait: Duration,
    ) -> Result<TrialState> {
        let number = new.number;
        let old = self.stop_running(function).await;
        match self.start(function, Versions { active: new, before }, true) {
            Ok(swap) => {
                self.attach_recorded(&self.registry.get(function)?).await;
                match (swap, self.running(function)) {
                    (Some(swap), Some(running)) => {
                        self.judge(function, &running, number, swap, wait).await
                    }
                    _ => Ok(TrialState::Passed),
                }
            }
            Err(error) => {
                if let Some(old) = old {
                    self.start_again(function, old, false)?;
                }
                Err(error)
            }
        }
    }

    /// Starts the tasks of a version, and follows its trial where it is on one; `alone` as for
    /// [`Self::start`].
    pub(in crate::functions) fn start_again(
        self: &Arc<Self>,
        function: &FunctionId,
        versions: Versions,
        alone: bool,
    ) -> Result<()> {
        let number = versions.active.number;
        let swap = self.start(function, versions, alone)?;
        if let (Some(swap), Some(running)) = (swap, self.running(function)) {
            self.follow_later(function.clone(), running, number, swap);
        }
        Ok(())
    }

    /// Starts the tasks of a version. With a version before it, it is on trial: that one is what the
    /// tasks start with, and what they go back to, but the first step is the new one's. Where that one
    /// must not run meanwhile, or cannot (`alone`; it reads other topics), a task that fails ends.
    fn start(
        self: &Arc<Self>,
        function: &FunctionId,
        versions: Versions,
        alone: bool,
    ) -> Result<Option<Swap>> {
        let before = versions.before.as_ref();
        let alone = alone || before.is_some_and(|before| !before.same_inputs(&versions.active));
        let first = before.filter(|_| !alone).unwrap_or(&versions.active);
        let mut swap = None;
        let begin = |deployment: &Deployment| {
            swap = match before {
                None => None,
                Some(_) if alone => Some(Self::begin_alone(deployment)),
                Some(_) => Some(self.begin_swap(deployment, &versions.active)?),
            };
            Ok(())
        };
        let factory = Arc::clone(&first.factory);
        let deployment = self.node.deploy_with(&first.spec, factory, begin)?;
        let running = Arc::new(Running { deployment, versions: Mutex::new(versions) });
        self.failed.remove(function);
        self.watch(function, &running);
        self.running.insert(function.clone(), running);
        Ok(swap)
    }
}
