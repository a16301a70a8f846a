//! `cargo xtask guests`: the guest examples, built for wasm, and the few that are checked in.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::wasm_target::{self, TARGET};
use crate::workspace::{self, cargo, cargo_in};

const DIRECTORY: &str = "guest-examples";
const PREBUILT: &str = "guest-examples/prebuilt";

/// Builds the guest examples for wasm, and sets up the wasm target where it is missing.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail where a checked-in .wasm does not answer as what its source builds to
    #[arg(long, conflicts_with = "update")]
    check: bool,
    /// Replace the checked-in .wasm files by fresh ones
    #[arg(long)]
    update: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    build()?;
    if arguments.update {
        return update();
    }
    if arguments.check { check() } else { Ok(()) }
}

/// Builds every guest example in release.
pub(crate) fn build() -> Result<()> {
    wasm_target::ensure()?;
    // So that the registry's directories are there to be named.
    workspace::run(&mut cargo_in(DIRECTORY, ["fetch", "--quiet"]))?;
    let mut build = cargo_in(DIRECTORY, ["build", "--release", "--target", TARGET]);
    workspace::run(build.env("CARGO_ENCODED_RUSTFLAGS", without_local_paths()))
}

/// Compiler flags that name this repository and cargo's registry instead of telling where they are:
/// panics carry the paths of sources, and the files are to be the same on every machine.
fn without_local_paths() -> String {
    let registry = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default()
        .join("registry/src");
    let remap = |path: &Path, name| format!("--remap-path-prefix={}={name}", path.display());
    let mut flags = vec![remap(workspace::root(), "pelton")];
    let registries = std::fs::read_dir(registry).into_iter().flatten().flatten();
    flags.extend(registries.map(|directory| remap(&directory.path(), "registry")));
    flags.join("\u{1f}")
}

/// Builds, and compares with what is checked in.
pub(crate) fn build_and_check() -> Result<()> {
    build()?;
    check()
}

/// Compares what is checked in with what was built. Other bytes alone are no failure, since a
/// compiler of another release gives others: then both are run over the same records, and have to
/// answer the same.
fn check() -> Result<()> {
    let stale = stale()?;
    if stale.is_empty() {
        return Ok(());
    }
    let names = stale.join(", ");
    eprintln!("other bytes than a fresh build: {names}; comparing what they answer");
    let test = ["test", "--release", "--workspace", "--test", "prebuilt"];
    workspace::run(&mut cargo(test)).with_context(|| {
        format!(
            "a checked-in guest ({names}) does not answer as its source does: run `cargo xtask \
             guests --update`"
        )
    })
}

/// The checked-in files that a fresh build differs from.
fn stale() -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for file in prebuilt()? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if fs::read(&file)? != fs::read(fresh(&file)?)? {
            stale.push(name);
        }
    }
    Ok(stale)
}

fn update() -> Result<()> {
    for file in prebuilt()? {
        let bytes = fs::copy(fresh(&file)?, &file)?;
        println!("{} {bytes} bytes", file.display());
    }
    Ok(())
}

fn prebuilt() -> Result<Vec<PathBuf>> {
    let directory = workspace::path(PREBUILT);
    let entries =
        fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The fresh build of a checked-in file; cargo writes `_` where a package's name has `-`.
fn fresh(prebuilt: &Path) -> Result<PathBuf> {
    let name = prebuilt.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let built = workspace::path(DIRECTORY).join("target").join(TARGET).join("release");
    let candidates = [built.join(&name), built.join(name.replace('-', "_"))];
    let found = candidates.into_iter().find(|path| path.exists());
    found.with_context(|| format!("no guest example builds {name}: is it in the workspace there?"))
}
