//! One step: decide what comes next, do it, commit it.

use pelton_core::{Domain, Error, Result, TimeDomain};

use super::migrate::Swept;
use super::{Step, Task};
use crate::call::Call;
use crate::scratch::Scratch;

/// Timers that fire since the inputs of a bounded run have ended, beyond those that were set then: one
/// more, and the function is taken to set a new one whenever one fires.
const ENDING_TIMERS_MAX: u64 = 100_000;

impl Task {
    /// Does the next thing.
    ///
    /// # Errors
    /// Storage errors that do not pass, and faults that halt the task by its policy. Nothing is
    /// half done: a task that is started again goes on where its last commit is.
    pub async fn step(&mut self) -> Result<Step> {
        let done = self.step_once().await;
        self.source.settle()?;
        done
    }

    async fn step_once(&mut self) -> Result<Step> {
        self.poll_snapshot()?;
        self.tell_time();
        if self.is_over {
            let text = format!("{} failed before its first commit", self.config.id);
            return Err(Error::new("E-TRIAL-FAILED", Domain::Guest, text));
        }
        if let Some(until_ms) = self.still_waiting() {
            return Ok(Step::Wait { until_ms });
        }
        if self.pending.is_some() {
            return self.commit().await;
        }
        match self.sweep(false) {
            Swept::Call(call) => return self.run(call).await,
            Swept::Searching if self.trial.is_some() => return Ok(Step::Worked),
            Swept::Searching | Swept::Nothing => {}
        }
        if let Some(call) = self.due_call()? {
            return self.run(call).await;
        }
        if self.asks_while_busy() && self.ask_producers() {
            return Ok(Step::Worked);
        }
        self.fill()?;
        if let Some(step) = self.tell_times().await? {
            return Ok(step);
        }
        if !self.ended() && self.expire() {
            return self.commit_decisions().await;
        }
        if let Some(call) = self.next_call()? {
            return self.run(call).await;
        }
        match self.sweep(true) {
            Swept::Call(call) => self.run(call).await,
            Swept::Searching => Ok(Step::Worked),
            Swept::Nothing => self.rest().await,
        }
    }

    /// The wall time as the task tells it, ms since the Unix epoch: what [`Step::Wait`] and
    /// [`Step::Idle`] name is a moment of it. It never goes back, and goes on where the clock has
    /// stepped back.
    pub fn tell_time(&mut self) -> i64 {
        self.time.at(self.clock.now_ms())
    }

    /// The end of the wait that is on, if it is not over; never longer than the longest back-off.
    fn still_waiting(&mut self) -> Option<i64> {
        let left = self.wait_until?.saturating_sub(self.time.ms());
        if left <= 0 || left > self.config.retry.backoff_ms_max {
            self.wait_until = None;
        }
        self.wait_until
    }

    /// Expires what has outlived its time, in a commit of its own. At the end of a bounded input
    /// nothing expires: time to live is about time that passes.
    pub(super) fn expire(&mut self) -> bool {
        let watermark = self.watermark;
        if self.state.next_expiry().is_none_or(|at| at > watermark) {
            return false;
        }
        let Some(state) = std::sync::Arc::get_mut(&mut self.state) else { return false };
        state.begin();
        state.expire(watermark);
        state.accept();
        true
    }

    /// Whether all inputs are bounded and have been read to their end.
    fn ended(&self) -> bool {
        self.inputs.iter().all(|input| input.ended)
    }

    /// The lowest watermark at which something becomes due; `i64::MAX` for nothing.
    pub(super) fn due_at(&self) -> i64 {
        self.state.next_pane_end().unwrap_or(i64::MAX).min(self.due_beside_panes())
    }

    /// The same for what is no pane.
    pub(super) fn due_beside_panes(&self) -> i64 {
        let timer = self.state.next_timer(TimeDomain::Event).map(|due| due.saturating_add(1));
        let expiry = self.state.next_expiry();
        [timer, expiry].into_iter().flatten().min().unwrap_or(i64::MAX)
    }

    /// No records and nothing due: the end of a bounded input, or rest.
    async fn rest(&mut self) -> Result<Step> {
        let ended = self.ended();
        if ended && self.flushing {
            self.finish_snapshot().await?;
            self.tell_readers(true);
            return Ok(Step::Finished);
        }
        if ended {
            self.flushing = true;
            self.last_timers = self.state.timer_count() as u64 + ENDING_TIMERS_MAX;
            return Ok(Step::Worked);
        }
        if self.ask_producers() || self.follow_peers() || self.reach() {
            return Ok(Step::Worked);
        }
        self.tell_readers(self.clocks.iter().all(|clock| clock.progress.idle));
        self.scratch = Scratch::default();
        self.tap_rest();
        Ok(Step::Idle { wake_at_ms: self.wake_at() })
    }

    /// When the clock alone gives the task something to do.
    fn wake_at(&self) -> Option<i64> {
        let timer = self.state.next_timer(TimeDomain::Processing).map(|due| due.saturating_add(1));
        let waiting = self.inputs.iter().zip(&self.clocks);
        let idle = waiting
            .filter(|(_, clock)| !clock.progress.idle && clock.producers.is_empty())
            .filter_map(|(input, _)| input.empty_since)
            .map(|since| since.saturating_add(self.config.idle_timeout_ms))
            .min();
        let others = [self.gathers_until(), self.triggers.clock_ms, self.asks_at()];
        others.into_iter().chain([timer, idle]).flatten().min()
    }

    /// A task all of whose inputs are idle follows the lowest watermark of the function's other
    /// tasks. Answers whether something has become due by it.
    fn follow_peers(&mut self) -> bool {
        let idle = self.clocks.iter().all(|clock| clock.progress.idle);
        let Some((peers, own)) = &self.peers else { return false };
        peers.publish(*own, (!idle).then_some(self.watermark));
        let Some(lowest) = peers.lowest().filter(|_| idle) else { return false };
        if lowest <= self.watermark {
            return false;
        }
        self.watermark = lowest;
        self.watermark >= self.due_at()
    }

    /// Marks inputs idle that have had nothing for long enough; where tasks write to them, those tell.
    pub(super) fn judge_idle(&mut self) {
        if self.repeats {
            return;
        }
        for (input, clock) in self.inputs.iter_mut().zip(&mut self.clocks) {
            if input.queued() > 0 || input.ended {
                input.empty_since = None;
                continue;
            }
            let since = *input.empty_since.get_or_insert(self.time.ms());
            let is_over = self.time.ms().saturating_sub(since) >= self.config.idle_timeout_ms;
            if is_over && clock.producers.is_empty() {
                clock.progress.idle = true;
            }
        }
    }

    /// Makes a call, and what follows from it within the same commit, and commits.
    pub(super) async fn run(&mut self, call: Call) -> Result<Step> {
        let mut call = call;
        self.mark_trial();
        self.note_began(&call);
        self.tap_begin();
        loop {
            let settled = self.call(&call).await?;
            self.done_with(call, &settled);
            match settled {
                super::settle::Settled::Commit => return self.commit().await,
                super::settle::Settled::Follow(next) => call = *next,
                super::settle::Settled::Again => return Ok(Step::Worked),
                super::settle::Settled::Wait { until_ms } => {
                    self.wait_until = Some(until_ms);
                    return Ok(Step::Wait { until_ms });
                }
            }
        }
    }
}
