//! Running one task of a replay on a worker.

use std::sync::Arc;

use pelton_core::{Clock, Domain, Error, ManualClock, Result};
use pelton_engine::{NoTelemetry, Parts, Task};
use pelton_journal::adapter::JournalSource;
use pelton_journal::{Journal, Visibility};
use tokio::sync::Semaphore;

use super::job::Job;
use super::plan::TaskPlan;
use super::sink::ReplaySink;
use crate::workers::yield_now;

/// Tells the job that a task of it has ended, also where it panicked.
struct Ending(Arc<Job>, Option<Result<()>>);

impl Drop for Ending {
    fn drop(&mut self) {
        let text = "a task of the replay panicked, or the server is being stopped";
        let lost = || Err(Error::new("E-REPLAY-LOST", Domain::Internal, text));
        self.0.ended(self.1.take().unwrap_or_else(lost));
    }
}

pub(super) async fn run(
    job: Arc<Job>,
    journal: Arc<Journal>,
    plan: TaskPlan,
    permits: Arc<Semaphore>,
) {
    let mut ending = Ending(Arc::clone(&job), None);
    ending.1 = Some(repeat(&job, journal, plan, &permits).await);
}

async fn repeat(
    job: &Arc<Job>,
    journal: Arc<Journal>,
    plan: TaskPlan,
    permits: &Semaphore,
) -> Result<()> {
    let clock = Arc::new(ManualClock::new(i64::MIN));
    let bytes_max = journal.limits().frame_bytes_max;
    let sink = ReplaySink::new(Arc::clone(job), plan.recovered, bytes_max - bytes_max / 8);
    let mut task = Task::start(Parts {
        config: plan.config,
        source: Box::new(JournalSource::new(journal, Visibility::Durable)),
        sink: Box::new(sink),
        pool: plan.pool,
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        telemetry: Arc::new(NoTelemetry),
        peers: None,
    })
    .await?;
    let mut told = (0, 0);
    for stage in &plan.stages {
        clock.set(stage.time_ms());
        task.begin_repeat(stage.repeat());
        let mut is_over = false;
        while !is_over {
            if job.is_cancelled() {
                return Ok(());
            }
            is_over = {
                let permit = permits.acquire().await;
                let _permit = permit.map_err(|_| {
                    Error::new("E-INTERNAL", Domain::Internal, "the worker's permits are closed")
                })?;
                task.repeat_step(stage.repeat()).await?
            };
            told = job.progress(task.counters(), told);
            yield_now().await;
        }
    }
    Ok(())
}
