//! Another deployment takes a running task over: state, timers, panes and positions stay.
//!
//! The first commit of the new deployment is its trial. A fault before it leaves no trace: the task
//! is given back to the deployment before, which goes on where its own last commit was. Nor does
//! what the new one migrates before it: see [`super::migrate`].

use std::sync::Arc;

use pelton_core::{Domain, Error, EventTime, Fault, Result, Triggers};

use super::migrate::Sweep;
use super::{Task, owned, start};
use crate::config::TaskConfig;
use crate::faults::UnitLimit;
use crate::input::Input;
use crate::migrate::MIGRATE_VALUES_MAX;
use crate::outputs::Outputs;
use crate::pool::GuestPool;
use crate::progress::EventClock;

/// What a deployment brings to a task.
#[derive(Clone)]
pub struct Replacement {
    /// Its configuration: of the same task, with the same inputs.
    pub config: Arc<TaskConfig>,
    /// Its instances.
    pub pool: GuestPool,
}

/// What became of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The new deployment has committed.
    Passed,
    /// It failed before its first commit, and the one before goes on.
    Failed(Fault),
}

/// What to go back to, for as long as a trial is on.
pub(crate) struct Before {
    /// The deployment; without one the task ends.
    replacement: Option<Replacement>,
    saved: Option<Vec<u8>>,
    layout_written: bool,
}

/// Where inputs and time stood before the first call of a commit on trial.
pub(crate) struct Mark {
    inputs: Vec<Input>,
    clocks: Vec<EventClock>,
    watermark: i64,
    triggers: Triggers,
}

impl Task {
    /// Hands the task to another deployment. Its trial begins; [`Self::take_verdict`] tells how it
    /// ended. To be called between two steps.
    ///
    /// # Errors
    /// `E-SWAP-INPUTS` where the inputs differ, `E-SWAP-WINDOW` where open windows hold what the
    /// new code cannot read, `E-SWAP-BUSY` (to be retried) while a commit waits for storage. Then
    /// nothing has changed.
    pub fn replace(&mut self, new: Replacement) -> Result<()> {
        self.check_replacement(&new)?;
        // What was on trial and has not committed has left nothing: the one before it counts.
        let alone = self.trial.as_ref().is_some_and(|before| before.replacement.is_none());
        match alone {
            true => self.undo_to_mark()?,
            false => drop(self.go_back(None)?),
        }
        let running = || Replacement { config: Arc::clone(&self.config), pool: self.pool.clone() };
        let before = Before {
            replacement: (!alone).then(running),
            saved: self.saved.clone(),
            layout_written: self.layout_written,
        };
        self.layout_written &= start::layout_of(&new.config) == start::layout_of(&self.config);
        self.install(new)?;
        self.trial = Some(before);
        self.verdict = None;
        self.plan_rehearsals();
        Ok(())
    }

    /// Puts the deployment that the task was started with on trial, with no other to go back to: where
    /// it fails before its first commit, the task ends there with `E-TRIAL-FAILED`, and has left no
    /// trace. To be called before the first step.
    pub fn begin_trial(&mut self) {
        let (saved, layout_written) = (self.saved.clone(), self.layout_written);
        self.trial = Some(Before { replacement: None, saved, layout_written });
        self.plan_rehearsals();
    }

    /// How the trial ended, once.
    pub fn take_verdict(&mut self) -> Option<Verdict> {
        self.verdict.take()
    }

    /// Whether a trial is on.
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// While a trial is on: the deployment that has committed last.
    pub(super) fn committed_deployment(&self) -> Option<u64> {
        let before = self.trial.as_ref()?.replacement.as_ref()?;
        Some(before.config.deployment)
    }

    pub(super) fn check_replacement(&self, new: &Replacement) -> Result<()> {
        let user = |code, text: String| Error::new(code, Domain::User, text);
        let (old, id) = (&self.config, &self.config.id);
        let partitions = |config: &TaskConfig| -> Vec<_> {
            config.inputs.iter().map(|input| input.partition.clone()).collect()
        };
        if new.config.id != *id || partitions(&new.config) != partitions(old) {
            let text = format!("{id}: other inputs need a restart of the task");
            return Err(user("E-SWAP-INPUTS", text));
        }
        let shape = |config: &TaskConfig| config.declaration.window.as_ref().map(|w| w.shape);
        if self.state.pane_count() > 0 && shape(&new.config) != shape(old) {
            let text = format!(
                "{id}: {} open window panes hold what the new version cannot read, since it handles \
                 windows in another way; let them close first, or deploy it under another name",
                self.state.pane_count()
            );
            return Err(user("E-SWAP-WINDOW", text));
        }
        if self.pending.is_some() {
            let text = format!("{id}: a commit waits for storage");
            return Err(Error::new("E-SWAP-BUSY", Domain::External, text).retry());
        }
        Ok(())
    }

