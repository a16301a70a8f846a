//! Starting, stopping and promoting a shadow.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, Result};
use tokio::runtime::Handle;

use super::follow::Follower;
use super::{ShadowRun, ShadowState, ShadowStatus, SharedShadow};
use crate::compare::DifferenceEntry;
use crate::functions::deploy::DeployRequest;
use crate::functions::record::EventKind;
use crate::functions::{
    DeployReport, FunctionRecord, Functions, Loaded, Outcome, Running, TrialState,
};

/// How often it is looked at whether a shadow follows.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Functions {
    /// Deploys a version as the shadow of the one that runs, in place of an earlier shadow: checks,
    /// compiles and keeps it, and lets it follow.
    ///
    /// # Errors
    /// As [`Self::deploy`]; `E-FUNCTION-STOPPED` where the function does not run, `E-SHADOW-INPUTS`
    /// where the version reads other topics.
    pub async fn deploy_shadow(self: &Arc<Self>, request: DeployRequest) -> Result<DeployReport> {
        let prepared = self.prepare(&request).await?;
        let function = prepared.record.function.clone();
        let running = self.running(&function).filter(|running| running.deployment.is_whole());
        let running = running.ok_or_else(|| {
            let text = format!(
                "{function} does not run, so that there is nothing to shadow; deploy it without \
                 --shadow, or `pelton resume {function}`"
            );
            Error::new("E-FUNCTION-STOPPED", Domain::User, text)
        })?;
        check_inputs(&running, &prepared.new)?;
        let mut report = self.report(&prepared.record, &prepared.new, request.dry_run);
        (report.outcome, report.trial) = (Outcome::Shadowed, TrialState::Passed);
        if request.dry_run {
            return Ok(report);
        }
        let _unswept = self.sweeping.read().await;
        let new = prepared.new.clone();
        let mut record = self.keep_version(&prepared, &request).await?;
        record.shadow = Some(new.number);
        record.note(self.now_ms(), EventKind::ShadowStarted, new.number, None);
        self.write(record).await?;
        self.attach(&function, &running, &new)?;
        self.wait_until_it_follows(&function, request.wait).await;
        Ok(report)
    }

    /// Waits until the shadow follows every task, for so long: what comes from then on is compared.
    async fn wait_until_it_follows(&self, function: &FunctionId, wait: Duration) {
        let starts = || {
            let run = self.shadows.get(function).map(|run| Arc::clone(&run));
            run.is_some_and(|run| run.status().state == ShadowState::Starting)
        };
        let follows = async {
            let mut look = tokio::time::interval(LOOK_INTERVAL);
            while starts() {
                look.tick().await;
            }
        };
        // Where it takes longer, the status says so.
        let _ = tokio::time::timeout(wait, follows).await;
    }

    /// Lets `new` follow the tasks that run.
    fn attach(&self, function: &FunctionId, running: &Running, new: &Loaded) -> Result<()> {
        let deployment = &running.deployment;
        let run: SharedShadow = Arc::new(ShadowRun::new(new.number, deployment.partitions()));
        self.detach(function);
        self.shadows.insert(function.clone(), Arc::clone(&run));
        let runtime = Handle::current();
        self.node.beside(deployment, &new.spec, &new.factory, |beside| {
            let follower = Follower {
                run: Arc::clone(&run),
                control: beside.control,
                partition: beside.partition,
                replacement: beside.replacement,
                clock: Arc::clone(self.node.clock()),
                timers: beside.timers,
                permits: beside.permits,
                runtime: runtime.clone(),
            };
            Box::pin(follower.run())
        })
    }

    /// Ends the shadow that follows, if there is one.
    pub(in crate::functions) fn detach(&self, function: &FunctionId) {
        if let Some((_, run)) = self.shadows.remove(function) {
            run.stop();
        }
    }

    /// Lets the shadow that the record names follow the tasks, which have just been started. Where
    /// it cannot, the function runs without it.
    pub(in crate::functions) async fn attach_recorded(&self, record: &FunctionRecord) {
        let Some(number) = record.shadow else { return };
        let function = &record.function;
        let Some(running) = self.running(function) else { return };
        let attached = match self.load(record, number).await {
            Ok(new) => {
                check_inputs(&running, &new).and_then(|()| self.attach(function, &running, &new))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = attached {
            tracing::warn!(%function, %error, "its shadow does not follow");
            let run = ShadowRun::new(number, 1);
            run.task(0).error = Some(error.to_string());
            self.shadows.insert(function.clone(), Arc::new(run));
        }
    }

    /// Drops the shadow of a function.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, `E-SHADOW-NONE`.
    pub async fn stop_shadow(&self, function: &FunctionId) -> Result<()> {
        let _turn = self.turn_soon(function).await?;
        let mut record = self.registry.get(function)?;
        let number = record.shadow.take().ok_or_else(|| no_shadow(function))?;
        self.detach(function);
        record.note(self.now_ms(), EventKind::ShadowStopped, number, None);
        self.write(record).await
    }

    /// Makes the canary, or else the shadow, the version that runs: live, with the state of the running
    /// one, on trial as any deployment.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, `E-PROMOTE-NONE`, or as [`Self::deploy`].
    pub async fn promote(
        self: &Arc<Self>,
        function: &FunctionId,
        wait: Duration,
    ) -> Result<DeployReport> {
        let _turn = self.turn_soon(function).await?;
        let mut record = self.registry.get(function)?;
        self.check_free(&record, None)?;
        if record.canary.is_some() {
            return self.promote_canary(function, wait).await;
        }
        let number = record.shadow.ok_or_else(|| nothing_to_promote(function))?;
        let new = self.load(&record, number).await?;
        let report = self.report(&record, &new, false);
        self.detach(function);
        record.shadow = None;
        if report.outcome == Outcome::Unchanged {
            record.note(self.now_ms(), EventKind::ShadowStopped, number, None);
            self.write(record).await?;
            return Ok(report);
        }
        self.activate(record, new, report, EventKind::Promoted, wait).await
    }

    /// What the shadow of a function is doing.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-SHADOW-NONE`.
    pub fn shadow(&self, function: &FunctionId) -> Result<ShadowStatus> {
        let record = self.registry.get(function)?;
        self.shadow_of(&record).ok_or_else(|| no_shadow(function))
    }

    pub(in crate::functions) fn shadow_of(&self, record: &FunctionRecord) -> Option<ShadowStatus> {
        let version = record.shadow?;
        let run = self.shadows.get(&record.function);
        Some(run.map_or_else(|| ShadowStatus::at_rest(version), |run| run.status()))
    }

    /// The newest differences between a function and its shadow with numbers above `after`, oldest
    /// first.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-SHADOW-NONE`.
    pub fn differences(&self, function: &FunctionId, after: u64) -> Result<Vec<DifferenceEntry>> {
        self.shadow(function)?;
        let run = self.shadows.get(function);
        Ok(run.map(|run| run.differences(after)).unwrap_or_default())
    }
}

fn check_inputs(running: &Running, new: &Loaded) -> Result<()> {
    if crate::functions::lock(&running.versions).active.reads_alike(new) {
        return Ok(());
    }
    let text = format!(
        "{}: a shadow follows the records of the running version, and version {} reads other topics, or \
         takes the time of records from another field (`event_time`); deploy it without --shadow, or under another name",
        new.spec.function, new.number
    );
    Err(Error::new("E-SHADOW-INPUTS", Domain::User, text))
}

fn no_shadow(function: &FunctionId) -> Error {
    let text = format!("{function} has no shadow; `pelton deploy --shadow` starts one");
    Error::new("E-SHADOW-NONE", Domain::User, text)
}

fn nothing_to_promote(function: &FunctionId) -> Error {
    let text = format!(
        "{function} has neither a shadow nor a canary; `pelton deploy --shadow` or `pelton deploy \
         --canary 10%` starts one"
    );
    Error::new("E-PROMOTE-NONE", Domain::User, text)
}
