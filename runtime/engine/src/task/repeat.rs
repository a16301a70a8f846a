//! Repeating: a task of a replay is told where each call was cut, which inputs were idle, what
//! time it was, and how much each call was about, as the commits of the first run recorded it.

use pelton_core::{Began, Position, Result, TaskMeta};

use super::{Decisions, Step, Task};
use crate::call::{Call, Work};

/// A part of a run that a replay repeats.
#[derive(Debug, Clone, Copy)]
pub enum Repeat<'a> {
    /// What led to the commit that recorded this.
    Commit(&'a TaskMeta),
    /// Everything up to these positions, cut anew: what was decided is not known any more.
    Until(&'a [Position]),
}

impl<'a> Repeat<'a> {
    /// Where the inputs stand behind it.
    fn positions(self) -> &'a [Position] {
        match self {
            Repeat::Commit(meta) => &meta.positions,
            Repeat::Until(positions) => positions,
        }
    }
}

impl Task {
    /// Takes down what a call begins with, where it does not follow from the last commit.
    pub(super) fn note_began(&mut self, call: &Call) {
        let units = match &call.work {
            Work::Records(_) | Work::Merge(..) | Work::Accumulate(..) | Work::Collect(..) => 0,
            _ => u32::try_from(call.work.units()).unwrap_or(u32::MAX),
        };
        let now = self.decisions();
        if units == 0 && now == self.last {
            self.began = None;
            return;
        }
        let mut carried = now.carried;
        if carried == self.last.carried {
            carried.clear();
        }
        self.began = Some(Began { watermark: now.watermark, idle: now.idle, carried, units });
    }

    /// Where time stands, as far as it does not follow from records alone.
    pub(super) fn decisions(&self) -> Decisions {
        Decisions {
            watermark: self.watermark,
            idle: self.clocks.iter().map(|clock| clock.progress.idle).collect(),
            carried: self.carried(),
        }
    }

    /// Begins to repeat this part of a run; [`Task::repeat_step`] goes on with it. From then on the
    /// task makes no decisions by itself. Its clock must tell the time that was recorded.
    pub fn begin_repeat(&mut self, repeat: Repeat<'_>) {
        let positions = repeat.positions();
        self.prepare(repeat, positions);
        self.repeating = (self.is_before(positions), self.commits());
    }

    /// Does the next thing of the part that was begun. Answers whether the part is over.
    ///
    /// # Errors
    /// As [`Task::step`].
    pub async fn repeat_step(&mut self, repeat: Repeat<'_>) -> Result<bool> {
        let step = self.step().await?;
        let (moved, commits) = self.repeating;
        let reached = match repeat {
            Repeat::Until(_) => false,
            Repeat::Commit(meta) if moved => !self.is_before(&meta.positions),
            Repeat::Commit(_) => self.commits() > commits,
        };
        Ok(match step {
            Step::Worked => reached && self.pending.is_none(),
            Step::Wait { .. } => {
                // What the first run waited for is over.
                self.wait_until = None;
                false
            }
            Step::Idle { .. } | Step::Finished => true,
        })
    }

    fn prepare(&mut self, repeat: Repeat<'_>, positions: &[Position]) {
        self.repeats = true;
        for input in &mut self.inputs {
            let known = positions.iter().find(|known| known.input == input.config.partition);
            input.until = known.map_or(input.next, |known| known.next);
        }
        let rows = self.config.limits.batch_records.value as usize;
        self.rows_limit.set(rows);
        let mut units = rows;
        if let Repeat::Commit(meta) = repeat {
            if !self.is_before(positions) {
                self.watermark = self.watermark.max(meta.watermark);
                self.carry(&meta.carried);
            }
            if let Some(began) = &meta.began {
                self.watermark = self.watermark.max(began.watermark);
                for (clock, idle) in self.clocks.iter_mut().zip(&began.idle) {
                    clock.progress.idle = *idle;
                }
                self.carry(&began.carried);
                units = if began.units > 0 { began.units as usize } else { rows };
            }
        }
        self.groups_limit.set(units);
        self.timers_limit.set(units);
    }

    fn is_before(&self, positions: &[Position]) -> bool {
        self.inputs.iter().any(|input| {
            let known = positions.iter().find(|known| known.input == input.config.partition);
            known.is_some_and(|known| input.next < known.next)
        })
    }

    fn commits(&self) -> u64 {
        self.counters.commits.load(std::sync::atomic::Ordering::Relaxed)
    }
}
