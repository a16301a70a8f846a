//! Rolling back, pausing, resuming, removing; and what a server that was stopped has left undone.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::{Domain, Error, PipelineId, Result};

use super::PipelineReport;
use super::record::{Phase, PipelineRecord};
use crate::functions::record::EventKind;
use crate::functions::{Functions, TURN_WAIT, blocking};

impl Functions {
    /// Waits for its turn to change a pipeline.
    pub(super) async fn pipeline_turn(
        &self,
        pipeline: &PipelineId,
    ) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = Arc::clone(&self.pipelines_changing.entry(pipeline.clone()).or_default());
        lock.lock_owned().await
    }

    /// Its turn to change a pipeline, if nobody else is at it.
    pub(super) async fn pipeline_turn_soon(
        &self,
        pipeline: &PipelineId,
    ) -> Result<tokio::sync::OwnedMutexGuard<()>> {
        tokio::time::timeout(TURN_WAIT, self.pipeline_turn(pipeline)).await.map_err(|_| {
            let text = format!("{pipeline} is being changed by another request; try again later");
            Error::new("E-PIPELINE-BUSY", Domain::User, text).retry()
        })
    }

    pub(super) async fn put_pipeline(&self, record: &PipelineRecord) -> Result<()> {
        let (store, now, kept) = (self.pipelines.clone(), self.now_ms(), record.clone());
        blocking(move || store.put(&kept, now)).await?;
        self.internal.set(record);
        self.fuse(record);
        Ok(())
    }

    pub(super) async fn forget_pipeline(&self, pipeline: &PipelineId) -> Result<()> {
        let (store, now, gone) = (self.pipelines.clone(), self.now_ms(), pipeline.clone());
        blocking(move || store.remove(&gone, now)).await?;
        self.internal.forget(pipeline);
        Ok(())
    }

    /// Goes back to an earlier version of all functions: `to`, or the one that ran before the active
    /// one. State stays.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`, `E-VERSION-UNKNOWN`, `E-VERSION-NONE`, or as [`Self::deploy_pipeline`].
    pub async fn rollback_pipeline(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        to: Option<u64>,
        wait: Duration,
    ) -> Result<PipelineReport> {
        let _turn = self.pipeline_turn_soon(pipeline).await?;
        let record = self.pipelines.get(pipeline)?;
        let number = to.or(record.ran_before()).ok_or_else(|| {
            let text = format!(
                "{pipeline}: nothing is known to have run before version {}; `pelton pipeline versions \
                 {}` shows all, and `--to NUMBER` takes any of them",
                record.active,
                pipeline.name()
            );
            Error::new("E-VERSION-NONE", Domain::User, text)
        })?;
        Box::pin(self.take(record, number, EventKind::RolledBack, wait)).await
    }

    /// Makes the functions of a pipeline what its version `number` says.
    pub(super) async fn take(
        self: &Arc<Self>,
        record: PipelineRecord,
        number: u64,
        kind: EventKind,
        wait: Duration,
    ) -> Result<PipelineReport> {
        let version = record.version(number).ok_or_else(|| no_version(&record, number))?;
        let (manifest, modules) = (version.manifest()?, version.digests());
        let _unswept = self.sweeping.read().await;
        let ready = self.prepare_pipeline(&record, &manifest, &modules, wait).await?;
        let report = ready.report(&record, number);
        if report.is_unchanged() && record.is_settled() {
            return Ok(report);
        }
        self.apply(record, number, ready, kind, wait).await
    }

    /// Pauses all functions of a pipeline.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`, `E-PIPELINE-BUSY`, or as [`Self::pause`].
    pub async fn pause_pipeline(&self, pipeline: &PipelineId) -> Result<()> {
        let _turn = self.pipeline_turn_soon(pipeline).await?;
        for function in self.members_of(&self.pipelines.get(pipeline)?.pipeline)? {
            self.pause(&function).await?;
        }
        Ok(())
    }

    /// Lets all functions of a pipeline go on.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`, `E-PIPELINE-BUSY`, or as [`Self::resume`].
    pub async fn resume_pipeline(self: &Arc<Self>, pipeline: &PipelineId) -> Result<()> {
        let _turn = self.pipeline_turn_soon(pipeline).await?;
        for function in self.members_of(&self.pipelines.get(pipeline)?.pipeline)? {
            self.resume(&function).await?;
        }
        Ok(())
    }

    /// Removes a pipeline, its versions and its functions. Positions and state go too, unless they are
    /// kept for functions of these names that are deployed later. Topics stay.
    ///
    /// # Errors
    /// `E-PIPELINE-UNKNOWN`, `E-PIPELINE-BUSY`.
    pub async fn remove_pipeline(
        self: &Arc<Self>,
        pipeline: &PipelineId,
        keep_state: bool,
    ) -> Result<()> {
        let _turn = self.pipeline_turn_soon(pipeline).await?;
        let mut record = self.pipelines.get(pipeline)?;
        record.phase = Phase::Removing { keep_state };
        self.put_pipeline(&record).await?;
        self.finish_removal(&record, keep_state).await
    }

    async fn finish_removal(&self, record: &PipelineRecord, keep_state: bool) -> Result<()> {
        for function in self.members_of(&record.pipeline)? {
            let _turn = self.turn(&function).await;
            if self.registry.find(&function)?.is_some() {
                self.remove_in_turn(&function, keep_state).await?;
            }
        }
        self.forget_pipeline(&record.pipeline).await
    }

    /// Goes on, in the background, with what a server that was stopped had begun.
    pub(in crate::functions) fn settle_pipelines(self: &Arc<Self>) -> Result<()> {
        for record in self.pipelines.all()? {
            let functions = Arc::clone(self);
            self.fuse(&record);
            if !record.is_settled() {
                self.following.spawn(async move {
                    let pipeline = record.pipeline.clone();
                    let _turn = functions.pipeline_turn(&pipeline).await;
                    if let Err(error) = Box::pin(functions.settle(record)).await {
                        tracing::error!(%pipeline, %error, "a pipeline could not be settled");
                    }
                });
            }
        }
        Ok(())
    }

    async fn settle(self: &Arc<Self>, record: PipelineRecord) -> Result<()> {
        match record.phase {
            Phase::Settled => Ok(()),
            Phase::Removing { keep_state } => self.finish_removal(&record, keep_state).await,
            Phase::GoingBack => {
                let text = record.trouble.clone().unwrap_or_default();
                let error = Error::new("E-DEPLOY-TRIAL", Domain::Guest, text);
                let pipeline = record.pipeline.clone();
                let error = self.go_back(record, error).await;
                tracing::warn!(%pipeline, "{error}");
                Ok(())
            }
            Phase::Changing => {
                let kind = record.way_back.as_ref().map_or(EventKind::Deployed, |back| back.kind);
                let number = record.active;
                let Err(error) = self.take(record.clone(), number, kind, Duration::ZERO).await
                else {
                    return Ok(());
                };
                // Where it has not gone back by itself, it could not even begin.
                match self.pipelines.find(&record.pipeline)? {
                    Some(now) if !now.is_settled() => Err(self.go_back(now, error).await),
                    _ => Err(error),
                }
            }
        }
    }
}

fn no_version(record: &PipelineRecord, number: u64) -> Error {
    let known: Vec<_> = record.versions.iter().map(|v| v.number.to_string()).collect();
    let text = format!("{} has no version {number}; it has: {}", record.pipeline, known.join(", "));
    Error::new("E-VERSION-UNKNOWN", Domain::User, text)
}