    fn install(&mut self, new: Replacement) -> Result<()> {
        let state = owned(&mut self.state)?;
        state.relayout(start::state_layout(&start::layout_of(&new.config), &new.config));
        for (index, config) in new.config.inputs.iter().enumerate() {
            let input = &mut self.inputs[index];
            // Other code may tell other times.
            let retimed = config.event_time.as_ref().is_some_and(EventTime::is_guest)
                || input.config.event_time != config.event_time
                || input.config.carried != config.carried;
            input.config = config.clone();
            if retimed {
                input.read_again(&mut *self.source, index)?;
            }
        }
        for (clock, config) in self.clocks.iter_mut().zip(&new.config.inputs) {
            let anew = EventClock::new(config.out_of_orderness_ms, new.config.watermark_step_ms);
            *clock = anew.resume(clock.progress).told(config.carried, &clock.producers);
        }
        let limit = new.config.limits.batch_records.value as usize;
        self.rows_limit = UnitLimit::new(limit);
        self.groups_limit = UnitLimit::new(limit);
        self.timers_limit = UnitLimit::new(limit);
        self.migrate_limit = UnitLimit::new(limit.min(MIGRATE_VALUES_MAX));
        self.sweep = Sweep::default();
        // A shadow compares with the version that it was begun beside.
        self.end_shadow();
        self.outputs = Outputs::new(&new.config);
        self.own_guest = None;
        self.attempt = 0;
        self.poison_in_a_row = 0;
        self.wait_until = None;
        (self.config, self.pool) = (new.config, new.pool);
        self.publish();
        Ok(())
    }

    /// Follows a commit: with a call in it the trial is passed, and there is no way back but another
    /// replacement. One without (something expired, records were put into windows) proves nothing.
    pub(super) fn committed_on_trial(&mut self, called: bool) {
        let Some(before) = &mut self.trial else { return };
        before.layout_written = false;
        if called {
            self.trial = None;
            self.verdict = Some(Verdict::Passed);
        }
    }

    /// Ends the trial that is on, if there is one, and answers whether there was: the deployment
    /// before goes on.
    pub(super) fn go_back(&mut self, fault: Option<&Fault>) -> Result<bool> {
        let Some(before) = self.trial.take() else { return Ok(false) };
        self.undo_to_mark()?;
        match before.replacement {
            Some(before) => self.install(before)?,
            None => self.is_over = true,
        }
        self.saved = before.saved;
        self.layout_written = before.layout_written;
        self.verdict = fault.map(|fault| Verdict::Failed(fault.clone()));
        Ok(true)
    }

    /// A call begins: on trial all of its commit can be taken back until that is made up.
    pub(super) fn mark_trial(&mut self) {
        if self.trial.is_none() || self.pending.is_some() {
            return;
        }
        self.mark();
    }

    /// What comes from here on can be taken back, until its commit is made up.
    pub(super) fn mark(&mut self) {
        if self.mark.is_none() {
            let (inputs, clocks) = (self.inputs.clone(), self.clocks.clone());
            self.mark = Some(Box::new(Mark {
                inputs,
                clocks,
                watermark: self.watermark,
                triggers: self.triggers,
            }));
        }
    }

    /// Takes back what calls have left since [`Self::mark`], where their commit is not made up.
    pub(super) fn undo_to_mark(&mut self) -> Result<()> {
        let Some(mark) = self.mark.take() else { return Ok(()) };
        owned(&mut self.state)?.rollback();
        self.outputs.clear();
        if self.pending.take().is_some() {
            (self.inputs, self.clocks, self.watermark) = (mark.inputs, mark.clocks, mark.watermark);
            self.triggers = mark.triggers;
        }
        Ok(())
    }
}
