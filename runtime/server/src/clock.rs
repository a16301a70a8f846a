//! The wall clock. **Invariant:** the only place that reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use pelton_core::Clock;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam through which time comes in")]
    fn now_ms(&self) -> i64 {
        let now = SystemTime::now();
        let millis = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        match now.duration_since(UNIX_EPOCH) {
            Ok(since) => millis(since),
            Err(before) => -millis(before.duration()),
        }
    }
}
