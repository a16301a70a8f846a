//! A task on its worker, from its start to its end.

use std::sync::Arc;

use pelton_core::{COMMIT_STALE, Result};
use pelton_engine::{Parts, Peers, Replacement, Task};
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::{Journal, Visibility};

use super::taps::Taps;
use crate::deployment::Shared;
use crate::drive::Driver;
use crate::telemetry::NodeTelemetry;

/// Wait before a task is started again whose storage failed it, ms; doubled up to 30 s.
const RESTART_MS: u64 = 100;

/// What a task on a worker owns.
pub(super) struct RunningTask {
    pub(super) journal: Arc<Journal>,
    pub(super) telemetry: Arc<NodeTelemetry>,
    pub(super) peers: Peers,
    pub(super) shared: Arc<Shared>,
    pub(super) taps: Arc<Taps>,
    pub(super) driver: Driver,
}

impl RunningTask {
    pub(super) async fn run(self) {
        let result = self.restart_until_done().await;
        if let Err(error) = &result {
            tracing::debug!(task = %self.driver.control.config().id, %error, "a task has stopped");
        }
        self.shared.ended(result);
        self.driver.control.close();
    }

    /// Runs the task; where storage fails it in a way that may pass, starts it again from its last
    /// commit.
    async fn restart_until_done(&self) -> Result<()> {
        let mut wait = RESTART_MS;
        loop {
            match self.once().await {
                Err(error) if error.code == COMMIT_STALE && !self.driver.control.is_stopped() => {
                    tracing::debug!(task = %self.driver.control.config().id, %error);
                }
                Err(error) if error.retryable && !self.driver.control.is_stopped() => {
                    let task = &self.driver.control.config().id;
                    tracing::warn!(%task, %error, wait_ms = wait, "a task is started again");
                    let pause = std::time::Duration::from_millis(wait);
                    self.driver.timers.sleep(pause).await;
                    wait = (wait * 2).min(30_000);
                }
                done => return done,
            }
        }
    }

    async fn once(&self) -> Result<()> {
        let journal = Arc::clone(&self.journal);
        let Replacement { config, pool } = self.driver.control.current();
        let partition = config.id.partition as usize;
        let parts = Parts {
            source: Box::new(
                JournalSource::new(Arc::clone(&journal), Visibility::Appended).fused(),
            ),
            sink: Box::new(JournalSink::new(journal, Arc::clone(&self.driver.clock))),
            pool,
            clock: Arc::clone(&self.driver.clock),
            telemetry: self.telemetry.clone(),
            peers: Some((self.peers.clone(), partition)),
            config: Arc::unwrap_or_clone(config),
        };
        let mut task = Task::start(parts).await?;
        self.driver.control.restarted();
        if self.driver.control.is_alone_on_trial() {
            task.begin_trial();
        }
        self.shared.started(partition as u32, task.counters());
        self.taps.started(&self.driver.control.config().id, &mut task);
        self.driver.run(&mut task).await
    }
}
