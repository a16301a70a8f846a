//! A task and its shadow: telling it what was done, and following as one.

use std::sync::Arc;

use pelton_core::{Domain, Error, ManualClock, Result};

use super::migrate::Swept;
use super::settle::Settled;
use super::{Decisions, Replacement, Task, owned, start};
use crate::call::Call;
use crate::config::{OnPoison, RetryPolicy, TaskConfig};
use crate::faults::UnitLimit;
use crate::input::Input;
use crate::migrate::MIGRATE_VALUES_MAX;
use crate::outputs::Outputs;
use crate::progress::{EventClock, task_watermark};
use crate::shadow::{
    Beat, Committed, Difference, Feed, Heard, Next, NoSource, Pairs, Shadow, ShadowSeed,
    ShadowSink, Tally, Tap, Vocabulary, WATCHES_MAX, Watch,
};
use crate::slice::Slice;
use crate::telemetry::{Counters, NoTelemetry};

/// Calls of the background sweep that a shadow makes while the task rests.
const SWEEPS_AT_REST: usize = 16;

/// What a version is told where it runs as a shadow: it neither stops nor waits at what it cannot get
/// past, since there is a next record to compare.
fn config_of_shadow(config: &TaskConfig) -> TaskConfig {
    let retry = RetryPolicy { attempts_max: 1, breaker_after: u32::MAX, ..config.retry };
    let mut config = config.clone();
    (config.on_poison, config.retry) = (OnPoison::Skip, retry);
    config.snapshot_after_bytes = u64::MAX;
    config
}

impl Task {
    /// Begins to tell the commits that follow to a shadow, in place of one that it may have had, and
    /// freezes the state as it is now. To be called between two steps.
    ///
    /// # Errors
    /// `E-SWAP-INPUTS` and `E-SWAP-WINDOW` as for [`Self::replace`]; `E-SHADOW-BUSY` (to be retried)
    /// while a commit waits for storage or a snapshot is written. Then nothing has changed.
    pub fn shadow(&mut self, new: &Replacement) -> Result<(ShadowSeed, Feed)> {
        self.end_shadow();
        let is_free = self.pending.is_none() && self.snapshot.is_none() && !self.is_held();
        // What a shadow before has left is folded back here: a task that rests does it nowhere else.
        if !is_free || !owned(&mut self.state)?.fold(usize::MAX) {
            let text = format!("{}: its state is being written; try again", self.config.id);
            return Err(Error::new("E-SHADOW-BUSY", Domain::External, text).retry());
        }
        self.check_replacement(new)?;
        let config = Arc::new(config_of_shadow(&new.config));
        let feed = Feed::default();
        let pairs = Pairs::new(Vocabulary::of(&self.config), Vocabulary::of(&config));
        let limit = config.limits.batch_records.value as usize;
        let mut shadow = self.bare_shadow(config, new, limit);
        let frozen = owned(&mut self.state)?.freeze();
        self.tap.get_or_insert_default().tell(feed.clone());
        let make = Box::new(move || {
            let layout = start::state_layout(&start::layout_of(&shadow.config), &shadow.config);
            let mut state = frozen.thaw(layout.limits.clone());
            state.relayout(layout);
            shadow.state = Arc::new(state);
            Shadow { task: shadow, pairs }
        });
        Ok((ShadowSeed { make }, feed))
    }

    /// Ends the shadow that it tells of its commits, if there is one.
    pub(super) fn end_shadow(&mut self) {
        if self.tap.as_mut().is_some_and(|tap| !tap.end_shadow()) {
            self.tap = None;
        }
    }

    /// Lets somebody watch the commits that follow, over other deployments too, until the watch is
    /// dropped or the task has ended. To be called between two steps.
    ///
    /// # Errors
    /// `E-TAP-BUSY` (to be retried) where [`WATCHES_MAX`] watch already.
    pub fn watch(&mut self) -> Result<Arc<Watch>> {
        let tap = self.tap.get_or_insert_default();
        tap.watch().ok_or_else(|| {
            let text = format!(
                "{} has {WATCHES_MAX} taps, and no more are let in; end one of them",
                self.config.id.function
            );
            Error::new("E-TAP-BUSY", Domain::External, text).retry()
        })
    }

