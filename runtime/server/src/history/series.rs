//! The samples of one function.

use std::collections::VecDeque;

use super::SAMPLES_MAX;
use crate::deployment::Progress;
use crate::functions::Figures;
use crate::latency::Durations;

/// What a function did between two looks at it. Small, since there are many: counts stop at their
/// largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    pub(super) records_in: u32,
    pub(super) records_out: u32,
    pub(super) calls: u32,
    pub(super) faults: u32,
    pub(super) poison: u32,
    pub(super) lag: u32,
    pub(super) cpu_us: u32,
    p50_us: u32,
    p99_us: u32,
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Sample {
    fn between(before: &Totals, now: &Figures) -> Self {
        let (old, new) = (&before.progress, &now.progress);
        // Counts begin anew where the function was started anew.
        let is_new = new.calls < old.calls || new.commits < old.commits;
        let (old, durations) = match is_new {
            true => (&Progress::default(), now.durations),
            false => (old, now.durations.since(&before.durations)),
        };
        let grown = |of: fn(&Progress) -> u64| small(of(new).saturating_sub(of(old)));
        Self {
            records_in: grown(|progress| progress.records_in),
            records_out: grown(|progress| progress.records_out),
            calls: grown(|progress| progress.calls),
            faults: grown(|progress| progress.faults),
            poison: grown(|progress| progress.poison),
            lag: small(now.lag),
            cpu_us: small(new.cpu_ns.saturating_sub(old.cpu_ns) / 1_000),
            p50_us: small(durations.quantile_us(0.5).unwrap_or_default()),
            p99_us: small(durations.quantile_us(0.99).unwrap_or_default()),
        }
    }

    /// Both added up; durations are left out.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            records_in: self.records_in.saturating_add(other.records_in),
            records_out: self.records_out.saturating_add(other.records_out),
            calls: self.calls.saturating_add(other.calls),
            faults: self.faults.saturating_add(other.faults),
            poison: self.poison.saturating_add(other.poison),
            lag: self.lag.saturating_add(other.lag),
            cpu_us: self.cpu_us.saturating_add(other.cpu_us),
            p50_us: 0,
            p99_us: 0,
        }
    }

    pub(super) fn p50_us(&self) -> Option<u64> {
        (self.p50_us > 0).then(|| self.p50_us.into())
    }

    pub(super) fn p99_us(&self) -> Option<u64> {
        (self.p99_us > 0).then(|| self.p99_us.into())
    }
}

#[derive(Default)]
struct Totals {
    progress: Progress,
    durations: Durations,
}

/// The samples of a function; quiet ones since the last that was not are only counted.
#[derive(Default)]
pub(super) struct Series {
    before: Option<Totals>,
    samples: VecDeque<Sample>,
    quiet: usize,
    is_taken: bool,
}

impl Series {
    /// Takes the sample of this round, and answers it.
    pub(super) fn take(&mut self, now: &Figures) -> Sample {
        // What is new has begun with nothing since the round before.
        let sample = Sample::between(&self.before.take().unwrap_or_default(), now);
        self.before = Some(Totals { progress: now.progress, durations: now.durations });
        self.is_taken = true;
        self.push(sample);
        sample
    }

    fn push(&mut self, sample: Sample) {
        if sample == Sample::default() {
            self.quiet += 1;
        } else {
            self.samples.extend(std::iter::repeat_n(Sample::default(), self.quiet));
            self.quiet = 0;
            self.samples.push_back(sample);
        }
        let excess = (self.samples.len() + self.quiet).saturating_sub(SAMPLES_MAX);
        self.samples.drain(..excess.min(self.samples.len()));
        self.quiet = self.quiet.min(SAMPLES_MAX);
        if self.samples.is_empty() {
            self.samples = VecDeque::new();
        }
    }

    /// Ends a round: where no sample was taken in it there is an empty one. Answers whether there is
    /// anything to keep.
    pub(super) fn next_round(&mut self) -> bool {
        if !std::mem::take(&mut self.is_taken) {
            self.before = None;
            self.push(Sample::default());
        }
        self.before.is_some() || !self.samples.is_empty()
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = Sample> + '_ {
        std::iter::repeat_n(Sample::default(), self.quiet).chain(self.samples.iter().rev().copied())
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.samples.len()
    }
}
