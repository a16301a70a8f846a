//! How many requests a second somebody may make.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A number of requests a second, which is also the most at once.
pub(super) struct Rate {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Rate {
    pub(super) fn new(a_second: NonZeroU32) -> Self {
        let limiter = RateLimiter::direct(Quota::per_second(a_second));
        Self { limiter, clock: DefaultClock::default() }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long to wait, where it is one too many.
    pub(super) fn check(&self) -> Result<(), Duration> {
        self.limiter.check().map_err(|too_early| too_early.wait_time_from(self.clock.now()))
    }
}
