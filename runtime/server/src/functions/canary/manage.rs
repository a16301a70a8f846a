//! Starting a canary, and ending it by hand.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, GuestFactory, Result};
use pelton_engine::{CanaryBoard, CanaryFactory, Verdict};
use tokio_util::sync::CancellationToken;

use super::{CanaryRecord, CanaryRun, CanaryStatus, NewCanary, SharedCanary};
use crate::control::SwapEvent;
use crate::functions::deploy::DeployRequest;
use crate::functions::record::EventKind;
use crate::functions::{
    DeployReport, FunctionRecord, Functions, Loaded, Outcome, Running, TrialState, lock,
};

impl Functions {
    /// Deploys a version for a share of the keys, until its rule promotes it or rolls it back.
    ///
    /// # Errors
    /// As [`Self::deploy`]; `E-CANARY-RULE`, `E-CANARY-STATE` where the version has other inputs,
    /// outputs or state, `E-CANARY-ON` while there is a canary, `E-FUNCTION-STOPPED` where the function
    /// does not run.
    pub async fn deploy_canary(
        self: &Arc<Self>,
        request: DeployRequest,
        canary: NewCanary,
    ) -> Result<DeployReport> {
        let prepared = self.prepare(&request).await?;
        let function = prepared.record.function.clone();
        let mut report = self.report(&prepared.record, &prepared.new, request.dry_run);
        if report.outcome == Outcome::Unchanged {
            return Ok(report);
        }
        let running = self.running(&function).filter(|running| running.deployment.is_whole());
        let running = running.ok_or_else(|| not_running(&function))?;
        let canary = canary.record(prepared.new.number, self.now_ms())?;
        check_free(&prepared.record)?;
        let (factory, board) = self.canary_factory(&running, &prepared.new, &canary)?;
        (report.outcome, report.trial) = (Outcome::Canary, TrialState::Passed);
        if request.dry_run {
            return Ok(report);
        }
        let _unswept = self.sweeping.read().await;
        let mut record = self.keep_version(&prepared, &request).await?;
        record.canary = Some(canary);
        record.note(self.now_ms(), EventKind::CanaryStarted, canary.version, None);
        self.write(record).await?;
        self.begin_canary(&function, &running, canary, factory, board)?;
        Ok(report)
    }

    /// Both versions as one function.
    fn canary_factory(
        &self,
        running: &Running,
        new: &Loaded,
        canary: &CanaryRecord,
    ) -> Result<(Arc<dyn GuestFactory>, Arc<CanaryBoard>)> {
        let old = lock(&running.versions).active.clone();
        let (a, b) = (&old.spec, &new.spec);
        let same = old.reads_alike(new) && a.outputs == b.outputs && a.window == b.window;
        if !same {
            let text = format!(
                "{}: a canary needs the topics, the `event_time` and the windows of the version that \
                 runs, but those of version {} are others; deploy it for all keys",
                b.function, new.number
            );
            return Err(Error::new("E-CANARY-STATE", Domain::User, text));
        }
        let board = Arc::new(CanaryBoard::new(canary.faults_max));
        let factory = CanaryFactory::new(
            old.factory,
            Arc::clone(&new.factory),
            new.spec.settings.clone(),
            canary.parts,
            Arc::clone(&board),
        )?;
        Ok((Arc::new(factory), board))
    }

    fn begin_canary(
        self: &Arc<Self>,
        function: &FunctionId,
        running: &Arc<Running>,
        record: CanaryRecord,
        factory: Arc<dyn GuestFactory>,
        board: Arc<CanaryBoard>,
    ) -> Result<()> {
        let over = CancellationToken::new();
        let canary: SharedCanary = Arc::new(CanaryRun { record, board, over });
        self.end_canary(function);
        self.install_canary(running, &canary, &factory)?;
        self.canaries.insert(function.clone(), Arc::clone(&canary));
        self.watch_canary(function.clone(), canary);
        Ok(())
    }

    /// Hands the tasks to both versions. Where a task goes back before its first commit, since the old
    /// version itself has failed there, it is handed to them again.
    fn install_canary(
        self: &Arc<Self>,
        running: &Arc<Running>,
        canary: &SharedCanary,
        factory: &Arc<dyn GuestFactory>,
    ) -> Result<()> {
        let active = lock(&running.versions).active.clone();
        let (node, again) = (Arc::clone(&self.node), Arc::clone(factory));
        let (functions, running_again) = (Arc::downgrade(self), Arc::downgrade(running));
        let canary = Arc::downgrade(canary);
        node.swap(&running.deployment, &active.spec, factory, move |_, event| {
            let SwapEvent::Judged(Verdict::Failed(_)) = event else { return };
            let parts = (functions.upgrade(), running_again.upgrade(), Weak::upgrade(&canary));
            if let (Some(functions), Some(running), Some(canary)) = parts
                && !canary.over.is_cancelled()
                && let Err(error) = functions.install_canary(&running, &canary, &again)
            {
                tracing::warn!(%error, "a canary could not go on");
            }
        })
    }

    /// Lets the canary that the record names go on, after a start of the tasks.
    pub(in crate::functions) async fn resume_canary(
        self: &Arc<Self>,
        record: &FunctionRecord,
    ) -> Result<()> {
        let (Some(canary), Some(running)) = (record.canary, self.running(&record.function)) else {
            return Ok(());
        };
        let new = self.load(record, canary.version).await?;
        let (factory, board) = self.canary_factory(&running, &new, &canary)?;
        self.begin_canary(&record.function, &running, canary, factory, board)
    }

    /// Makes the canary the version of all keys; whoever calls it has the function's turn.
    pub(in crate::functions) async fn promote_canary(
        self: &Arc<Self>,
        function: &FunctionId,
        wait: Duration,
    ) -> Result<DeployReport> {
        let record = self.registry.get(function)?;
        let canary = record.canary.ok_or_else(|| {
            let text = format!("{function} has no canary; `pelton deploy --canary 10%` starts one");
            Error::new("E-CANARY-NONE", Domain::User, text)
        })?;
        let new = self.load(&record, canary.version).await?;
        let report = self.report(&record, &new, false);
        self.activate(record, new, report, EventKind::Promoted, wait).await
    }

    /// How far the canary of a function has come.
    pub(in crate::functions) fn canary_of(&self, record: &FunctionRecord) -> Option<CanaryStatus> {
        let canary = record.canary?;
        let run = self.canaries.get(&record.function);
        let counts = run.map(|run| run.board.counts()).unwrap_or_default();
        Some(CanaryStatus::new(&canary, counts, self.now_ms()))
    }
}

fn check_free(record: &FunctionRecord) -> Result<()> {
    let function = &record.function;
    let (code, text) = if let Some(canary) = record.canary {
        let version = canary.version;
        let text = format!(
            "{function} has a canary already, version {version}; `pelton promote {function}` or \
             `pelton rollback {function}` ends it"
        );
        ("E-CANARY-ON", text)
    } else if record.before.is_some() {
        let text = format!(
            "version {} of {function} is on trial: some task has not committed yet; wait for its first \
             record, or `pelton rollback {function}`",
            record.active
        );
        ("E-FUNCTION-BUSY", text)
    } else {
        return Ok(());
    };
    Err(Error::new(code, Domain::User, text))
}

fn not_running(function: &FunctionId) -> Error {
    let text = format!(
        "{function} does not run, so that there is nothing to share keys with; deploy it without \
         --canary, or `pelton resume {function}`"
    );
    Error::new("E-FUNCTION-STOPPED", Domain::User, text)
}
