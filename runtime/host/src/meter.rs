//! CPU accounting of guest calls.
//!
//! Reading a thread's CPU clock costs half a microsecond, as much as a whole call; reading the
//! wall clock a twentieth. So a slice of work is charged by the wall clock, which is an upper
//! bound, and where a slice is longer than a tick also by what the thread's CPU clock says since
//! it was read last, another upper bound: the lower one counts. Whoever is preempted is not
//! charged for it, and the error is below one tick.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use crate::engine::TICK;

const FRESH_NS: u64 = TICK.as_nanos() as u64;

/// What a clock pair said: wall and CPU time of this thread, ns.
#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    wall_ns: u64,
    cpu_ns: u64,
}

/// Whether a guest was called, or went on, since the epoch was moved on last.
static CALLED: AtomicBool = AtomicBool::new(false);

fn note_call() {
    // Rather read by all than written by all.
    if !CALLED.load(Ordering::Relaxed) {
        CALLED.store(true, Ordering::Relaxed);
    }
}

/// Whether a guest was called or went on since this was asked last.
pub(crate) fn take_called() -> bool {
    CALLED.swap(false, Ordering::Relaxed)
}

thread_local! {
    static LAST: Cell<Reading> = const { Cell::new(Reading { wall_ns: 0, cpu_ns: 0 }) };
}

/// What to charge for a slice: the lower of two upper bounds.
fn charge(slice_wall_ns: u64, thread_cpu_ns: u64) -> u64 {
    slice_wall_ns.min(thread_cpu_ns)
}

fn wall_ns() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time that an instance's calls have used. Clones share it; it can be read while a call runs
/// or waits for its turn.
#[derive(Debug, Clone, Default)]
pub struct CallStats(Arc<Meter>);

impl CallStats {
    /// CPU time of all calls of the instance so far, ns.
    #[must_use]
    pub fn total_cpu_ns(&self) -> u64 {
        self.0.total_ns.load(Ordering::Relaxed)
    }

    /// CPU time of the call that runs, or that ran last, ns.
    #[must_use]
    pub fn call_cpu_ns(&self) -> u64 {
        self.0.call_ns.load(Ordering::Relaxed)
    }

    /// How often a call has given up its turn.
    #[must_use]
    pub fn yields(&self) -> u64 {
        self.0.yields.load(Ordering::Relaxed)
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.0
    }
}

/// Counters of one instance. Only the thread that polls the call writes them, so that plain loads
/// and stores are enough.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    total_ns: AtomicU64,
    call_ns: AtomicU64,
    limit_ns: AtomicU64,
    mark_ns: AtomicU64,
    yields: AtomicU64,
}

impl Meter {
    /// Starts a call that may use this much.
    pub(crate) fn start(&self, limit_ns: u64) {
        note_call();
        self.call_ns.store(0, Ordering::Relaxed);
        self.limit_ns.store(limit_ns, Ordering::Relaxed);
    }

    /// The limit of the call, ns.
    pub(crate) fn limit_ns(&self) -> u64 {
        self.limit_ns.load(Ordering::Relaxed)
    }

    /// At a tick within the call: charges it and tells whether it may go on.
    pub(crate) fn tick(&self) -> bool {
        note_call();
        self.settle(wall_ns(), true);
        let within = self.call_ns.load(Ordering::Relaxed) < self.limit_ns();
        if within {
            add(&self.yields, 1);
        }
        within
    }

    fn enter(&self) {
        let now = wall_ns();
        if now.saturating_sub(LAST.get().wall_ns) > FRESH_NS {
            LAST.set(Reading { wall_ns: now, cpu_ns: thread_cpu_ns() });
        }
        self.mark_ns.store(now, Ordering::Relaxed);
    }

    fn leave(&self) {
        let now = wall_ns();
        let long = now.saturating_sub(self.mark_ns.load(Ordering::Relaxed)) > FRESH_NS;
        self.settle(now, long);
    }

    fn settle(&self, now: u64, read_cpu: bool) {
        let wall = now.saturating_sub(self.mark_ns.load(Ordering::Relaxed));
        let mut cpu = u64::MAX;
        if read_cpu {
            let reading = Reading { wall_ns: now, cpu_ns: thread_cpu_ns() };
            cpu = reading.cpu_ns.saturating_sub(LAST.replace(reading).cpu_ns);
        }
        let used = charge(wall, cpu);
        self.mark_ns.store(now, Ordering::Relaxed);
        add(&self.call_ns, used);
        add(&self.total_ns, used);
    }
}

/// Adds without a locked instruction: there is one writer at a time.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

/// A call that is charged for what each poll of it takes.
pub(crate) async fn metered<F: Future>(meter: Arc<Meter>, call: F) -> F::Output {
    let mut call = pin!(call);
    poll_fn(|context| {
        meter.enter();
        let polled = call.as_mut().poll(context);
        meter.leave();
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preempted_slice_is_charged_by_the_cpu_clock_and_a_busy_thread_by_the_wall_clock() {
        assert_eq!(charge(50_000_000, 2_000_000), 2_000_000);
        assert_eq!(charge(1_000, 900_000), 1_000);
    }

    #[test]
    fn a_call_may_use_less_than_its_limit_and_no_more() {
        let meter = Meter::default();
        meter.start(5_000_000);
        add(&meter.call_ns, 4_999_999);
        assert!(meter.call_ns.load(Ordering::Relaxed) < meter.limit_ns());
        meter.enter();
        let mut within = true;
        while within {
            within = meter.tick();
        }
        assert!(meter.call_ns.load(Ordering::Relaxed) >= 5_000_000);
    }
}
