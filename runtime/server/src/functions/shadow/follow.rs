//! Following one task, on a worker of its own share.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pelton_core::{Domain, Error, Result};
use pelton_engine::{Fed, Feed, Replacement, Shadow, ShadowSeed};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::{ShadowRun, SharedShadow};
use crate::control::Control;
use crate::workers::{Timers, yield_now};

/// Wait before a task is asked again whose state cannot be copied now.
const BUSY_WAIT: Duration = Duration::from_millis(20);

/// What follows a task.
pub(super) struct Follower {
    pub(super) run: SharedShadow,
    pub(super) control: Arc<Control>,
    pub(super) partition: u32,
    pub(super) replacement: Replacement,
    pub(super) clock: Arc<dyn pelton_core::Clock>,
    pub(super) timers: Timers,
    pub(super) permits: Arc<Semaphore>,
    /// Where states are copied: off the workers.
    pub(super) runtime: Handle,
}

/// Why a shadow does not go on.
enum Over {
    /// It has to begin anew: this many commits were skipped by then.
    Again(Feed),
    Stopped,
}

impl Follower {
    /// Follows until the shadow is stopped or the task has ended. Faults are the shadow's alone.
    pub(super) async fn run(self) {
        let mut behind: Option<Feed> = None;
        while !self.run.is_stopped() {
            let followed = match self.begin().await {
                Ok(Some((seed, feed))) => {
                    let skipped = behind.take().map_or(0, |feed| feed.skipped());
                    self.run.skipped.fetch_add(skipped, Ordering::Relaxed);
                    self.follow(seed, feed).await
                }
                Ok(None) => return,
                Err(error) if error.retryable => {
                    self.timers.sleep(BUSY_WAIT).await;
                    continue;
                }
                Err(error) => Err(error),
            };
            match followed {
                Ok(Over::Again(feed)) => behind = Some(feed),
                Ok(Over::Stopped) => return,
                Err(error) => {
                    let mut task = self.run.task(self.partition);
                    task.error = Some(error.to_string());
                    task.feed.take().iter().for_each(Feed::close);
                    return;
                }
            }
        }
    }

    /// Asks the task to begin; nothing where it has ended.
    async fn begin(&self) -> Result<Option<(ShadowSeed, Feed)>> {
        let (answer, answered) = oneshot::channel();
        let replacement = self.replacement.clone();
        self.control.visit(Box::new(move |task| {
            // Nobody listens where the shadow was stopped meanwhile: the feed is dropped with it.
            if let Err(Ok((_, feed))) = answer.send(task.shadow(&replacement)) {
                feed.close();
            }
        }));
        answered.await.ok().transpose()
    }

    async fn follow(&self, seed: ShadowSeed, feed: Feed) -> Result<Over> {
        self.run.task(self.partition).feed = Some(feed.clone());
        let grown = self.runtime.spawn_blocking(|| seed.grow()).await;
        let mut shadow = grown.map_err(|error| {
            Error::new("E-INTERNAL", Domain::Internal, "copying a task's state").caused_by(error)
        })?;
        self.run.copies.fetch_add(1, Ordering::Relaxed);
        self.run.task(self.partition).since_ms = Some(self.clock.now_ms());
        loop {
            if self.run.is_stopped() {
                feed.close();
                return Ok(Over::Stopped);
            }
            match feed.next().await {
                Fed::Beat(beat) => self.take(&mut shadow, *beat, &self.run).await?,
                Fed::Lost => return Ok(Over::Again(feed)),
                Fed::Ended => return Ok(Over::Again(feed)),
            }
            yield_now().await;
        }
    }

    async fn take(
        &self,
        shadow: &mut Shadow,
        beat: pelton_engine::Beat,
        run: &ShadowRun,
    ) -> Result<()> {
        let permit = self.permits.acquire().await;
        let followed = shadow.follow(beat).await;
        drop(permit);
        let (tally, told) = followed?;
        run.board.add(self.partition, self.clock.now_ms(), &tally, told);
        Ok(())
    }
}
