//! Modules that a fuzzer makes up, through scan, load and calls with tight limits. Whatever it is, the
//! host neither panics nor hangs nor grows, and each module runs, is refused or is at fault with a code.
//!
//! ```text
//! cargo xtask fuzz modules --seconds 60
//! target/release/modules --seed 17 --cases 1    # one case again
//! ```
//!
//! Cases are made from a seed, without coverage: the compiler under test would have to be built a
//! second time for that. The case that runs is in `artifacts/`, and stays there if it is the last.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "a program of the tests, which shares their support"
)]

mod attack;
#[allow(dead_code, reason = "the host's own tests use the rest")]
#[path = "../../tests/host/support/environment.rs"]
mod environment;
#[allow(dead_code, reason = "the host's own tests use the rest")]
#[path = "../../tests/host/support/executor.rs"]
mod executor;
mod generate;
#[allow(dead_code, reason = "the host's own tests use the rest")]
#[path = "../../tests/host/support/guests.rs"]
mod guests;
mod seed;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use attack::Host;
use generate::Case;

/// The longest that one case may take: all its limits are below a second, a module is compiled in
/// less, and the machine may be busy.
const CASE_MAX: Duration = Duration::from_secs(60);
/// Most memory of this process.
const RESIDENT_BYTES_MAX: u64 = 2 << 30;
/// How often it is looked at, cases.
const RESIDENT_EVERY: u64 = 64;

/// What is run.
struct Arguments {
    seed: u64,
    seconds: u64,
    cases: u64,
}

/// What became of the cases, by code.
type Outcomes = BTreeMap<&'static str, u64>;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(text) => {
            eprintln!("error: {text}; use --seed N, --seconds N, --cases N");
            return ExitCode::from(2);
        }
    };
    eprintln!("modules from seed {} on", arguments.seed);
    match run(&arguments) {
        Ok((cases, outcomes)) => {
            outcomes.iter().for_each(|(code, count)| eprintln!("{count:>8} {code}"));
            eprintln!("{cases} modules, none did harm");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut out = Self { seed: seed::fresh(), seconds: 60, cases: u64::MAX };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} has no value"))?;
            let number = value.parse().map_err(|_| format!("{name} {value}: not a number"))?;
            match name.as_str() {
                "--seed" => out.seed = number,
                "--seconds" => out.seconds = number,
                "--cases" => out.cases = number,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        Ok(out)
    }
}

/// Runs cases on another thread, so that one that hangs or panics is told by its seed.
fn run(arguments: &Arguments) -> Result<(u64, Outcomes), String> {
    let current = current()?;
    let (tell, told) = channel();
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let (first, count) = (arguments.seed, arguments.cases);
    let file = current.clone();
    let worker = std::thread::spawn(move || -> Result<Outcomes, String> {
        let host = Host::new()?;
        let mut outcomes = Outcomes::new();
        for number in 0..count {
            let seed = first.wrapping_add(number);
            if Instant::now() >= end || tell.send(seed).is_err() {
                break;
            }
            let case = Case::new(seed);
            fs::write(&file, &case.wasm).map_err(|e| format!("{}: {e}", file.display()))?;
            let outcome = host.attack(&case).map_err(|e| format!("seed {seed}: {e}"))?;
            *outcomes.entry(outcome).or_default() += 1;
            if number % RESIDENT_EVERY == 0 {
                check_memory().map_err(|e| format!("seed {seed}: {e}"))?;
            }
        }
        Ok(outcomes)
    });
    let last = watch(&told)?;
    let outcomes = worker
        .join()
        .map_err(|_| format!("panicked at seed {} ({})", last, current.display()))??;
    // Nothing went wrong: the last case is not worth keeping.
    drop(fs::remove_file(&current));
    Ok((outcomes.values().sum(), outcomes))
}

/// Follows the cases until they end; the seed of the last.
fn watch(told: &Receiver<u64>) -> Result<u64, String> {
    let mut last = 0;
    loop {
        match told.recv_timeout(CASE_MAX) {
            Ok(seed) => last = seed,
            Err(RecvTimeoutError::Disconnected) => return Ok(last),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("seed {last} takes more than {} s", CASE_MAX.as_secs()));
            }
        }
    }
}

/// Where the module is that is tried now.
fn current() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
    fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    Ok(directory.join(format!("module-{}.wasm", std::process::id())))
}

fn check_memory() -> Result<(), String> {
    // Not on every system; where it is not there, nothing is checked.
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return Ok(()) };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    match kib {
        Some(kib) if kib * 1024 > RESIDENT_BYTES_MAX => Err(format!("{kib} KiB are resident")),
        _ => Ok(()),
    }
}
