//! The wall clock and the stopwatch of the command line: the one place that reads them.

use std::time::Instant;

/// Milliseconds since the Unix epoch, UTC.
#[allow(clippy::disallowed_methods, reason = "this is the seam where time comes in")]
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Measures how long something takes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Waits before something is tried again.
#[allow(clippy::disallowed_methods, reason = "there is no condition to wait for on a far server")]
pub(crate) fn pause(time: std::time::Duration) {
    std::thread::sleep(time);
}
