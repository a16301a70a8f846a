//! Making the functions of a pipeline what one of its versions says, all or none.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pelton_core::{Error, FunctionId, PipelineId, Result};

use super::PipelineReport;
use super::deploy::{Ready, ReadyMember, function_of};
use super::record::{Phase, PipelineRecord};
use crate::functions::deploy::Failed;
use crate::functions::record::EventKind;
use crate::functions::{DeployReport, FunctionRecord, Functions, Outcome, Running, blocking};

/// What a function was before the pipeline changed it.
struct Was {
    function: FunctionId,
    /// The version that ran; 0: the function was not there.
    version: u64,
    paused: bool,
    pipeline: Option<PipelineId>,
}

impl Functions {
    /// Lets the functions of the version `number` take over: `kind` says why, in their records and,
    /// unless it `is_noted`, in the pipeline's. Where one does not pass its trial, all go back to what
    /// they ran.
    pub(super) async fn apply(
        self: &Arc<Self>,
        mut record: PipelineRecord,
        number: u64,
        ready: Ready,
        (kind, is_noted): (EventKind, bool),
        wait: Duration,
    ) -> Result<PipelineReport> {
        let report = ready.report(&record, number);
        let was = was(&ready, &record);
        let before = record.active;
        (record.active, record.phase) = (number, Phase::Changing);
        if !is_noted {
            record.note(self.now_ms(), kind, number, None);
        }
        for member in &ready.members {
            record.note_function(number, member.report.function.name(), member.report.version);
        }
        self.put_pipeline(&record).await?;
        let Ready { members, left_out, planned, manifest } = ready;
        self.place_chains(&manifest);
        let node = Arc::clone(&self.node);
        let done = match blocking(move || planned.create(&node)).await {
            Ok(()) => self.deploy_members(&record.pipeline, members, kind, wait).await,
            Err(error) => {
                // Whoever waits for its turn to change one of them may have it now.
                drop(members);
                Err(error)
            }
        };
        match done {
            Ok(functions) => {
                for function in &left_out {
                    self.leave_out(function).await?;
                }
                record.phase = Phase::Settled;
                self.put_pipeline(&record).await?;
                Ok(PipelineReport { functions, ..report })
            }
            Err(error) => Err(self.go_back(record, before, &was, error).await),
        }
    }

    /// Lets all functions take over at once, and waits for their trials. The first failure of all is
    /// answered.
    async fn deploy_members(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        members: Vec<ReadyMember>,
        kind: EventKind,
        wait: Duration,
    ) -> Result<Vec<DeployReport>> {
        let deploy = |member| Box::pin(self.deploy_member(pipeline, member, kind, wait));
        join_all(members.into_iter().map(deploy)).await.into_iter().collect()
    }

    async fn deploy_member(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        ReadyMember { prepared, request, mut report }: ReadyMember,
        kind: EventKind,
        wait: Duration,
    ) -> Result<DeployReport> {
        report.dry_run = false;
        let mut record = self.keep_version(&prepared, &request).await?;
        record.pipeline = Some(pipeline.clone());
        if report.outcome == Outcome::Unchanged {
            if prepared.record.pipeline.is_none() {
                self.write(record).await?;
            }
            return Ok(report);
        }
        self.activate(record, prepared.new.clone(), report, kind, wait).await
    }

    /// Removes a function that a version leaves out. Its state is kept.
    pub(super) async fn leave_out(self: &Arc<Self>, function: &FunctionId) -> Result<()> {
        let _turn = self.turn(function).await;
        match self.registry.find(function)? {
            Some(_) => self.remove_in_turn(function, true).await,
            None => Ok(()),
        }
    }

