//! Event time of one input. The watermark is a function of the record prefix, never of a batch.

use pelton_core::{Carried, InputProgress, Producer};

/// Event-time progress of one input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventClock {
    bound_ms: i64,
    step_ms: i64,
    /// Where it stands.
    pub progress: InputProgress,
    /// The tasks that write to the input and how far they have come, in the order of their numbers.
    /// Where there are any, the watermark is the lowest of theirs.
    pub(crate) producers: Vec<Carried>,
}

impl EventClock {
    /// A clock that has seen nothing. `bound_ms`: how far records may be out of order. `step_ms`:
    /// the watermark moves in multiples of it; 0 or 1 is exact.
    #[must_use]
    pub fn new(bound_ms: i64, step_ms: i64) -> Self {
        let progress = InputProgress { highest: i64::MIN, watermark: i64::MIN, idle: false };
        Self { bound_ms: bound_ms.max(0), step_ms, progress, producers: Vec::new() }
    }

    /// The same clock where a commit left it.
    #[must_use]
    pub fn resume(mut self, progress: InputProgress) -> Self {
        self.progress = progress;
        self
    }

    /// The same clock, with the tasks that write to its input where `carried` watermarks count.
    #[must_use]
    pub(crate) fn told(mut self, carried: bool, producers: &[Carried]) -> Self {
        self.producers = if carried { producers.to_vec() } else { Vec::new() };
        self
    }

    /// Takes note of a record. A timestamp above `ceiling` moves nothing: one record of the far
    /// future must not make all others late.
    #[inline]
    pub fn observe(&mut self, timestamp: i64, ceiling: i64) {
        self.progress.idle = false;
        if timestamp <= self.progress.highest || timestamp > ceiling {
            return;
        }
        self.progress.highest = timestamp;
        if !self.producers.is_empty() {
            return;
        }
        let mut watermark = timestamp.saturating_sub(self.bound_ms);
        if self.step_ms > 1 {
            watermark = watermark.saturating_sub(watermark.rem_euclid(self.step_ms));
        }
        self.progress.watermark = self.progress.watermark.max(watermark);
    }

    /// Takes note that everything before `timestamp` has arrived, whatever the bound says.
    pub fn assert_complete(&mut self, timestamp: i64, ceiling: i64) {
        if timestamp <= ceiling {
            self.progress.watermark = self.progress.watermark.max(timestamp);
        }
    }

    /// Takes note of tasks that write to the input, of which nothing was heard yet.
    pub(crate) fn meet(&mut self, tasks: &[u64]) {
        for task in tasks {
            if let Err(at) = self.producers.binary_search_by_key(task, |known| known.task) {
                let new = Carried { task: *task, watermark: i64::MIN, idle: false };
                self.producers.insert(at, new);
            }
        }
    }

    /// Takes note of what came with the last record of a batch.
    pub(crate) fn heard(&mut self, producer: Producer) {
        let at = self.producers.binary_search_by_key(&producer.task, |known| known.task);
        let Some(known) = at.ok().and_then(|at| self.producers.get_mut(at)) else { return };
        known.watermark = known.watermark.max(producer.watermark);
        known.idle = false;
        self.follow_producers();
    }

    /// Moves the watermark to the lowest of those that write to the input and are not idle. Where all
    /// are, it is the highest: what it would be if the others had become idle a moment earlier.
    pub(crate) fn follow_producers(&mut self) {
        let active = self.producers.iter().filter(|known| !known.idle);
        let lowest = active.map(|known| known.watermark).min();
        let highest = || self.producers.iter().map(|known| known.watermark).max();
        if let Some(watermark) = lowest.or_else(highest) {
            self.progress.watermark = self.progress.watermark.max(watermark);
        }
    }

    /// The watermark: every record before it has arrived.
    #[must_use]
    #[inline]
    pub fn watermark(&self) -> i64 {
        self.progress.watermark
    }
}

/// The task's watermark: the lowest of its inputs that are not idle, and never back.
#[must_use]
#[inline]
pub(crate) fn task_watermark(clocks: &[EventClock], before: i64) -> i64 {
    if let [only] = clocks {
        return before.max(only.watermark());
    }
    let active = clocks.iter().filter(|clock| !clock.progress.idle);
    before.max(active.map(EventClock::watermark).min().unwrap_or(i64::MIN))
}

/// The highest timestamp of all inputs so far, ms.
pub(crate) fn newest(clocks: &[EventClock]) -> i64 {
    clocks.iter().map(|clock| clock.progress.highest).max().unwrap_or(i64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_trails_the_highest_timestamp_and_never_goes_back() {
        let mut clock = EventClock::new(10, 0);
        let mut seen = Vec::new();
        for timestamp in [100, 95, 120, 0] {
            clock.observe(timestamp, i64::MAX);
            seen.push(clock.watermark());
        }
        assert_eq!(seen, [90, 90, 110, 110]);
    }

    #[test]
    fn a_record_of_the_far_future_moves_nothing() {
        let mut clock = EventClock::new(0, 0);
        clock.observe(1_001, 1_000);
        assert_eq!(clock.watermark(), i64::MIN);
        clock.observe(1_000, 1_000);
        assert_eq!(clock.watermark(), 1_000);
    }

    #[test]
    fn the_slowest_of_the_tasks_that_write_to_it_holds_the_watermark_back() {
        let mut clock = EventClock::new(0, 0);
        clock.observe(5, i64::MAX);
        clock.meet(&[3, 7]);
        clock.observe(100, i64::MAX);
        clock.heard(Producer { task: 7, watermark: 90 });
        assert_eq!((clock.watermark(), clock.progress.highest), (5, 100));
        clock.heard(Producer { task: 3, watermark: 40 });
        clock.heard(Producer { task: 4, watermark: 1 });
        assert_eq!(clock.watermark(), 40);
        clock.producers[0].idle = true;
        clock.follow_producers();
        assert_eq!(clock.watermark(), 90);
        clock.heard(Producer { task: 3, watermark: 41 });
        assert_eq!((clock.watermark(), clock.producers[0].watermark), (90, 41));
    }

    #[test]
    fn both_ends_of_i64_saturate() {
        let mut clock = EventClock::new(i64::MAX, 7);
        clock.observe(i64::MIN + 1, i64::MAX);
        clock.observe(i64::MAX, i64::MAX);
        assert!(clock.watermark() <= 0);
    }

    #[test]
    fn an_idle_input_is_not_waited_for() {
        let mut clocks = [EventClock::new(0, 0), EventClock::new(0, 0)];
        clocks[0].observe(50, i64::MAX);
        assert_eq!(task_watermark(&clocks, i64::MIN), i64::MIN);
        clocks[1].progress.idle = true;
        assert_eq!(task_watermark(&clocks, i64::MIN), 50);
    }
}
