//! Taking times: interleaved runs of two ways to do the same, medians, percentiles.

use std::time::Instant;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Whose CPU time is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cpu {
    /// That of this thread.
    Thread,
    /// That of all threads of the process: for work that other threads have a share in.
    Process,
}

impl Cpu {
    fn now_ns(self) -> f64 {
        let time = clock_gettime(match self {
            Self::Thread => ClockId::ThreadCPUTime,
            Self::Process => ClockId::ProcessCPUTime,
        });
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    }
}

/// What a run took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Wall time, ns.
    pub wall_ns: f64,
    /// CPU time, ns.
    pub cpu_ns: f64,
}

impl Cost {
    /// The share of each of `count` things.
    #[must_use]
    pub fn per(self, count: usize) -> Self {
        let count = count.max(1) as f64;
        Self { wall_ns: self.wall_ns / count, cpu_ns: self.cpu_ns / count }
    }
}

/// What `work` takes, and what it answers.
pub fn cost<T>(cpu: Cpu, work: impl FnOnce() -> T) -> (Cost, T) {
    let (cpu_before, before) = (cpu.now_ns(), Instant::now());
    let answer = work();
    let wall_ns = before.elapsed().as_nanos() as f64;
    let cpu_ns = cpu.now_ns() - cpu_before;
    // A clock that is too coarse for the work must not make a ratio infinite.
    (Cost { wall_ns: wall_ns.max(1.0), cpu_ns: cpu_ns.max(1.0) }, answer)
}

/// Two ways to do the same, by the median of their runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// Pelton's way.
    pub ours: Cost,
    /// The plain way.
    pub native: Cost,
    /// Median over the pairs of our CPU time by the plain way's.
    pub cpu_ratio: f64,
    /// Median over the pairs of our wall time by the plain way's.
    pub wall_ratio: f64,
}

/// Runs both in turn, `rounds` times, behind one round that is thrown away.
///
/// # Errors
/// The first error of a run.
pub fn interleaved(
    rounds: usize,
    mut ours: impl FnMut() -> Result<Cost>,
    mut native: impl FnMut() -> Result<Cost>,
) -> Result<Compared> {
    ours()?;
    native()?;
    let mut pairs = Vec::with_capacity(rounds);
    for _ in 0..rounds.max(1) {
        pairs.push((ours()?, native()?));
    }
    let of = |pick: &dyn Fn(&(Cost, Cost)) -> f64| median(pairs.iter().map(pick).collect());
    Ok(Compared {
        ours: Cost { wall_ns: of(&|pair| pair.0.wall_ns), cpu_ns: of(&|pair| pair.0.cpu_ns) },
        native: Cost { wall_ns: of(&|pair| pair.1.wall_ns), cpu_ns: of(&|pair| pair.1.cpu_ns) },
        cpu_ratio: of(&|pair| pair.0.cpu_ns / pair.1.cpu_ns),
        wall_ratio: of(&|pair| pair.0.wall_ns / pair.1.wall_ns),
    })
}

/// The middle of `numbers`; 0 where there are none.
#[must_use]
pub fn median(numbers: Vec<f64>) -> f64 {
    percentile(numbers, 0.5)
}

/// The number that a `share` (0 to 1) of `numbers` does not exceed; 0 where there are none.
#[must_use]
pub fn percentile(mut numbers: Vec<f64>, share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = (share * numbers.len() as f64).ceil() as usize;
    numbers.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The memory that this process has in RAM, bytes.
///
/// # Errors
/// Where the system does not say.
pub fn resident_bytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("/proc/self/status without VmRSS")?.parse()?;
    Ok(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_were_seen() {
        let numbers = || vec![5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(median(numbers()), 3.0);
        assert_eq!(percentile(numbers(), 0.99), 5.0);
        assert_eq!(percentile(numbers(), 0.0), 1.0);
        assert_eq!(median(Vec::new()), 0.0);
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // A machine that gets four times slower between two pairs changes no ratio.
        let times = |times: [f64; 4]| {
            let mut times = times.into_iter();
            move || {
                let time = times.next().unwrap_or_default();
                Ok(Cost { wall_ns: time, cpu_ns: time })
            }
        };
        let compared =
            interleaved(3, times([9.0, 2.0, 8.0, 2.0]), times([1.0, 1.0, 4.0, 1.0])).unwrap();
        assert_eq!(compared.cpu_ratio, 2.0);
        assert_eq!(compared.wall_ratio, 2.0);
    }
}