    /// Puts all functions back to what they were, and answers what there is to say about it.
    async fn go_back(
        self: &Arc<Self>,
        mut record: PipelineRecord,
        before: u64,
        was: &[Was],
        error: Error,
    ) -> Error {
        let number = record.active;
        let mut left = Vec::new();
        for was in was {
            if let Err(error) = Box::pin(self.put_back(was)).await {
                left.push(format!("{} could not be put back: {error}", was.function.name()));
            }
        }
        let back = match before {
            0 => "none of its functions runs".to_owned(),
            before => format!("its functions run what they did in version {before}"),
        };
        let left: String = left.iter().map(|text| format!("; {text}")).collect();
        let pipeline = record.pipeline.clone();
        let error = error.reworded(|text| {
            format!("pipeline {pipeline} version {number} does not run, and {back}{left}: {text}")
        });
        let message = Some(error.to_string());
        record.note(self.now_ms(), EventKind::TrialFailed, number, message);
        (record.active, record.phase) = (before, Phase::Settled);
        let kept = match before {
            0 => self.forget_pipeline(&pipeline).await,
            _ => self.put_pipeline(&record).await,
        };
        if let Err(error) = kept {
            tracing::error!(%pipeline, %error, "a pipeline could not be put back");
        }
        error
    }

    /// Puts a function back to what it was. One that goes on with its new version, since the one before
    /// cannot read the state that it has left, is let be.
    async fn put_back(self: &Arc<Self>, was: &Was) -> Result<()> {
        let _turn = self.turn(&was.function).await;
        let Some(mut record) = self.registry.find(&was.function)? else { return Ok(()) };
        if was.version == 0 {
            return self.remove_in_turn(&was.function, true).await;
        }
        record.pipeline.clone_from(&was.pipeline);
        if record.active == was.version || goes_on(&record) {
            return self.write(record).await;
        }
        self.write(record.clone()).await?;
        match self.running(&was.function).filter(|_| record.before == Some(was.version)) {
            Some(running) => self.end_trial_for(&running, &record).await?,
            None => {
                let old = self.load(&record, was.version).await?;
                let report = self.report(&record, &old, false);
                self.activate(record, old, report, EventKind::RolledBack, Duration::ZERO).await?;
            }
        }
        if was.paused {
            self.pause_in_turn(&was.function).await?;
        }
        Ok(())
    }

    /// Ends the trial of a function since another one has failed its own.
    async fn end_trial_for(
        self: &Arc<Self>,
        running: &Arc<Running>,
        record: &FunctionRecord,
    ) -> Result<()> {
        let deployment = &running.deployment;
        let mut passed = Vec::new();
        for partition in 0..deployment.partitions() {
            let on_trial = deployment.visit(partition, |task| task.is_on_trial()).await;
            passed.extend((on_trial == Some(false)).then_some(partition));
        }
        let failed = Failed {
            function: &record.function,
            number: record.active,
            task: 0,
            passed,
            cause: "another function of its pipeline has failed".to_owned(),
        };
        self.end_trial_badly(running, &failed).await.map(drop)
    }
}

/// Whether a function's version has failed its trial on some task and goes on all the same.
fn goes_on(record: &FunctionRecord) -> bool {
    let last = record.events.last();
    last.is_some_and(|event| event.kind == EventKind::TrialFailed && event.version == record.active)
}

/// What the functions were. Those that a server which was stopped in the middle had changed already
/// were what the pipeline's version before says.
fn was(ready: &Ready, record: &PipelineRecord) -> Vec<Was> {
    let changing = record.phase == Phase::Changing;
    let before = record.ran_before().filter(|_| changing).and_then(|number| record.version(number));
    let of = |member: &ReadyMember| {
        let known = &member.prepared.record;
        let version = before.and_then(|before| before.functions.get(known.function.name()));
        Was {
            function: known.function.clone(),
            version: version.map_or(known.active, |function| function.version),
            paused: known.paused,
            pipeline: known.pipeline.clone(),
        }
    };
    ready.members.iter().map(of).collect()
}

/// The functions of a version, as ids.
pub(super) fn functions_of(record: &PipelineRecord) -> Vec<FunctionId> {
    let active = record.active_version().map(|version| version.functions.keys());
    active.into_iter().flatten().filter_map(|name| function_of(&record.pipeline, name)).collect()
}
