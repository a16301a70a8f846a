//! What to do after a fault: a pure decision over what was observed.

use pelton_core::{Fault, FaultKind};

use crate::config::RetryPolicy;

/// What to do after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Call again with at most this many units.
    Shrink(usize),
    /// Call again after this many ms.
    Retry {
        /// How long to wait, ms.
        after_ms: i64,
    },
    /// Give this one unit up.
    Poison,
    /// The function cannot be run at all: no record is at fault.
    Stop,
}

/// The decision after `fault` in a call of `units` records, groups or timers, which was the
/// `attempt`-th (from 1) at this place.
///
/// A failure that may pass is retried with back-off, whatever the batch. Any other fault in a call
/// of several units halves the batch, down to the one unit that is at fault: the poison. A function
/// that cannot even be opened is tried again, and then stopped: its records are not to blame.
#[must_use]
pub fn decide(fault: &Fault, units: usize, attempt: u32, policy: &RetryPolicy) -> Decision {
    let nobodys = matches!(fault.kind, FaultKind::Host | FaultKind::Open);
    let may_pass = fault.retryable || nobodys;
    if may_pass && attempt < policy.attempts_max {
        let doubled = policy.backoff_ms.saturating_mul(1 << attempt.saturating_sub(1).min(30));
        return Decision::Retry { after_ms: doubled.min(policy.backoff_ms_max) };
    }
    if nobodys {
        return Decision::Stop;
    }
    if units > 1 { Decision::Shrink(units / 2) } else { Decision::Poison }
}

/// Units of a task's first call: a function that has not shown that it is quick gets no more.
const UNITS_AT_FIRST: usize = 1_000;
/// CPU time of the guest up to which a call may grow, ns: a tenth of the default limit of a call, and
/// short beside what a neighbour on the worker would notice.
const GROW_BELOW_NS: u64 = 10_000_000;

/// How many units a call takes: halved by faults, growing while calls are full and quick; fast until
/// the first fault, slowly after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnitLimit {
    current: usize,
    max: usize,
    has_shrunk: bool,
}

impl UnitLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self { current: max.clamp(1, UNITS_AT_FIRST), max: max.max(1), has_shrunk: false }
    }

    /// A limit that does not begin small: for what follows calls that others have cut.
    pub(crate) fn wide(max: usize) -> Self {
        Self { current: max.max(1), ..Self::new(max) }
    }

    pub(crate) fn current(&self) -> usize {
        self.current
    }

    /// From now on exactly this many units: what a replay repeats.
    pub(crate) fn set(&mut self, units: usize) {
        self.current = units.max(1);
    }

    pub(crate) fn shrink(&mut self, units: usize) {
        self.current = units.clamp(1, self.max);
        self.has_shrunk = true;
    }

    /// Takes note of a call of `units` that went well and took the guest `cpu_ns`.
    pub(crate) fn grow(&mut self, units: usize, cpu_ns: u64) {
        let full = units >= self.current.div_ceil(2);
        if self.current < self.max && full && cpu_ns <= GROW_BELOW_NS {
            let more = if self.has_shrunk { self.current.div_ceil(4) } else { self.current };
            self.current = (self.current + more).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind, retryable: bool) -> Fault {
        Fault { retryable, ..Fault::new(kind, "x") }
    }

    #[test]
    fn a_trap_in_a_batch_halves_it_down_to_the_poison_record() {
        let policy = RetryPolicy::default();
        let trap = fault(FaultKind::Trap, false);
        let mut units = 1_000;
        let mut calls = 0;
        while let Decision::Shrink(fewer) = decide(&trap, units, 1, &policy) {
            assert!(fewer < units);
            units = fewer;
            calls += 1;
        }
        assert_eq!((units, calls), (1, 9));
        assert_eq!(decide(&trap, 1, 1, &policy), Decision::Poison);
    }

    #[test]
    fn a_failure_that_may_pass_is_retried_with_back_off_up_to_the_limit() {
        let policy = RetryPolicy { attempts_max: 4, backoff_ms_max: 300, ..Default::default() };
        let failure = fault(FaultKind::Failure, true);
        let wait = |attempt| decide(&failure, 1, attempt, &policy);
        assert_eq!(wait(1), Decision::Retry { after_ms: 100 });
        assert_eq!(wait(2), Decision::Retry { after_ms: 200 });
        assert_eq!(wait(3), Decision::Retry { after_ms: 300 });
        assert_eq!(wait(4), Decision::Poison);
    }

    #[test]
    fn the_limit_grows_with_calls_that_are_full_and_quick() {
        let mut limit = UnitLimit::new(2_000);
        assert_eq!(limit.current(), 1_000);
        limit.grow(1_000, 0);
        assert_eq!(limit.current(), 2_000);
        limit.shrink(500);
        limit.grow(500, GROW_BELOW_NS);
        assert_eq!(limit.current(), 625);
        limit.grow(625, GROW_BELOW_NS + 1);
        limit.grow(312, 0);
        assert_eq!(limit.current(), 625, "slow calls and small ones show nothing");
        for _ in 0..9 {
            limit.grow(limit.current(), 0);
        }
        assert_eq!(limit.current(), 2_000);
    }

    #[test]
    fn a_small_limit_is_kept_from_the_start() {
        assert_eq!(UnitLimit::new(7).current(), 7);
        assert_eq!(UnitLimit::new(0).current(), 1);
    }
}
