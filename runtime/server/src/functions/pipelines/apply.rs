//! Making the functions of a pipeline what one of its versions says, all or none.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pelton_core::{Domain, Error, FunctionId, PipelineId, Result};
use tokio::time::Instant;

use super::PipelineReport;
use super::deploy::{Ready, ReadyMember};
use super::record::{Phase, PipelineRecord, Was, WayBack};
use crate::functions::record::EventKind;
use crate::functions::{DeployReport, Functions, Outcome, TrialState, blocking};

/// How often it is looked at how trials go.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

impl Functions {
    /// Lets the functions of the version `number` take over; `kind` says why. Where one does not pass
    /// its trial, all go back to what they ran.
    pub(super) async fn apply(
        self: &Arc<Self>,
        mut record: PipelineRecord,
        number: u64,
        ready: Ready,
        kind: EventKind,
        wait: Duration,
    ) -> Result<PipelineReport> {
        let report = ready.report(&record, number);
        if record.phase != Phase::Changing {
            // Else a server that was stopped in the middle has noted what was before.
            let was = ready.members.iter().map(was).collect();
            record.way_back = Some(WayBack { before: record.active, kind, was });
        }
        (record.active, record.phase, record.trouble) = (number, Phase::Changing, None);
        for member in &ready.members {
            record.note_function(number, member.report.function.name(), member.report.version);
        }
        self.put_pipeline(&record).await?;
        match self.take_over(&record.pipeline, ready, kind, wait).await {
            Ok(functions) => {
                record.note(self.now_ms(), kind, number, None);
                record.phase = Phase::Settled;
                self.put_pipeline(&record).await?;
                Ok(PipelineReport { functions, ..report })
            }
            Err(error) => Err(self.go_back(record, error).await),
        }
    }

    /// Creates topics, lets all functions take over, follows their trials, and removes those that are
    /// left out.
    async fn take_over(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        ready: Ready,
        kind: EventKind,
        wait: Duration,
    ) -> Result<Vec<DeployReport>> {
        let Ready { members, left_out, planned, manifest } = ready;
        self.place_chains(&manifest);
        let node = Arc::clone(&self.node);
        blocking(move || planned.create(&node)).await?;
        let deploy = |member| Box::pin(self.deploy_member(pipeline, member, kind));
        let deployed = join_all(members.into_iter().map(deploy)).await;
        let mut functions = deployed.into_iter().collect::<Result<Vec<_>>>()?;
        self.follow_trials(&mut functions, wait).await?;
        for function in &left_out {
            self.leave_out(function).await?;
        }
        Ok(functions)
    }

    async fn deploy_member(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        ReadyMember { prepared, request, mut report }: ReadyMember,
        kind: EventKind,
    ) -> Result<DeployReport> {
        report.dry_run = false;
        let mut record = self.keep_version(&prepared, &request).await?;
        record.pipeline = Some(pipeline.clone());
        if report.outcome == Outcome::Unchanged {
            if prepared.record.pipeline.as_ref() != Some(pipeline) {
                self.write(record).await?;
            }
            return Ok(report);
        }
        self.activate(record, prepared.new.clone(), report, kind, Duration::ZERO).await
    }

    /// Follows the trials of all functions for as long as `wait`, or until the first one fails.
    async fn follow_trials(&self, functions: &mut [DeployReport], wait: Duration) -> Result<()> {
        let end = Instant::now() + wait;
        loop {
            for report in functions.iter_mut().filter(|r| r.trial == TrialState::OnTrial) {
                report.trial = self.trial_of(&report.function, report.version)?;
            }
            let all = functions.iter().all(|report| report.trial == TrialState::Passed);
            if all || Instant::now() >= end {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// How far the trial of a version is.
    fn trial_of(&self, function: &FunctionId, version: u64) -> Result<TrialState> {
        let record = self.registry.get(function)?;
        let failed = record.events.iter().rev().find(|event| event.version == version);
        if let Some(event) = failed.filter(|event| event.kind == EventKind::TrialFailed) {
            let text = event.message.as_deref().unwrap_or("it failed before its first commit");
            let (code, text) = match text.strip_suffix(" [E-DEPLOY-PARTIAL]") {
                Some(text) => ("E-DEPLOY-PARTIAL", text),
                None => ("E-DEPLOY-TRIAL", text.trim_end_matches(" [E-DEPLOY-TRIAL]")),
            };
            return Err(Error::new(code, Domain::Guest, text));
        }
        // How it has ended is written down at once with that there is nothing to go back to.
        let on_trial = record.active == version && record.before.is_some();
        Ok(if on_trial { TrialState::OnTrial } else { TrialState::Passed })
    }

    /// Removes a function that a version leaves out. Its state is kept.
    pub(super) async fn leave_out(self: &Arc<Self>, function: &FunctionId) -> Result<()> {
        let _turn = self.turn(function).await;
        match self.registry.find(function)? {
            Some(_) => self.remove_in_turn(function, true).await,
            None => Ok(()),
        }
    }
}

fn was(member: &ReadyMember) -> Was {
    let known = &member.prepared.record;
    Was {
        function: known.function.clone(),
        version: known.active,
        paused: known.paused,
        pipeline: known.pipeline.clone(),
    }
}
