//! Which call comes next.

use bytes::Bytes;
use pelton_batch::{FormatError, TimersBuilder};
use pelton_core::window::Shape;
use pelton_core::{Domain, Error, Result, TimeDomain};

use super::Task;
use crate::call::{Call, Work};
use crate::config::NullKey;
use crate::input::{Selection, format_error, select};
use crate::plan::{Now, Plan, View, plan};
use crate::windows::{self, Room};

impl Task {
    /// The call for what is due now: panes first, then event timers, then processing timers.
    pub(super) fn due_call(&mut self) -> Result<Option<Call>> {
        let watermark = self.watermark();
        if let Some(call) = self.firing_call(watermark)? {
            return Ok(Some(call));
        }
        let domains = [(TimeDomain::Event, watermark), (TimeDomain::Processing, self.time.ms())];
        for (domain, time) in domains {
            if self.state.next_timer(domain).is_some_and(|due| due < time) {
                self.check_last_timers()?;
                return Ok(Some(self.timers_call(domain, time)));
            }
        }
        Ok(None)
    }

    pub(super) fn room(&self) -> Room {
        Room {
            groups: self.groups_limit.current(),
            bytes: self.config.limits.batch_bytes.value as usize,
        }
    }

    /// Refuses timers without end behind the end of a bounded input, where time is at infinity.
    fn check_last_timers(&self) -> Result<()> {
        if !self.flushing || self.repeats || self.last_timers > 0 {
            return Ok(());
        }
        let text = format!(
            "{}: its input has ended, and still it sets a timer whenever one fires; what fired so far \
             is committed. Let the function set no timer where nothing is left to wait for",
            self.config.id
        );
        Err(Error::new("E-FUNCTION-ENDLESS", Domain::Guest, text))
    }

    fn timers_call(&self, domain: TimeDomain, time: i64) -> Call {
        let timers = self.state.due_timers(domain, time, self.timers_limit.current());
        let mut builder = TimersBuilder::new();
        for timer in &timers {
            builder.push(timer.target, timer.key.as_deref(), timer.due, timer.value.as_deref());
        }
        let batches = vec![Bytes::from(builder.finish())];
        Call { work: Work::Timers(domain, timers), batches }
    }

    /// Fetches what there is, up to a batch for each input, and finds out which have ended.
    pub(super) fn fill(&mut self) -> Result<()> {
        if self.flushing {
            // The input has ended: what comes after that is for the next run.
            return Ok(());
        }
        let rows = self.rows_limit.current();
        for (index, input) in self.inputs.iter_mut().enumerate() {
            input.fill(&mut *self.source, index, rows)?;
            let empty = self.config.bounded && input.queued() == 0;
            input.ended = empty && self.source.end(index)? <= self.source.position(index)?;
        }
        Ok(())
    }

    /// The call for the next records, if there are any.
    pub(super) fn next_call(&mut self) -> Result<Option<Call>> {
        let rows = self.rows_limit.current();
        self.judge_idle();
        self.note_waiting();
        let bytes = self.config.limits.batch_bytes.value as usize;
        let from = |index: usize| match &self.clocks[index] {
            clock if self.repeats || clock.progress.idle => i64::MAX,
            clock if clock.producers.is_empty() => self.reached,
            clock => clock.watermark().max(self.reached),
        };
        let declared = &self.config.declaration;
        let stateless = declared.window.is_none() && declared.stores.is_empty();
        if self.gathers_until().is_some() {
            return Ok(None);
        }
        let how = Selection { whole: stateless, limited: !self.repeats };
        let slice = select(&self.inputs, from, rows, bytes, how);
        if slice.rows == 0 {
            return Ok(None);
        }
        let plan = self.plan(slice)?;
        self.records_call(plan).map(Some).map_err(format_error)
    }

    pub(super) fn plan(&self, slice: crate::slice::Slice) -> Result<Plan> {
        let declared = &self.config.declaration;
        let now = Now {
            clocks: &self.clocks,
            watermark: self.watermark,
            due_at: self.due_at(),
            due_beside_panes: self.due_beside_panes(),
            triggers: self.triggers,
            ceiling: self.time.ms().saturating_add(self.config.limits.ahead_ms.value as i64),
        };
        let view = View {
            window: declared.window.as_ref(),
            group_null_keys: self.config.null_key == NullKey::Group,
            track: !declared.timers.is_empty() || !declared.stores.is_empty(),
            state: &self.state,
        };
        plan(slice, now, view).map_err(format_error)
    }

    pub(super) fn records_call(&mut self, plan: Plan) -> Result<Call, FormatError> {
        if plan.untimed {
            return Ok(Call { work: Work::Records(plan), batches: Vec::new() });
        }
        let declared = &self.config.declaration;
        match declared.window.as_ref().map(|spec| spec.shape) {
            None => {
                let batches = vec![plan.slice.to_batch(declared, &mut self.scratch)?];
                Ok(Call { work: Work::Records(plan), batches })
            }
            Some(Shape::Contents) => windows::collect_call(plan),
            Some(Shape::Incremental) if plan.merges() => windows::merge_call(plan, &self.state),
            Some(Shape::Incremental) => {
                let merged = windows::Merged::new();
                windows::accumulate_call(plan, &self.state, declared, &mut self.scratch, merged)
            }
        }
    }
}
