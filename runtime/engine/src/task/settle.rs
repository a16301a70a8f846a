//! Making a call, and what becomes of its answer.

use std::sync::Arc;

use pelton_core::window::Window;
use pelton_core::{Fault, FaultKind, Guest, Result, SharedEnvironment, TimeDomain};

use super::work::apply_all;
use super::{Pending, Task, owned};
use crate::apply::Applied;
use crate::call::{Call, PaneGroup, Work};
use crate::environment::Units;
use crate::slice::Slice;
use crate::telemetry::Counters;
use crate::windows;

/// What comes after a call.
pub(super) enum Settled {
    /// A commit is made up.
    Commit,
    /// This call belongs to the same commit.
    Follow(Box<Call>),
    /// Plan anew: the call left nothing behind.
    Again,
    /// Plan anew after a wait.
    Wait { until_ms: i64 },
}

impl Task {
    /// Makes `call` and settles its answer.
    ///
    /// # Errors
    /// A fault that halts the task.
    pub(super) async fn call(&mut self, call: &Call) -> Result<Settled> {
        self.old_reads.take();
        if let Some(fault) = self.spoiled(&call.work) {
            return self.poison(&call.work, &fault);
        }
        if let Some(reads) = &self.reads {
            reads.note_call(call);
        }
        let environment = self.environment(call);
        let answers = self.ask(call, &environment).await;
        drop(environment);
        Counters::add(&self.counters.calls, call.batches.len() as u64);
        let settled = match answers {
            Ok(answers) if matches!(call.work, Work::Merge(..)) => {
                match self.merged(call, &answers)? {
                    Ok(settled) => return Ok(settled),
                    Err(fault) => Err(fault),
                }
            }
            Ok(answers) => {
                let applied = self.apply(call, &answers)?;
                if let Some(tap) = &mut self.tap {
                    tap.answered(answers);
                }
                applied
            }
            Err(fault) => Err(fault),
        };
        match settled {
            Ok(settled) => {
                if matches!(settled, Settled::Commit) {
                    self.succeeded(&call.work);
                }
                Ok(settled)
            }
            Err(fault) => self.failed(call, &fault),
        }
    }

    /// The call that adds the records to what the guest has made of their sessions' accumulators.
    fn merged(&mut self, call: &Call, answers: &[Vec<u8>]) -> Result<Result<Settled, Fault>> {
        let (Some(plan), Some(answer)) = (call.work.plan(), answers.first()) else {
            return Ok(Ok(Settled::Again));
        };
        let merged = match windows::merged_values(call.work.groups(), answer) {
            Ok(merged) => merged,
            Err(fault) => return Ok(Err(fault)),
        };
        let declared = &self.config.declaration;
        let (plan, scratch) = (plan.clone(), &mut self.scratch);
        let next = windows::accumulate_call(plan, &self.state, declared, scratch, merged);
        let next = next.map_err(crate::input::format_error)?;
        Ok(Ok(Settled::Follow(Box::new(next))))
    }

    fn environment(&self, call: &Call) -> SharedEnvironment {
        let plan = call.work.plan();
        let slice = plan.map_or_else(Slice::default, |plan| plan.slice.clone());
        let watermark = plan.map_or(self.watermark(), |plan| plan.before);
        self.environment_of(slice, watermark, Units::of(&call.work))
    }

    /// Calls an instance with each batch. An instance that fails is dropped.
    async fn ask(
        &mut self,
        call: &Call,
        environment: &SharedEnvironment,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        if call.batches.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(tap) = &mut self.tap {
            tap.asked();
        }
        let mut guest = self.guest(environment).await?;
        let before_ns = guest.cpu_ns();
        let mut answers = Vec::with_capacity(call.batches.len());
        for batch in &call.batches {
            let answer = guest.call(batch, Arc::clone(environment)).await;
            if let (Some(tap), Some(units)) = (&mut self.tap, guest.canary_units()) {
                tap.canary(units);
            }
            match answer {
                Ok(answer) => answers.push(answer),
                Err(fault) => {
                    let spent_ns = guest.cpu_ns().saturating_sub(before_ns);
                    Counters::add(&self.counters.cpu_ns, spent_ns);
                    if fault.kind == FaultKind::Failure && !self.config.declaration.saves {
                        self.pool.put_back(guest);
                    }
                    return Err(fault);
                }
            }
        }
        self.call_cpu_ns = guest.cpu_ns().saturating_sub(before_ns);
        Counters::add(&self.counters.cpu_ns, self.call_cpu_ns);
        if self.config.declaration.saves {
            self.own_guest = Some(guest);
        } else {
            self.pool.put_back(guest);
        }
        Ok(answers)
    }

