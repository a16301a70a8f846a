//! Instructions instead of times: what does not change when other work runs beside it.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::engine::Job;
use super::{call, engine, state};
use crate::table::{Amount, Line};

/// Work of a fixed size, to be run under a tool that counts instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fixed {
    /// 400 calls of the filter with 256 records
    Call,
    /// The same as `call`, native
    CallNative,
    /// 20,000 calls of the filter with one record
    CallOne,
    /// 50,000 records made and appended: what the three below do first
    Append,
    /// 50,000 records appended, then through filter and map
    FilterMap,
    /// 50,000 records appended, then counted by key
    KeyedCount,
    /// 120,000 records appended, then counted by key and minute
    MinuteCount,
    /// 100,000 reads and writes of state
    State,
}

impl Fixed {
    /// Does it, with so many times its ordinary size; 0 is what comes before the work.
    ///
    /// # Errors
    /// What the parts answer.
    pub fn run(self, rounds: usize) -> Result<()> {
        let count = self.size() * rounds;
        match self {
            Self::Call => call::fixed(256, count / 256),
            Self::CallNative => call::fixed_native(count / 256),
            Self::CallOne => call::fixed(1, count),
            Self::Append => engine::fixed_append(count),
            Self::FilterMap => engine::fixed(Job::FilterMap, count),
            Self::KeyedCount => engine::fixed(Job::KeyedCount, count),
            Self::MinuteCount => engine::fixed(Job::MinuteCount, count),
            Self::State => state::fixed(count),
        }
    }

    /// Records in a round; of `State`, keys that are read and written.
    fn size(self) -> usize {
        match self {
            Self::Call | Self::CallNative => 400 * 256,
            Self::CallOne => 20_000,
            Self::Append | Self::FilterMap | Self::KeyedCount => 50_000,
            Self::MinuteCount => 120_000,
            Self::State => 100_000,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Instructions of each record: what a second round adds to a first, so that what comes before
    /// the work does not count.
    fn each(self) -> Result<f64> {
        let [one, two] = [self.instructions(1)?, self.instructions(2)?];
        Ok((two - one) / self.size() as f64)
    }

    /// Instructions of a process that does it, of all its threads.
    fn instructions(self, rounds: usize) -> Result<f64> {
        let program = std::env::current_exe()?;
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&program);
        command.args(["--callgrind", &self.name(), "--rounds", &rounds.to_string()]);
        let ended = command.stdin(Stdio::null()).output();
        let ended = ended.context("valgrind cannot be started: is it installed?")?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "`{}` under valgrind: {said}", self.name());
        collected(&said).with_context(|| format!("valgrind does not say how many: {said}"))
    }
}

/// The count in what callgrind prints at its end, `==1== Collected : 6945581`.
fn collected(said: &str) -> Option<f64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.trim().parse().ok()
}

/// Counts the instructions of each work, which takes minutes.
///
/// # Errors
/// Where there is no valgrind, or this program cannot run under it: `benches/README.md` says how it
/// has to be built.
pub(super) fn run() -> Result<Vec<Line>> {
    if cfg!(not(rustix_use_libc)) {
        bail!(
            "this build does not run under valgrind: `cargo xtask bench --instructions` makes one"
        );
    }
    let mut lines = Vec::new();
    progress(&Fixed::Append.name());
    let append = Fixed::Append.each()?;
    for work in Fixed::value_variants() {
        let what = match work {
            Fixed::CallNative | Fixed::Append => continue,
            Fixed::Call => "guest call, 256 records: instructions a record",
            Fixed::CallOne => "guest call, 1 record: instructions a record",
            Fixed::FilterMap => "filter+map, durable: instructions a record",
            Fixed::KeyedCount => "count by key, durable: instructions a record",
            Fixed::MinuteCount => "count by key and minute, durable: instructions a record",
            Fixed::State => "state, get and put: instructions a key",
        };
        progress(&work.name());
        let mut ours = work.each()?;
        if matches!(work, Fixed::FilterMap | Fixed::KeyedCount | Fixed::MinuteCount) {
            ours -= append;
        }
        let line = Line::alone("instructions", what, Amount::new(ours, "instructions"));
        lines.push(match work {
            Fixed::Call => {
                let native = Fixed::CallNative.each()?;
                line.beside(Amount::new(native, "instructions"), ours / native)
            }
            _ => line,
        });
    }
    Ok(lines)
}

#[allow(clippy::print_stderr, reason = "minutes pass")]
fn progress(work: &str) {
    eprintln!("counting: {work}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_in_what_callgrind_says() {
        let said = "==7== Events    : Ir\n==7== Collected : 6945581\n==7==\n";
        assert_eq!(collected(said), Some(6_945_581.0));
        assert_eq!(collected("==7== Command: x\n"), None);
    }
}