    /// Whether it tells a shadow of its commits. Where it does not, it keeps nothing of its calls: all
    /// that a task without a shadow does is to look that it has none.
    #[must_use]
    pub fn has_shadow(&self) -> bool {
        self.tap.as_ref().is_some_and(|tap| tap.has_shadow())
    }

    /// The shadow, but for its state.
    fn bare_shadow(&self, config: Arc<TaskConfig>, new: &Replacement, limit: usize) -> Self {
        let inputs = config.inputs.iter().zip(&self.inputs);
        let clocks = config.inputs.iter().zip(&self.clocks);
        let clock = |(input, old): (&crate::config::InputConfig, &EventClock)| {
            EventClock::new(input.out_of_orderness_ms, config.watermark_step_ms)
                .resume(old.progress)
                .told(input.carried, &old.producers)
        };
        Self {
            source: Box::new(NoSource),
            sink: Box::new(ShadowSink { commit_bytes_max: self.sink.commit_bytes_max() }),
            pool: new.pool.clone(),
            clock: Arc::new(ManualClock::new(self.time.ms())),
            telemetry: Arc::new(NoTelemetry),
            peers: None,
            counters: Arc::new(Counters::default()),
            state: Arc::new(pelton_state::TaskState::new(Default::default())),
            inputs: inputs.map(|(config, old)| Input::new(config.clone(), old.next)).collect(),
            clocks: clocks.map(clock).collect(),
            last: self.decisions(),
            asking: Default::default(),
            committed_ms: i64::MIN,
            began: None,
            repeats: false,
            repeating: (false, 0),
            held: Arc::default(),
            topic_ids: self.topic_ids.clone(),
            left: self.left.clone(),
            watermark: self.watermark,
            reached: i64::MIN,
            triggers: self.triggers,
            closed_to: i64::MIN,
            flushing: self.flushing,
            last_timers: self.last_timers,
            time: self.time,
            outputs: Outputs::new(&config),
            pending: None,
            layout_written: true,
            own_guest: None,
            saved: self.saved.clone(),
            trial: None,
            is_over: false,
            verdict: None,
            mark: None,
            spoiled: Vec::new(),
            reads: None,
            tap: Some(Box::new(Tap::keeping())),
            sweep: Default::default(),
            old_reads: Arc::default(),
            rows_limit: UnitLimit::wide(limit),
            groups_limit: UnitLimit::wide(limit),
            timers_limit: UnitLimit::wide(limit),
            migrate_limit: UnitLimit::new(limit.min(MIGRATE_VALUES_MAX)),
            call_cpu_ns: 0,
            attempt: 0,
            wait_until: None,
            poison_in_a_row: 0,
            scratch: Default::default(),
            sequence: 0,
            changed_bytes: 0,
            snapshot: None,
            config,
        }
    }

    /// Where time stands; its watermark is there only where it is that of other tasks of the function.
    fn decided(&self) -> Decisions {
        let own = self.clocks.iter().map(EventClock::watermark).max().unwrap_or(i64::MIN);
        let followed = if self.watermark > own { self.watermark } else { i64::MIN };
        Decisions { watermark: followed, ..self.decisions() }
    }

    /// As a shadow: takes over where time stands.
    fn decide(&mut self, decided: &Decisions) {
        if decided.carried != self.carried() {
            self.carry(&decided.carried);
            self.watermark = task_watermark(&self.clocks, self.watermark);
        }
        for (clock, idle) in self.clocks.iter_mut().zip(&decided.idle) {
            clock.progress.idle = *idle;
        }
        self.watermark = self.watermark.max(decided.watermark);
    }

    pub(super) fn tap_begin(&mut self) {
        if self.tap.is_none() {
            return;
        }
        let (time_ms, decided) = (self.time.ms(), self.decided());
        if let Some(tap) = &mut self.tap {
            tap.begin(time_ms, decided);
        }
    }

