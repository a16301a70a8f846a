//! What becomes of a call that failed: it is made again, its one unit is given up, or the task stops.

use std::sync::Arc;

use pelton_core::{Domain, Error, Fault, FaultKind, Result};

use super::settle::Settled;
use super::{Task, owned};
use crate::call::{Call, RowIndex, Unit, Work};
use crate::dead_letters::give_up;
use crate::faults::{Decision, decide};
use crate::input::format_error;
use crate::telemetry::Counters;

impl Task {
    /// Decides what becomes of a call that failed.
    pub(super) fn failed(&mut self, call: &Call, fault: &Fault) -> Result<Settled> {
        let units = call.work.units();
        Counters::add(&self.counters.faults, 1);
        self.telemetry.fault(&self.config.id, fault, units);
        self.outputs.clear();
        self.own_guest = None;
        if let Work::Migrate(values) = &call.work {
            return self.migration_failed(values, fault);
        }
        let passing = fault.retryable || fault.kind == FaultKind::Host;
        // What follows within the same commit cannot be tried again.
        if (self.pending.is_some() || !passing) && self.go_back(Some(fault))? {
            return Ok(Settled::Again);
        }
        self.attempt += 1;
        if self.pending.is_some() {
            return self.early_failed(&call.work, fault);
        }
        match decide(fault, units, self.attempt, &self.config.retry) {
            Decision::Shrink(fewer) => {
                self.attempt = 0;
                self.limit_for(&call.work).shrink(fewer);
                Ok(Settled::Again)
            }
            Decision::Retry { after_ms } => {
                Counters::add(&self.counters.retries, 1);
                Ok(Settled::Wait { until_ms: self.time.ms().saturating_add(after_ms) })
            }
            Decision::Poison if self.go_back(Some(fault))? => Ok(Settled::Again),
            Decision::Poison if self.migrate_first() => {
                self.attempt = 0;
                Ok(Settled::Again)
            }
            Decision::Poison => self.poison(&call.work, fault),
            Decision::Stop => self.cannot_run(fault),
        }
    }

    pub(super) fn cannot_run(&self, fault: &Fault) -> Result<Settled> {
        let text = format!("{} cannot be run: {fault}", self.config.id);
        Err(Error::new("E-FUNCTION-OPEN", Domain::Guest, text))
    }

    /// Gives the one unit of `work` up, and moves on behind it.
    pub(super) fn poison(&mut self, work: &Work, fault: &Fault) -> Result<Settled> {
        self.attempt = 0;
        self.poison_in_a_row += 1;
        let config = Arc::clone(&self.config);
        let state = owned(&mut self.state)?;
        if self.mark.is_none() {
            state.begin();
        }
        let given_up = match work {
            Work::Fire { panes, .. } => panes.iter().try_for_each(|pane| {
                let key = pane.key.as_deref();
                let value = state.pane(pane.window, key).map(|pane| pane.value.to_vec());
                let (window, time) = (pane.window, pane.time);
                let unit = Unit::Group { window, time, key, value: value.as_deref() };
                give_up(&unit, fault, &config, &mut self.outputs)?;
                state.remove_pane(pane.window, key);
                Ok(())
            }),
            Work::Timers(domain, timers) => timers.iter().try_for_each(|timer| {
                give_up(&Unit::Timer(timer), fault, &config, &mut self.outputs)?;
                state.remove_timer(*domain, timer);
                Ok(())
            }),
            Work::Records(plan)
            | Work::Merge(plan, _)
            | Work::Accumulate(plan, _)
            | Work::Collect(plan, ..) => {
                let rows = RowIndex::new(&plan.slice).map_err(format_error)?;
                (0..rows.len())
                    .filter_map(|row| rows.unit(row))
                    .try_for_each(|unit| give_up(&unit, fault, &config, &mut self.outputs))
            }
            // Never given up: see `migration_failed`.
            Work::Migrate(_) => Err(fault.clone()),
        };
        match given_up {
            Err(fault) => {
                state.rollback();
                self.outputs.clear();
                Err(self.halted(work, &fault))
            }
            Ok(()) => {
                if self.mark.is_none() {
                    state.accept();
                }
                if let Some(tap) = &mut self.tap {
                    tap.failed(fault);
                }
                self.count_poison(work.units() as u64);
                self.advance(work);
                self.breaker(fault)?;
                Ok(self.fire_rest(work))
            }
        }
    }

    fn halted(&self, work: &Work, fault: &Fault) -> Error {
        let place = match work.plan().and_then(|plan| plan.slice.pieces.first()) {
            Some(piece) => {
                let input = &self.config.inputs[piece.input].partition;
                let offset = piece.fetch.offsets.get(piece.rows.start);
                format!("{}:{}:{offset}", input.topic.name(), input.partition)
            }
            None => "a window or timer".to_string(),
        };
        let Fault { message, kind, .. } = fault;
        let text = format!(
            "{} stopped before {place}: {message} ({}); fix the function and start it again, or \
             set [delivery] on_poison to \"dead-letter\" or \"skip\"",
            self.config.id,
            kind.code()
        );
        Error::new("E-FUNCTION-HALTED", Domain::Guest, text)
    }

    /// Until when, ms, the function is not called, since too many units in a row were poisonous.
    #[must_use]
    pub fn breaker_until(&self) -> Option<i64> {
        let is_open = self.poison_in_a_row >= self.config.retry.breaker_after;
        self.wait_until.filter(|_| is_open)
    }

    /// After too many poisonous units in a row the function is not called for a while; a bounded
    /// run stops.
    pub(super) fn breaker(&mut self, fault: &Fault) -> Result<()> {
        let policy = self.config.retry;
        if self.poison_in_a_row < policy.breaker_after {
            return Ok(());
        }
        if self.config.bounded {
            let text = format!(
                "{} failed on {} units in a row, the last time with: {fault}; fix the function and \
                 run it again",
                self.config.id, self.poison_in_a_row
            );
            return Err(Error::new("E-FUNCTION-CRASH-LOOP", Domain::Guest, text));
        }
        let over = (self.poison_in_a_row - policy.breaker_after).min(16);
        let wait = 1_000_i64.saturating_mul(1 << over).min(policy.backoff_ms_max.max(1_000));
        self.wait_until = Some(self.time.ms().saturating_add(wait));
        Ok(())
    }
}
