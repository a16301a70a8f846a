//! What makes windows fire: the watermark, a marker, and time that passes.

use bytes::Bytes;
use pelton_core::Result;
use pelton_core::window::Window;

use super::{Task, owned};
use crate::call::{Call, Firing, PaneGroup};
use crate::progress::newest;
use crate::windows;

type Panes = Vec<(Window, Option<Box<[u8]>>)>;

impl Task {
    /// The call for the windows that fire now: first those whose time has come, then those that a
    /// marker closes, then those that fire early.
    pub(super) fn firing_call(&mut self, watermark: i64) -> Result<Option<Call>> {
        if self.config.declaration.window.is_none() {
            return Ok(None);
        }
        if self.state.next_pane_end().is_some_and(|end| end <= watermark) {
            let due = self.due_panes(watermark)?;
            return Ok(self.fire(due, Firing::Due));
        }
        if self.triggers.closing {
            let open = self.due_panes(i64::MAX)?;
            if !open.is_empty() {
                return Ok(self.fire(open, Firing::Closed));
            }
            self.triggers.closing = false;
        }
        Ok(self.early_call(watermark))
    }

    fn due_panes(&mut self, watermark: i64) -> Result<Panes> {
        let groups = self.groups_limit.current();
        Ok(owned(&mut self.state)?.due_panes(watermark, groups))
    }

    /// The call for the windows that fire early by time, where any has got something. What is due goes
    /// before, so that these are open all.
    fn early_call(&mut self, watermark: i64) -> Option<Call> {
        let spec = self.config.declaration.window.as_ref()?;
        if !spec.fires_by_time() || self.flushing {
            return None;
        }
        let passed = spec.early_time(watermark);
        let before = self.triggers.every_ms.or(passed);
        let by_clock = self.triggers.clock_ms.is_some_and(|at| at <= self.time.ms());
        if passed == before && !by_clock {
            self.triggers.every_ms = before;
            return None;
        }
        let fresh = self.state.fresh_panes(self.groups_limit.current());
        if fresh.is_empty() {
            (self.triggers.every_ms, self.triggers.clock_ms) = (passed, None);
            return None;
        }
        self.fire(fresh, Firing::Early)
    }

    /// Begins to wait for others to come to what records have brought to windows, where that is to
    /// fire early by the clock.
    pub(super) fn start_early_clock(&mut self) {
        let spec = self.config.declaration.window.as_ref();
        let delay = spec.and_then(|spec| spec.early_delay_ms).filter(|_| !self.config.bounded);
        if let Some(delay) = delay
            && self.triggers.clock_ms.is_none()
            && self.state.has_fresh_panes()
        {
            self.triggers.clock_ms = Some(self.time.ms().saturating_add(delay));
        }
    }

    fn fire(&self, panes: Panes, why: Firing) -> Option<Call> {
        let spec = self.config.declaration.window.as_ref()?;
        let now = newest(&self.clocks);
        let group = |(window, key): (Window, Option<Box<[u8]>>)| {
            PaneGroup::firing(window, key.map(|key| Bytes::from(Vec::from(key))), now)
        };
        let panes = panes.into_iter().map(group).collect();
        Some(windows::fire_call(panes, &self.state, spec, self.room(), why))
    }
}
