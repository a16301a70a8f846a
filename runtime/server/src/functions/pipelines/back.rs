//! The way back: all functions become what they were before the last change.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, FunctionId, PipelineId, Result};

use super::record::{Phase, PipelineRecord, Was, WayBack};
use crate::functions::deploy::Failed;
use crate::functions::record::EventKind;
use crate::functions::{FunctionRecord, Functions, Running};

impl Functions {
    /// Puts all functions back to what they were, and answers what there is to say about it.
    pub(super) async fn go_back(
        self: &Arc<Self>,
        mut record: PipelineRecord,
        error: Error,
    ) -> Error {
        let (number, pipeline) = (record.active, record.pipeline.clone());
        record.phase = Phase::GoingBack;
        record.trouble = Some(error.to_string());
        let way_back = record.way_back.clone().unwrap_or_else(|| WayBack {
            before: record.active,
            kind: EventKind::RolledBack,
            was: Vec::new(),
        });
        if let Err(error) = self.put_pipeline(&record).await {
            tracing::error!(%pipeline, %error, "a pipeline could not be put back");
        }
        let mut left = Vec::new();
        for was in &way_back.was {
            if let Err(error) = Box::pin(self.put_back(was)).await {
                left.push(format!("{} could not be put back: {error}", was.function.name()));
            }
        }
        let back = match way_back.before {
            0 => "none of its functions runs for it".to_owned(),
            before => format!("its functions run what they did in version {before}"),
        };
        let left: String = left.iter().map(|text| format!("; {text}")).collect();
        let error = error.reworded(|text| {
            format!("pipeline {pipeline} version {number} does not run, and {back}{left}: {text}")
        });
        record.note(self.now_ms(), EventKind::TrialFailed, number, Some(error.to_string()));
        (record.active, record.phase, record.way_back) = (way_back.before, Phase::Settled, None);
        record.trouble = (!left.is_empty()).then(|| error.to_string());
        let kept = match way_back.before {
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
        self.write(record.clone()).await?;
        if record.active == was.version || goes_on(&record) {
            return Ok(());
        }
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

    /// A function of a pipeline has failed its trial after the deployment was answered: then the others
    /// go back too.
    pub(in crate::functions) fn member_failed(
        self: &Arc<Self>,
        pipeline: PipelineId,
        function: FunctionId,
        version: u64,
        cause: String,
    ) {
        let functions = Arc::clone(self);
        self.following.spawn(async move {
            let _turn = functions.pipeline_turn(&pipeline).await;
            let going_back = functions.follow_back(&pipeline, &function, version, cause);
            if let Err(error) = Box::pin(going_back).await {
                tracing::error!(%pipeline, %error, "a pipeline could not go back");
            }
        });
    }

    async fn follow_back(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        function: &FunctionId,
        version: u64,
        cause: String,
    ) -> Result<()> {
        let Some(mut record) = self.pipelines.find(pipeline)? else { return Ok(()) };
        let active = record.active_version().and_then(|v| v.functions.get(function.name()));
        // Whoever deployed it has been told, and has put all back.
        let is_active = active.is_some_and(|function| function.version == version);
        let Some(way_back) = record.way_back.take().filter(|_| is_active && record.is_settled())
        else {
            return Ok(());
        };
        let error = Error::new("E-DEPLOY-TRIAL", Domain::Guest, cause);
        if record.version(way_back.before).is_none() {
            record.way_back = Some(way_back);
            let error = self.go_back(record, error).await;
            tracing::warn!(%pipeline, "{error}");
            return Ok(());
        }
        record.note(self.now_ms(), EventKind::TrialFailed, record.active, Some(error.to_string()));
        let taken =
            self.take(record.clone(), way_back.before, EventKind::RolledBack, Duration::ZERO).await;
        let mut now = match self.pipelines.find(pipeline)? {
            Some(now) if taken.is_ok() => now,
            _ => record,
        };
        // No way leads back from the way back.
        now.way_back = None;
        now.trouble = taken.as_ref().err().map(ToString::to_string);
        self.put_pipeline(&now).await?;
        taken.map(drop)
    }
}

/// Whether a function's version has failed its trial on some task and goes on all the same.
fn goes_on(record: &FunctionRecord) -> bool {
    let last = record.events.last();
    last.is_some_and(|event| event.kind == EventKind::TrialFailed && event.version == record.active)
}
