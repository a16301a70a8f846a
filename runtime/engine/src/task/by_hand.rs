//! Time that a test moves by hand: as though records of other keys had come.

use super::Task;

impl Task {
    /// Takes it for told that every record before `time` (ms) has come, of every input. Those that
    /// wait are taken first; then the watermark goes there, and what is due by it fires. It never goes
    /// back.
    pub fn advance_watermark(&mut self, time: i64) {
        self.reached = self.reached.max(time);
    }

    /// At rest: goes as far as was told. Answers whether that was further than before.
    pub(super) fn reach(&mut self) -> bool {
        let is_further = self.reached > self.watermark && self.gathers_until().is_none();
        if is_further {
            self.watermark = self.reached;
        }
        is_further
    }
}
