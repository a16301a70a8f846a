//! Waiting until a deployment has done all that there is to do: for tests that go step by step.

use std::sync::Arc;
use std::time::Duration;

use crate::control::Control;
use crate::deployment::Deployment;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(1);

impl Deployment {
    /// Waits until the tasks have done all that what was appended before, and the clock's time,
    /// give them to do, or have ended. A task that waits to try something again is at rest: only the
    /// clock moves it.
    pub fn settle(&self) {
        let mut commits = None;
        // A task may follow the watermark of another, which has moved meanwhile.
        while commits != Some(self.progress().commits) {
            commits = Some(self.progress().commits);
            self.tasks.iter().for_each(|task| task.look_around());
            while self.is_running() && !self.tasks.iter().all(|task| task.is_at_rest()) {
                std::thread::park_timeout(LOOK_EVERY);
            }
        }
    }

    /// Takes it for told that every record before `time` (ms) has come, of every input, as
    /// [`pelton_engine::Task::advance_watermark`] does: all that is due by then fires.
    pub fn advance_watermark(&self, time: i64) {
        let told = |task: &Arc<Control>| {
            task.visit(Box::new(move |task| task.advance_watermark(time)));
        };
        self.tasks.iter().for_each(told);
        self.settle();
    }
}
