//! How long things take: a histogram that many threads add to without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, µs: 1, 2, 5 in each power of ten. What takes longer is in one more.
pub(crate) const BUCKET_ENDS_US: [u64; 19] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];
const BUCKETS: usize = BUCKET_ENDS_US.len() + 1;

/// Counts durations by bucket. Adding is two relaxed additions.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    counts: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Latency {
    /// Adds one.
    pub(crate) fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKET_ENDS_US.partition_point(|end| *end < us);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub(crate) fn seen(&self) -> Durations {
        Durations {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum_us: self.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// Durations, counted by bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    counts: [u64; BUCKETS],
    sum_us: u64,
}

impl Durations {
    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them added up, µs.
    pub(crate) fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The number in each bucket, with its upper end, µs; none for the last.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        let ends = BUCKET_ENDS_US.iter().copied().map(Some).chain([None]);
        ends.zip(self.counts.iter().copied())
    }

    /// Those that are not in `earlier`, which was seen before.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let counts = std::array::from_fn(|bucket| {
            self.counts[bucket].saturating_sub(earlier.counts[bucket])
        });
        Self { counts, sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }

    /// The duration, µs, that `share` (0 to 1) of them do not exceed, as if they lay evenly in their
    /// bucket; of those beyond the last bucket only its lower end is known. `None` for no durations.
    pub(crate) fn quantile_us(&self, share: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((count as f64 * share).ceil() as u64).max(1);
        let (mut before, mut start) = (0, 0);
        for (end, here) in self.buckets() {
            if here > 0 && before + here >= rank {
                let end = end.unwrap_or(start);
                let part = (rank - before) as f64 / here as f64;
                return Some(start + ((end - start) as f64 * part).round() as u64);
            }
            before += here;
            start = end.unwrap_or(start);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(durations_us: &[u64]) -> Latency {
        let latency = Latency::default();
        durations_us.iter().for_each(|us| latency.add(Duration::from_micros(*us)));
        latency
    }

    #[test]
    fn a_duration_at_the_end_of_a_bucket_is_in_it_and_one_longer_in_the_next() {
        let seen = latency(&[10, 11, 10_000_000, 10_000_001]).seen();
        let counts: Vec<_> = seen.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(Some(10), 1), (Some(20), 1), (Some(10_000_000), 1), (None, 1)]);
        assert_eq!((seen.count(), seen.sum_us()), (4, 20_000_022));
    }

    #[test]
    fn quantiles_lie_within_the_bucket_of_their_rank() {
        assert_eq!(Durations::default().quantile_us(0.99), None);
        let many = latency(&[[15; 98].as_slice(), &[1_500, 20_000_000]].concat()).seen();
        assert_eq!(many.quantile_us(0.5), Some(15));
        assert_eq!(many.quantile_us(0.99), Some(2_000));
        assert_eq!(many.quantile_us(1.0), Some(10_000_000), "no more than that is known");
    }

    #[test]
    fn what_was_seen_before_can_be_taken_off() {
        let latency = latency(&[15, 15]);
        let before = latency.seen();
        latency.add(Duration::from_micros(700));
        let since = latency.seen().since(&before);
        assert_eq!((since.count(), since.quantile_us(0.5)), (1, Some(1_000)));
    }
}
