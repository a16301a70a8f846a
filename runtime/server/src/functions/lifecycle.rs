//! Starting, pausing, rolling back, removing.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, Result};

use super::deploy::DeployReport;
use super::loaded::no_version;
use super::record::{EventKind, FunctionRecord};
use super::{Functions, Outcome, TrialState, Versions, blocking, lock};

impl Functions {
    /// Starts everything that is deployed and not paused. A function that cannot be started keeps
    /// nobody else from it: its status tells why.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub async fn start_all(self: &Arc<Self>) -> Result<()> {
        self.sweep().await?;
        self.replays.recall(self.node.journal(), self.now_ms())?;
        self.recall_pipelines()?;
        for record in self.registry.all()? {
            if record.paused || record.active == 0 {
                continue;
            }
            let function = record.function.clone();
            if let Err(error) = self.start_recorded(&record).await {
                tracing::error!(%function, %error, "a function could not be started");
                self.failed.insert(function, error.to_string());
            }
        }
        self.settle_pipelines()
    }

    /// Starts what the record says: a version on trial is on trial again.
    async fn start_recorded(self: &Arc<Self>, record: &FunctionRecord) -> Result<()> {
        let active = self.load(record, record.active).await?;
        let before = match record.before {
            Some(number) => Some(self.load(record, number).await?),
            None => None,
        };
        self.start_again(&record.function, Versions { active, before }, record.was_paused)?;
        self.attach_recorded(record).await;
        if let Err(error) = self.resume_canary(record).await {
            tracing::warn!(function = %record.function, %error, "its canary does not go on");
        }
        Ok(())
    }

    /// Stops the tasks behind their next commit, and answers what they ran.
    pub(super) async fn stop_running(&self, function: &FunctionId) -> Option<Versions> {
        let (_, running) = self.running.remove(function)?;
        self.detach(function);
        self.end_canary(function);
        running.deployment.stop();
        let versions = lock(&running.versions).clone();
        let ended = blocking(move || running.deployment.wait()).await;
        if let Err(error) = ended {
            tracing::debug!(%function, %error, "a function had stopped by itself");
        }
        Some(versions)
    }

    /// Stops all functions behind their next commit: nothing that they did is done again. To be
    /// called once, at the end.
    pub async fn drain(&self) {
        self.stop_all().await;
        self.following.close();
        self.following.wait().await;
    }

    /// Stops all functions behind their next commit, or at once where the journal takes none, and
    /// all replays.
    pub async fn stop_all(&self) {
        self.replays.cancel_all();
        let all: Vec<_> = self.running.iter().map(|entry| entry.key().clone()).collect();
        self.running.iter().for_each(|entry| entry.deployment.stop());
        for function in all {
            self.stop_running(&function).await;
        }
    }

    /// Pauses a function: its tasks stop, positions and state stay.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`.
    pub async fn pause(&self, function: &FunctionId) -> Result<()> {
        let _turn = self.turn_soon(function).await?;
        self.pause_in_turn(function).await
    }

    pub(super) async fn pause_in_turn(&self, function: &FunctionId) -> Result<()> {
        let mut record = self.registry.get(function)?;
        self.stop_running(function).await;
        self.failed.remove(function);
        if !record.paused {
            record.paused = true;
            record.note(self.now_ms(), EventKind::Paused, record.active, None);
            self.write(record).await?;
        }
        Ok(())
    }

    /// Lets a paused function, or one that has stopped by itself, go on.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, or what keeps it from starting.
    pub async fn resume(self: &Arc<Self>, function: &FunctionId) -> Result<()> {
        let _turn = self.turn_soon(function).await?;
        let mut record = self.registry.get(function)?;
        if self.running(function).is_some_and(|running| running.deployment.is_whole()) {
            return Ok(());
        }
        self.stop_running(function).await;
        self.start_recorded(&record).await?;
        record.paused = false;
        record.note(self.now_ms(), EventKind::Resumed, record.active, None);
        self.write(record).await
    }

    /// Goes back to an earlier version, live: `to`, or the one that ran before the active one. State
    /// stays. While there is a canary and no version is named, it ends that.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-MEMBER`, `E-VERSION-UNKNOWN`, or as [`Self::deploy`].
    pub async fn rollback(
        self: &Arc<Self>,
        function: &FunctionId,
        to: Option<u64>,
        wait: Duration,
    ) -> Result<DeployReport> {
        let _turn = self.turn_soon(function).await?;
        let record = self.registry.get(function)?;
        self.check_free(&record, None)?;
        if let (Some(canary), None) = (record.canary, to) {
            let active = self.load(&record, record.active).await?;
            self.roll_canary_back(function, None).await?;
            let report = self.report(&record, &active, false);
            return Ok(DeployReport { before: Some(canary.version), ..report });
        }
        let number = to.or(record.ran_before()).ok_or_else(|| {
            let text = format!(
                "{}: nothing is known to have run before version {}; `pelton versions {}` shows all, \
                 and `--to NUMBER` takes any of them",
                function.name(),
                record.active,
                function.name()
            );
            Error::new("E-VERSION-NONE", Domain::User, text)
        })?;
        if record.version(number).is_none() {
            return Err(no_version(&record, number));
        }
        let old = self.load(&record, number).await?;
        let report = self.report(&record, &old, false);
        if report.outcome == Outcome::Unchanged {
            return Ok(DeployReport { trial: TrialState::Passed, ..report });
        }
        self.activate(record, old, report, EventKind::RolledBack, wait).await
    }

    /// Removes a function and its versions. Its positions and state go too, unless they are kept
    /// for a function of this name that is deployed later. Its topics stay.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-MEMBER`, `E-FUNCTION-BUSY`.
    pub async fn remove(&self, function: &FunctionId, keep_state: bool) -> Result<()> {
        let _turn = self.turn_soon(function).await?;
        self.check_free(&self.registry.get(function)?, None)?;
        self.remove_in_turn(function, keep_state).await
    }

    pub(super) async fn remove_in_turn(
        &self,
        function: &FunctionId,
        keep_state: bool,
    ) -> Result<()> {
        self.stop_running(function).await;
        self.failed.remove(function);
        let (registry, name, now) = (self.registry.clone(), function.clone(), self.now_ms());
        blocking(move || registry.remove(&name, keep_state, now)).await?;
        self.replays.forget(function);
        self.sweep().await
    }

    /// Removes modules that no version names, but for fresh uploads, unless a deployment is under way.
    pub(super) async fn sweep(&self) -> Result<()> {
        let Ok(_alone) = self.sweeping.try_write() else { return Ok(()) };
        let (registry, fresh) = (self.registry.clone(), self.uploads.fresh(self.now_ms()));
        blocking(move || registry.sweep(&fresh)).await
    }

    pub(super) async fn write(&self, record: FunctionRecord) -> Result<()> {
        let (registry, now) = (self.registry.clone(), self.now_ms());
        blocking(move || registry.put(&record, now)).await
    }
}