    async fn guest(&mut self, environment: &SharedEnvironment) -> Result<Box<dyn Guest>, Fault> {
        if !self.config.declaration.saves {
            return self.pool.take(Arc::clone(environment)).await;
        }
        if let Some(guest) = self.own_guest.take() {
            return Ok(guest);
        }
        let mut guest = self.pool.factory().instantiate(Arc::clone(environment)).await?;
        if let Some(saved) = &self.saved {
            let restored = guest.restore(saved, Arc::clone(environment)).await;
            // No record is to blame: like a function that cannot be opened, it is stopped.
            restored.map_err(|fault| match fault.kind {
                FaultKind::Host => fault,
                _ => Fault { kind: FaultKind::Open, ..fault },
            })?;
        }
        Ok(guest)
    }

    /// Applies the answers of a call: all of it, or nothing and a fault.
    fn apply(&mut self, call: &Call, answers: &[Vec<u8>]) -> Result<Result<Settled, Fault>> {
        let config = Arc::clone(&self.config);
        let watermark = self.watermark();
        let state = owned(&mut self.state)?;
        // What follows within the same commit is taken back with what it follows.
        if self.mark.is_none() || self.pending.is_none() {
            state.begin();
        }
        let mut result = apply_all(call, answers, &config, state, &mut self.outputs, watermark);
        if self.pending.is_some() && !matches!(result, Ok(Applied::Done { .. }) | Err(_)) {
            let text = "a window that fires early is to be tried again";
            result = Err(Fault { retryable: true, ..Fault::new(FaultKind::Failure, text) });
        }
        if matches!(result, Ok(Applied::Done { .. }))
            && let Err(fault) = self.check_commit()
        {
            result = Err(fault);
        }
        let state = owned(&mut self.state)?;
        // What is on trial leaves nothing behind but with a record.
        let rehearsal = self.trial.is_some() && matches!(call.work, Work::Migrate(_));
        let (mut follow, mut closed_to) = (Vec::new(), self.closed_to);
        if matches!(result, Ok(Applied::Done { .. })) && !rehearsal {
            if let Some(spec) = &config.declaration.window {
                let behind = call.work.plan().map_or(watermark, |plan| plan.watermark);
                closed_to = windows::close_passed(state, spec, behind, closed_to);
            }
            if let Ok(Applied::Done { fire, .. }) = &result {
                follow = self.early_panes(call, fire);
            }
            if !follow.is_empty() {
                self.mark();
            }
            let state = owned(&mut self.state)?;
            if self.mark.is_none() {
                state.accept();
                self.closed_to = closed_to;
            }
        } else {
            state.rollback();
            self.outputs.clear();
            self.own_guest = None;
        }
        match result {
            Err(fault) => Ok(Err(fault)),
            Ok(Applied::Cut(units)) => {
                Counters::add(&self.counters.recuts, 1);
                self.limit_for(&call.work).shrink(units);
                Ok(Ok(Settled::Again))
            }
            Ok(Applied::Retry { after_ms }) => {
                self.attempt += 1;
                if self.attempt >= self.config.retry.attempts_max {
                    let text =
                        format!("the function asked {} times to be called again", self.attempt);
                    return Ok(Err(Fault::new(FaultKind::Failure, text)));
                }
                Counters::add(&self.counters.retries, 1);
                let until_ms = self.time.ms().saturating_add(after_ms.max(1));
                Ok(Ok(Settled::Wait { until_ms }))
            }
            Ok(Applied::Done { .. }) if rehearsal => {
                self.attempt = 0;
                Ok(Ok(Settled::Again))
            }
            Ok(Applied::Done { rejected, .. }) => {
                self.count_poison(rejected);
                Ok(Ok(self.after_apply(call, follow)))
            }
        }
    }

