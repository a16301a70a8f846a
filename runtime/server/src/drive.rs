//! Driving a task on a worker: step by step, waiting for what it asks for, starting it again where
//! storage has failed it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use pelton_core::{Clock, Error, Result};
use pelton_engine::{Step, Task};
use tokio::sync::Semaphore;

use crate::control::Control;
use crate::latency::Latency;
use crate::workers::{Timers, yield_now};

/// Longest time that a task sleeps without looking around.
const NAP_MS_MAX: i64 = 60_000;

/// What a task on a worker is driven with.
pub(crate) struct Driver {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) timers: Timers,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) control: Arc<Control>,
    pub(crate) latency: Arc<Latency>,
}

impl Driver {
    /// Runs `task` until its inputs end or it is asked to stop, and does between its steps what its
    /// control asks for.
    ///
    /// # Errors
    /// What [`Task::step`] answers.
    pub(crate) async fn run(&self, task: &mut Task) -> Result<()> {
        while !self.control.is_stopped() {
            self.control.attend(task);
            let looks = self.control.looks();
            let step = {
                let _permit = self.permits.acquire().await.map_err(|_| closed())?;
                self.step(task).await?
            };
            self.control.judge(task);
            if matches!(step, Step::Wait { .. } | Step::Idle { .. }) {
                self.control.rests(looks);
            }
            match step {
                Step::Worked => yield_now().await,
                Step::Finished => return Ok(()),
                Step::Wait { until_ms } => {
                    let left_ms = until_ms.saturating_sub(task.tell_time());
                    self.wait(None, Some(left_ms)).await;
                }
                Step::Idle { wake_at_ms } => {
                    let now_ms = task.tell_time();
                    let left_ms = wake_at_ms.map(|at_ms| at_ms.saturating_sub(now_ms));
                    self.wait(Some(task), left_ms).await;
                }
            }
        }
        Ok(())
    }

    /// Does the next step, and times it where the guest was called.
    async fn step(&self, task: &mut Task) -> Result<Step> {
        let calls = |task: &Task| task.counters().calls.load(Ordering::Relaxed);
        let (before, began) = (calls(task), Instant::now());
        let step = task.step().await;
        if calls(task) > before {
            self.latency.add(began.elapsed());
        }
        step
    }

    /// Waits for records of `task`, so many milliseconds, or for its control.
    async fn wait(&self, mut task: Option<&mut Task>, nap_ms: Option<i64>) {
        let nap = nap_ms.unwrap_or(NAP_MS_MAX).clamp(1, NAP_MS_MAX);
        let nap = Duration::from_millis(nap as u64);
        let mut sleep = std::pin::pin!(self.timers.sleep(nap));
        let mut armed = false;
        poll_fn(|context| {
            self.control.register(context.waker());
            if self.control.wants_attention() {
                return Poll::Ready(());
            }
            if let Some(task) = &mut task
                && task.source().poll_ready(context).is_ready()
            {
                return Poll::Ready(());
            }
            if !armed || sleep.is_over() {
                armed = true;
                return sleep.as_mut().poll(context);
            }
            Poll::Pending
        })
        .await;
    }
}

fn closed() -> Error {
    Error::new("E-INTERNAL", pelton_core::Domain::Internal, "the worker's permits are closed")
}
