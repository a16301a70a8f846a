//! The wall clock as an input, so that a test or a simulation can drive it.

use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the wall time. The only real one is in the server; everything below it is handed one.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC. It may step in either direction.
    fn now_ms(&self) -> i64;
}

/// The longest step that a reading behind the told time moves it by, ms.
const SLEW_MS_MAX: i64 = 60_000;

/// Time that never goes back and never stands still, made of readings of a clock that may step.
///
/// A step forward is followed at once. Behind a step back, time goes on at half its speed until the
/// clock has caught up, so that what waits for a moment waits twice as long and not as long as the
/// step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SteadyTime {
    told_ms: i64,
    read_ms: i64,
}

impl SteadyTime {
    /// Time that goes on from `told_ms`, whatever the clock says.
    #[must_use]
    pub fn from(told_ms: i64) -> Self {
        Self { told_ms, read_ms: i64::MAX }
    }

    /// The last time that was told, ms since the Unix epoch.
    #[must_use]
    pub fn ms(&self) -> i64 {
        self.told_ms
    }

    /// The time at a reading of the clock.
    pub fn at(&mut self, read_ms: i64) -> i64 {
        if read_ms >= self.told_ms {
            self.told_ms = read_ms;
            self.read_ms = read_ms;
        } else if read_ms < self.read_ms {
            self.read_ms = read_ms;
        } else {
            // The odd millisecond counts the next time.
            let gain = (read_ms.saturating_sub(self.read_ms) / 2).min(SLEW_MS_MAX);
            self.told_ms = self.told_ms.saturating_add(gain);
            self.read_ms = self.read_ms.saturating_add(gain * 2);
        }
        self.told_ms
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now_ms`.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Sets the time.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }

    /// Moves the time by `ms`, which may be negative.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn a_clock_that_does_not_step_back_is_told_as_it_is() {
        let mut time = SteadyTime::from(i64::MIN);
        for read in [i64::MIN, -5, -5, 0, 1, DAY, 2 * DAY, i64::MAX] {
            assert_eq!(time.at(read), read);
        }
    }

    #[test]
    fn behind_a_step_back_time_goes_on_at_half_its_speed_until_the_clock_is_there() {
        let mut time = SteadyTime::from(i64::MIN);
        let mut read = 10 * DAY;
        assert_eq!(time.at(read), 10 * DAY);
        read -= DAY;
        assert_eq!(time.at(read), 10 * DAY);
        for _ in 0..2_000 {
            read += 1;
            time.at(read);
        }
        assert_eq!(time.ms(), 10 * DAY + 1_000, "in the smallest of steps");
        let mut last = time.ms();
        while read < time.ms() {
            read += 50_000;
            assert!(time.at(read) >= last);
            last = time.ms();
        }
        assert!(
            (11 * DAY - 100_000..=11 * DAY + 100_000).contains(&last),
            "it takes twice as long"
        );
        assert_eq!(time.at(read + 7), read + 7);
    }

    #[test]
    fn a_time_that_was_kept_goes_on_from_there() {
        let mut time = SteadyTime::from(5 * DAY);
        assert_eq!(time.at(0), 5 * DAY);
        assert_eq!(time.at(1_000), 5 * DAY + 500);
        assert_eq!(time.at(i64::MIN), 5 * DAY + 500);
        assert_eq!(time.at(0), 5 * DAY + 500 + SLEW_MS_MAX, "a step is no time that has passed");
    }
}