    /// Whether what was applied, with what is made up already, goes into one commit of the sink.
    fn check_commit(&self) -> Result<(), Fault> {
        let pending = self.pending.iter().flat_map(|pending| &pending.outputs);
        let made_up: u64 = pending.map(|output| output.batch.len() as u64).sum();
        let bytes = made_up + self.outputs.bytes() + self.state.changes_bytes();
        // What the function saves is known only when the commit is made up: about as much as before.
        let saved = self.saved.as_ref().map_or(0, |saved| saved.len() as u64);
        let max = self.sink.commit_bytes_max();
        if bytes + saved <= max {
            return Ok(());
        }
        let text = format!("what the call came to has {bytes} bytes, but a commit takes {max}");
        Err(Fault::new(FaultKind::OutputSize, text))
    }

    /// Moves on behind the work that is applied; `follow` are the windows that it makes fire early.
    fn after_apply(&mut self, call: &Call, follow: Vec<PaneGroup>) -> Settled {
        self.advance(&call.work);
        if let Some(pending) = &mut self.pending {
            pending.called |= !call.batches.is_empty();
        }
        match &call.work {
            Work::Fire { .. } => self.fire_rest(&call.work),
            _ => self.fire_early(follow),
        }
    }

    /// Consumes the records of `work` and moves time.
    pub(super) fn advance(&mut self, work: &Work) {
        let Some(plan) = work.plan() else {
            if let Work::Timers(_, timers) = work {
                self.last_timers = self.last_timers.saturating_sub(timers.len() as u64);
            }
            self.close_for_good(work);
            self.make_up(0);
            return;
        };
        for piece in &plan.slice.pieces {
            self.inputs[piece.input].consume(piece);
        }
        self.clocks.clone_from(&plan.clocks);
        self.watermark = plan.watermark;
        self.triggers = plan.triggers;
        self.start_early_clock();
        Counters::add(&self.counters.late, plan.late.len() as u64);
        self.make_up(plan.slice.rows as u64);
    }

    /// What fires because the input has ended is closed for good: time moves past it, so that
    /// records of a later run that belong to it are late, and never a second, partial result.
    fn close_for_good(&mut self, work: &Work) {
        if !self.flushing {
            return;
        }
        let passed = match work {
            Work::Fire { panes, .. } => {
                let ends = panes.iter().map(|pane| pane.window).filter(|it| *it != Window::ALWAYS);
                ends.map(|window| window.end).max()
            }
            Work::Timers(TimeDomain::Event, timers) => {
                timers.iter().map(|timer| timer.due.saturating_add(1)).max()
            }
            _ => None,
        };
        self.watermark = self.watermark.max(passed.unwrap_or(i64::MIN));
        // Nothing fires early by it: all that is open fires now.
        let window = self.config.declaration.window.as_ref();
        self.triggers.every_ms = window.and_then(|spec| spec.early_time(self.watermark));
    }

    /// Makes up the commit, or adds to the one that is being made up.
    pub(super) fn make_up(&mut self, records_in: u64) {
        let pending = self.pending.get_or_insert_with(|| Pending {
            record: None,
            outputs: Vec::new(),
            records_in: 0,
            called: false,
        });
        pending.outputs.extend(self.outputs.take());
        pending.records_in += records_in;
    }

    fn succeeded(&mut self, work: &Work) {
        self.attempt = 0;
        self.poison_in_a_row = 0;
        let (units, cpu_ns) = (work.units(), self.call_cpu_ns);
        self.limit_for(work).grow(units, cpu_ns);
    }

    pub(super) fn limit_for(&mut self, work: &Work) -> &mut crate::faults::UnitLimit {
        match work {
            Work::Fire { .. } => &mut self.groups_limit,
            Work::Timers(..) => &mut self.timers_limit,
            Work::Migrate(_) => &mut self.migrate_limit,
            _ => &mut self.rows_limit,
        }
    }
}