    pub(super) fn tap_rest(&mut self) {
        if self.tap.is_none() {
            return;
        }
        let (time_ms, decided) = (self.time.ms(), self.decided());
        if let Some(tap) = &mut self.tap {
            tap.rest(time_ms, decided);
        }
    }

    pub(super) fn tap_committed(&mut self) {
        let Some(tap) = &mut self.tap else { return };
        let (flushing, sequence) = (self.flushing, self.sequence);
        if !tap.committed(Committed { flushing, sequence, config: &self.config }) {
            self.tap = None;
        }
    }

    /// A call is over: its memory serves the next one, unless somebody has heard it.
    pub(super) fn done_with(&mut self, call: Call, settled: &Settled) {
        let is_kept = matches!(settled, Settled::Commit | Settled::Follow(_));
        let unheard = match &mut self.tap {
            Some(tap) if is_kept => tap.hear(call),
            _ => Some(call),
        };
        if let Some(call) = unheard {
            self.scratch.reclaim(call.batches);
        }
    }

    fn heard(&mut self) -> Vec<Arc<Heard>> {
        self.tap.as_mut().map(|tap| tap.take()).unwrap_or_default()
    }

    /// As a shadow: fires what is due, and lets expire what has outlived its time.
    async fn catch_up(&mut self) -> Result<()> {
        loop {
            let call = match self.sweep(false) {
                Swept::Call(call) => Some(call),
                Swept::Searching | Swept::Nothing => self.due_call()?,
            };
            match call {
                Some(call) => self.run(call).await?,
                None if self.expire() => self.commit_decisions().await?,
                None => return Ok(()),
            };
        }
    }

    /// As a shadow: takes the records of a call that the task has made, in as few calls as its own
    /// timers and windows allow.
    async fn take_records(&mut self, mut rest: Slice) -> Result<()> {
        for piece in &rest.pieces {
            self.inputs[piece.input].hand(piece);
        }
        let queued = |task: &Self| task.inputs.iter().map(Input::queued).sum::<usize>();
        while rest.rows > 0 {
            self.catch_up().await?;
            let mut part = rest.clone();
            part.truncate(self.rows_limit.current());
            let plan = self.plan(part)?;
            let call = self.records_call(plan).map_err(crate::input::format_error)?;
            let before = queued(self);
            self.run(call).await?;
            rest.skip(before - queued(self));
        }
        Ok(())
    }
}

impl Shadow {
    /// Does what the task did, and compares. Answers what was counted and, of the first few that
    /// differ, how.
    ///
    /// # Errors
    /// The shadow cannot go on: it cannot be opened, or a value of its state cannot be migrated.
    pub async fn follow(&mut self, beat: Beat) -> Result<(Tally, Vec<Difference>)> {
        let task = &mut self.task;
        task.time.at(beat.time_ms);
        task.flushing |= beat.flushing;
        task.decide(&beat.decided);
        task.catch_up().await?;
        let due = task.heard();
        match beat.next {
            Next::Rest => {
                self.pair(&[], &due)?;
                for _ in 0..SWEEPS_AT_REST {
                    let Swept::Call(call) = self.task.sweep(true) else { break };
                    self.task.run(call).await?;
                }
                self.pairs.settle(true);
            }
            Next::Commit(calls) if calls.iter().any(|call| call.work.plan().is_some()) => {
                // Both have done by now all that was due before these records.
                self.pair(&[], &due)?;
                self.pairs.settle(true);
                for slice in calls.iter().filter_map(|call| Some(&call.work.plan()?.slice)) {
                    self.task.take_records(slice.clone()).await?;
                }
                let heard = self.task.heard();
                self.pair(&calls, &heard)?;
                self.pairs.settle(false);
            }
            Next::Commit(calls) => {
                self.pair(&calls, &due)?;
                self.pairs.settle(false);
            }
        }
        Ok((std::mem::take(&mut self.pairs.tally), std::mem::take(&mut self.pairs.told)))
    }

    fn pair(&mut self, old: &[Arc<Heard>], new: &[Arc<Heard>]) -> Result<()> {
        self.pairs.add(old, new).map_err(crate::input::format_error)
    }
}
