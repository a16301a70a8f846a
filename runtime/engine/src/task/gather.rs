//! Waiting for more records before a call: what it costs in time, it saves in calls and commits.
//!
//! **Invariant:** how long records wait changes how many calls there are, and never what comes of
//! them: cuts change no output.

use super::Task;
use crate::input::Input;

impl Task {
    /// Notes since when each input has had records that wait.
    pub(super) fn note_waiting(&mut self) {
        for input in &mut self.inputs {
            match input.queued() {
                0 => input.waiting_since = None,
                _ => input.waiting_since = input.waiting_since.or(Some(self.time.ms())),
            }
        }
    }

    /// Until when the records that wait are left for others to come; `None` where they are enough for
    /// a call, none waits, or none may.
    pub(super) fn gathers_until(&self) -> Option<i64> {
        if self.config.bounded || self.repeats || self.flushing {
            return None;
        }
        let waits = |input: &Input| input.config.batch.max_wait_ms > 0;
        if self.config.commit_interval_ms == 0 && !self.inputs.iter().any(waits) {
            return None;
        }
        let rows = self.rows_limit.current();
        let bytes = self.config.limits.batch_bytes.value as usize;
        let waiting = self.inputs.iter().filter(|input| input.queued() > 0);
        if waiting.clone().any(|input| input.is_full(rows, bytes)) {
            return None;
        }
        let by_input = waiting.filter_map(|input| {
            Some(input.waiting_since?.saturating_add(input.config.batch.max_wait_ms))
        });
        let by_commit = self.committed_ms.saturating_add(self.config.commit_interval_ms);
        let until_ms = by_input.min()?.max(by_commit);
        (until_ms > self.time.ms()).then_some(until_ms)
    }
}
