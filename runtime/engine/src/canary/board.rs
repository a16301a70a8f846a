//! What came of a canary: calls, faults, and how long they took.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Buckets of a power of two: a time is known to about 6 percent.
const PER_OCTAVE: u64 = 16;
const BUCKETS: usize = 64 * PER_OCTAVE as usize;

/// CPU time of a guest for a record, in buckets.
struct Times(Box<[AtomicU64]>);

impl Default for Times {
    fn default() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }
}

fn bucket(ns: u64) -> usize {
    let ns = ns.max(PER_OCTAVE);
    let octave = u64::from(ns.ilog2());
    (octave * PER_OCTAVE + ((ns >> (octave - 4)) & (PER_OCTAVE - 1))) as usize
}

/// The least time of a bucket, ns.
fn least(bucket: usize) -> u64 {
    let (octave, part) = (bucket as u64 / PER_OCTAVE, bucket as u64 % PER_OCTAVE);
    (PER_OCTAVE + part) << octave.saturating_sub(4)
}

impl Times {
    fn add(&self, ns: u64) {
        self.0[bucket(ns)].fetch_add(1, Ordering::Relaxed);
    }

    /// The time that 99 of 100 calls do not exceed, ns; 0 before the first.
    fn p99(&self) -> u64 {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let wanted = counts.iter().sum::<u64>() * 99 / 100;
        let mut seen = 0;
        let at = counts.iter().position(|count| {
            seen += count;
            seen > wanted
        });
        at.map_or(0, least)
    }
}

#[derive(Default)]
struct Counted {
    calls: AtomicU64,
    units: AtomicU64,
    times: Times,
}

/// What a version did on its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SideCounts {
    /// Guest calls.
    pub calls: u64,
    /// Records, windows and timers.
    pub units: u64,
    /// CPU time for a record (window, timer) that 99 of 100 calls do not exceed, ns.
    pub p99_ns: u64,
}

/// What came of a canary so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CanaryCounts {
    /// The new version.
    pub new: SideCounts,
    /// The old version in calls of the same sizes.
    pub control: SideCounts,
    /// Records, windows and timers that went through the old version otherwise.
    pub old_units: u64,
    /// Calls at which the new version failed, and which the old one has answered in its place.
    pub faults: u64,
    /// The last of these faults.
    pub last_fault: Option<String>,
}

/// Counts of a canary over all tasks of a function.
#[derive(Default)]
pub struct CanaryBoard {
    new: Counted,
    control: Counted,
    old_units: AtomicU64,
    faults: AtomicU64,
    last_fault: Mutex<Option<String>>,
    over: AtomicBool,
    faults_max: u64,
}

impl CanaryBoard {
    /// A board for a canary that is over with more than so many faults: from then on everything goes
    /// through the old version, on every task.
    #[must_use]
    pub fn new(faults_max: u64) -> Self {
        Self { faults_max, ..Self::default() }
    }

    pub(super) fn called(&self, is_new: bool, units: u64, cpu_ns: u64) {
        let side = if is_new { &self.new } else { &self.control };
        side.calls.fetch_add(1, Ordering::Relaxed);
        side.units.fetch_add(units, Ordering::Relaxed);
        side.times.add(cpu_ns / units.max(1));
    }

    pub(super) fn called_old(&self, units: u64) {
        self.old_units.fetch_add(units, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, fault: String) {
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        if self.faults.fetch_add(1, Ordering::AcqRel) >= self.faults_max {
            self.end();
        }
    }

    /// Ends it, on every task: the new version is not called any more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether it was ended, or has failed too often: the new version is not called any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> CanaryCounts {
        let side = |side: &Counted| SideCounts {
            calls: side.calls.load(Ordering::Relaxed),
            units: side.units.load(Ordering::Relaxed),
            p99_ns: side.times.p99(),
        };
        CanaryCounts {
            new: side(&self.new),
            control: side(&self.control),
            old_units: self.old_units.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            last_fault: self.last_fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_to_a_sixteenth() {
        for ns in [16, 17, 31, 32, 100, 999, 123_456, u64::MAX] {
            let found = least(bucket(ns));
            assert!(found <= ns && ns - found <= ns / 16, "{ns}: {found}");
        }
        assert_eq!(least(bucket(0)), 16);
    }

    #[test]
    fn the_99th_percentile_leaves_out_one_of_a_hundred() {
        let times = Times::default();
        assert_eq!(times.p99(), 0);
        (0..99).for_each(|_| times.add(1_000));
        times.add(1_000_000);
        assert_eq!(times.p99(), least(bucket(1_000_000)));
        (0..100).for_each(|_| times.add(1_000));
        assert_eq!(times.p99(), least(bucket(1_000)));
    }

    #[test]
    fn it_is_over_with_one_fault_more_than_allowed() {
        let board = CanaryBoard::new(2);
        board.failed("a".into());
        board.failed("b".into());
        assert!(!board.is_over(), "at the limit");
        board.failed("c".into());
        assert!(board.is_over());
        assert_eq!((board.counts().faults, board.counts().last_fault), (3, Some("c".into())));
    }
}
