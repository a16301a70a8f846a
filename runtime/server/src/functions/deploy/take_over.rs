//! Tasks go over to another version, on trial, or are started with it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_core::{Error, FunctionId, Result};

use super::super::trial::{Progress, Swap, TrialState, trial_failed};
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
        let mut swap = self.begin_swap(&running.deployment, &new)?;
        {
            let mut versions = lock(&running.versions);
            let active = std::mem::replace(&mut versions.active, new);
            versions.before.get_or_insert(active);
        }
        match swap.follow(Some(wait)).await {
            Progress::Passed => {
                self.end_trial_well(function, running, number)?;
                Ok(TrialState::Passed)
            }
            Progress::Waiting => {
                self.follow_later(function.clone(), Arc::clone(running), number, swap);
                Ok(TrialState::OnTrial)
            }
            Progress::Refused(error) => {
                self.end_trial_badly(function, running, number, &error)?;
                self.swap_left_nothing(function, number, &swap).await;
                Err(Error::new("E-DEPLOY-TRIAL", error.domain, error.to_string()))
            }
            Progress::Failed(fault) => {
                let error = trial_failed(function, number, &fault);
                self.end_trial_badly(function, running, number, &error)?;
                self.swap_left_nothing(function, number, &swap).await;
                Err(error)
            }
        }
    }

    /// Stops the tasks that run, if any, and starts those of `new`; where it cannot be started, the
    /// ones before are started again.
    pub(super) async fn restart(
        self: &Arc<Self>,
        function: &FunctionId,
        new: Loaded,
    ) -> Result<()> {
        let old = self.stop_running(function).await;
        match self.start(function, Versions { active: new, before: None }) {
            Ok(_) => {
                self.attach_recorded(&self.registry.get(function)?).await;
                Ok(())
            }
            Err(error) => {
                if let Some(old) = old {
                    self.start_again(function, old)?;
                }
                Err(error)
            }
        }
    }

    /// Starts the tasks of a version, and follows its trial where it is on one.
    pub(in crate::functions) fn start_again(
        self: &Arc<Self>,
        function: &FunctionId,
        versions: Versions,
    ) -> Result<()> {
        let number = versions.active.number;
        let swap = self.start(function, versions)?;
        if let (Some(swap), Some(running)) = (swap, self.running(function)) {
            self.follow_later(function.clone(), running, number, swap);
        }
        Ok(())
    }

    /// Starts the tasks of a version. With a version before it, it is on trial: that one is what the
    /// tasks start with, and what they go back to, but the first step is the new one's.
    fn start(&self, function: &FunctionId, versions: Versions) -> Result<Option<Swap>> {
        let first = versions.before.as_ref().unwrap_or(&versions.active);
        let mut swap = None;
        let before = |deployment: &Deployment| {
            if versions.before.is_some() {
                swap = Some(self.begin_swap(deployment, &versions.active)?);
            }
            Ok(())
        };
        let factory = Arc::clone(&first.factory);
        let deployment = self.node.deploy_with(&first.spec, factory, before)?;
        let running = Running { deployment, versions: Mutex::new(versions) };
        self.failed.remove(function);
        self.running.insert(function.clone(), Arc::new(running));
        Ok(swap)
    }
}
