//! Windows that fire early: one by one behind the records that make them, in the same commit.

use pelton_core::window::WindowSpec;
use pelton_core::{Fault, Result};

use super::Task;
use super::settle::Settled;
use crate::call::{Call, Firing, PaneGroup, Work};
use crate::faults::{Decision, decide};
use crate::progress::newest;
use crate::telemetry::Counters;
use crate::windows;

impl Task {
    /// The windows that fire early behind `call`: those that the guest says, and those that enough
    /// records have come for.
    pub(super) fn early_panes(&self, call: &Call, fire: &[usize]) -> Vec<PaneGroup> {
        let (Some(plan), Some(spec)) = (call.work.plan(), &self.config.declaration.window) else {
            return Vec::new();
        };
        let now = newest(&plan.clocks);
        let groups = call.work.groups().iter().enumerate();
        let panes = groups.filter(|(index, group)| {
            fire.contains(index) || self.is_full(group, spec, plan.watermark)
        });
        let firing = |group: &PaneGroup| PaneGroup::firing(group.window, group.key.clone(), now);
        let mut panes: Vec<PaneGroup> = panes.map(|(_, group)| firing(group)).collect();
        // The order of the groups depends on where the records are cut.
        panes.sort_by(|a, b| (a.window, &a.key).cmp(&(b.window, &b.key)));
        panes
    }

    /// Whether so many records have come that the pane fires before its time.
    fn is_full(&self, group: &PaneGroup, spec: &WindowSpec, watermark: i64) -> bool {
        let pane = self.state.pane(group.window, group.key.as_deref());
        let records = pane.map_or(0, |pane| pane.records);
        spec.fires_early(records) && group.window.end > watermark
    }

    pub(super) fn fire_early(&self, panes: Vec<PaneGroup>) -> Settled {
        match &self.config.declaration.window {
            Some(spec) if !panes.is_empty() => {
                let call = windows::early_call(panes, &self.state, spec, self.room());
                Settled::Follow(Box::new(call))
            }
            _ => Settled::Commit,
        }
    }

    /// The panes that fire early behind the one that `work` was about.
    pub(super) fn fire_rest(&self, work: &Work) -> Settled {
        match work {
            Work::Fire { rest, .. } => self.fire_early(rest.clone()),
            _ => Settled::Commit,
        }
    }

    /// A window that fires early has failed: the records that it follows are taken back with it, and
    /// all is done again, without that window where it is poison.
    pub(super) fn early_failed(&mut self, work: &Work, fault: &Fault) -> Result<Settled> {
        self.undo_to_mark()?;
        if let Some(tap) = &mut self.tap {
            tap.forget();
        }
        match decide(fault, 1, self.attempt, &self.config.retry) {
            Decision::Retry { after_ms } => {
                Counters::add(&self.counters.retries, 1);
                Ok(Settled::Wait { until_ms: self.time.ms().saturating_add(after_ms) })
            }
            Decision::Stop => self.cannot_run(fault),
            Decision::Poison | Decision::Shrink(_) => {
                self.attempt = 0;
                let panes = work.groups().iter();
                let spoiled = panes.map(|pane| (pane.window, pane.key.clone(), fault.clone()));
                self.spoiled.extend(spoiled);
                Ok(Settled::Again)
            }
        }
    }

    /// Why the window that `work` fires early is to be given up, where it has failed before.
    pub(super) fn spoiled(&self, work: &Work) -> Option<Fault> {
        let Work::Fire { panes, why: Firing::Early, .. } = work else { return None };
        let pane = panes.first()?;
        let known =
            self.spoiled.iter().find(|(window, key, _)| *window == pane.window && *key == pane.key);
        known.map(|(.., fault)| fault.clone())
    }
}
