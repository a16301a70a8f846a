//! `cargo xtask fuzz`: every fuzz target of the repository, on the stable toolchain.
//!
//! A target is a `[[bin]]` of a `fuzz/` crate beside the crate that it attacks. Its corpus is in
//! `fuzz/corpus/TARGET`; the golden files of the crate are seeds too. A crate without libFuzzer makes
//! its cases up from a seed, and takes `--seconds N`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{self, cargo, cargo_in};

/// Runs the fuzz targets, one after the other. What crashes one, and what it found on its way, is
/// kept in `fuzz/artifacts`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Time for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// List the targets and end
    #[arg(long)]
    list: bool,
    /// Targets to run; all where none is named
    targets: Vec<String>,
}

struct Target {
    /// The crate that is attacked, as the name of its directory below `runtime/`.
    subject: String,
    name: String,
    engine: Engine,
}

#[derive(Clone, Copy)]
enum Engine {
    /// Guided by coverage.
    LibFuzzer,
    /// From a seed, built as the workspace is.
    Seeded,
}

/// Runs every target for so long; fails where one finds a crash.
pub(crate) fn run_all(seconds: u64) -> Result<()> {
    run(&Arguments { seconds, list: false, targets: Vec::new() })
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = targets()?;
    if arguments.list {
        for Target { subject, name, .. } in &targets {
            println!("{subject}/{name}");
        }
        return Ok(());
    }
    for wanted in &arguments.targets {
        if !targets.iter().any(|target| target.name == *wanted) {
            bail!("there is no fuzz target `{wanted}`; `cargo xtask fuzz --list` lists them");
        }
    }
    let host = host()?;
    for target in &targets {
        if arguments.targets.is_empty() || arguments.targets.contains(&target.name) {
            target.run(&host, arguments.seconds)?;
        }
    }
    Ok(())
}

impl Target {
    fn run(&self, host: &str, seconds: u64) -> Result<()> {
        match self.engine {
            Engine::LibFuzzer => self.run_lib_fuzzer(host, seconds),
            Engine::Seeded => self.run_seeded(seconds),
        }
    }

    fn run_seeded(&self, seconds: u64) -> Result<()> {
        // The whole workspace is named, so that what its tests have built is not built again.
        workspace::run(cargo(["build", "--release", "--workspace", "--bins"]).arg("--quiet"))?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| workspace::path("target"));
        let mut command = Command::new(target.join("release").join(&self.name));
        command.current_dir(workspace::path(&format!("runtime/{}/fuzz", self.subject)));
        workspace::run(command.args(["--seconds", &seconds.to_string()]))
    }

    fn run_lib_fuzzer(&self, host: &str, seconds: u64) -> Result<()> {
        let directory = format!("runtime/{}/fuzz", self.subject);
        let corpus = format!("corpus/{}", self.name);
        fs::create_dir_all(workspace::path(&directory).join(&corpus))?;
        // New inputs go to the first corpus that is named: this one is not checked in.
        let found = format!("artifacts/corpus-{}", self.name);
        fs::create_dir_all(workspace::path(&directory).join(&found))?;
        // Naming the target keeps the coverage counters out of build scripts.
        let mut command = cargo_in(&directory, ["run", "--release", "--target", host, "--bin"]);
        command.arg(&self.name).arg("--").arg(found).arg(corpus);
        if workspace::path("tests/golden").join(&self.subject).is_dir() {
            command.arg(format!("../../../tests/golden/{}", self.subject));
        }
        command.args(["-max_len=4096", "-artifact_prefix=artifacts/"]);
        command.arg(format!("-max_total_time={seconds}"));
        workspace::run(&mut command)
    }
}

/// The `[[bin]]`s of every `runtime/*/fuzz/Cargo.toml`.
fn targets() -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(workspace::path("runtime"))? {
        let entry = entry?;
        let subject = entry.file_name().to_string_lossy().into_owned();
        let Ok(manifest) = fs::read_to_string(entry.path().join("fuzz/Cargo.toml")) else {
            continue;
        };
        let guided = manifest.contains("libfuzzer-sys");
        let engine = if guided { Engine::LibFuzzer } else { Engine::Seeded };
        for bin in manifest.split("[[bin]]").skip(1) {
            let name = bin.lines().find_map(|line| line.strip_prefix("name = "));
            let name = name.with_context(|| format!("a fuzz target of {subject} has no name"))?;
            let (subject, name) = (subject.clone(), name.trim_matches('"').into());
            targets.push(Target { subject, name, engine });
        }
    }
    targets.sort_by(|a, b| (&a.subject, &a.name).cmp(&(&b.subject, &b.name)));
    Ok(targets)
}

fn host() -> Result<String> {
    let about = workspace::output(Command::new("rustc").arg("-vV"))?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}
