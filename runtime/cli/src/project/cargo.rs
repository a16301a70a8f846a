//! Building a function: by Cargo, or by the manifest's own command.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::{Project, show, wasm_target};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::standard;
use crate::ui::Ui;

/// Builds the project's function and answers where it lies.
///
/// # Errors
/// Where a tool is missing, the build fails, or it makes no `.wasm`.
pub(crate) fn build(project: &Project, ui: &mut Ui) -> Result<PathBuf> {
    let wasm = project.wasm();
    // A ready-made function needs no build, and whoever builds learns whether there is such a one.
    if let Some(name) =
        standard::name_of(&wasm).filter(|_| project.manifest.build.command.is_none())
    {
        return standard::module(name).map(|_| wasm);
    }
    let is_made = || project.manifest.build.file.is_some() && wasm.is_file();
    match &project.manifest.build.command {
        Some(command) => by_command(project, command),
        // It was made elsewhere.
        None if is_made() && !project.folder.join("Cargo.toml").is_file() => Ok(wasm),
        None => by_cargo(project, ui),
    }
}

fn by_command(project: &Project, command: &str) -> Result<PathBuf> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(&project.folder);
    // What a build says is no data of ours.
    shell.stdout(io::stderr());
    let status = shell.status().map_err(|error| no_tool("sh", &error))?;
    check(status, &format!("the build command `{command}`"))?;
    let wasm = project.wasm();
    if !wasm.is_file() {
        let text = format!("`{command}` succeeded, but there is no {}", show(&wasm));
        return Err(CliError::bad_input("E-BUILD-NO-WASM", text)
            .next("set `file` in [build] of pelton.toml to the .wasm that the command makes"));
    }
    Ok(wasm)
}

fn by_cargo(project: &Project, ui: &mut Ui) -> Result<PathBuf> {
    let folder = &project.folder;
    if !folder.join("Cargo.toml").is_file() {
        let name = project.manifest.function.name();
        let text =
            format!("{name}: {} has no Cargo.toml, and pelton.toml no build command", show(folder));
        return Err(CliError::new("E-BUILD-NOTHING", Exit::NotFound, text)
            .next("give its [build] a `command` and a `file`, or a `file` that is there"));
    }
    wasm_target::ensure(folder, ui)?;
    let built = run_cargo(folder)?;
    let [built] = built.as_slice() else { return Err(wrong_count(&built)) };
    let wasm = project.wasm();
    fs::copy(built, &wasm).map_err(|error| CliError::file("write", &wasm, &error))?;
    Ok(wasm)
}

/// Runs Cargo and answers the `.wasm` files that it made. Its own words go to stderr.
fn run_cargo(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new("cargo")
        .args(["build", "--release", "--target", wasm_target::TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| no_tool("cargo", &error))?;
    let mut built = Vec::new();
    if let Some(stdout) = cargo.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|error| no_tool("cargo", &error))?;
            built.extend(wasm_of_message(&line));
        }
    }
    let status = cargo.wait().map_err(|error| no_tool("cargo", &error))?;
    check(status, "cargo build")?;
    built.dedup();
    Ok(built)
}

/// The `.wasm` that a message of Cargo's tells of. Cargo sends those of dependencies too, but they
/// make none.
fn wasm_of_message(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let files = message.get("filenames")?.as_array()?;
    files.iter().filter_map(|file| file.as_str()).find(|f| f.ends_with(".wasm")).map(PathBuf::from)
}

fn wrong_count(built: &[PathBuf]) -> CliError {
    if built.is_empty() {
        return CliError::bad_input("E-BUILD-NO-WASM", "Cargo built no .wasm file")
            .next("add to Cargo.toml: [lib] crate-type = [\"cdylib\", \"rlib\"]");
    }
    let names: Vec<_> = built.iter().map(|path| show(path)).collect();
    let text = format!("Cargo built several .wasm files: {}", names.join(", "));
    CliError::bad_input("E-BUILD-SEVERAL", text)
        .next("set `command` and `file` in [build] of pelton.toml to choose one")
}

fn check(status: ExitStatus, what: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let how = status.code().map_or("was stopped".into(), |code| format!("ended with {code}"));
    let error = CliError::bad_input("E-BUILD", format!("{what} {how}"));
    Err(error.next("mend what it reported above, then run pelton build again"))
}

/// A tool that could not be run.
pub(crate) fn no_tool(tool: &str, error: &io::Error) -> CliError {
    let (code, exit) = match error.kind() {
        io::ErrorKind::NotFound => ("E-TOOL-NOT-FOUND", Exit::NotFound),
        _ => ("E-TOOL", Exit::Failure),
    };
    let error = CliError::new(code, exit, format!("cannot run `{tool}`: {error}"));
    match tool {
        "cargo" | "rustc" => error.next("install Rust, or set [build] command in pelton.toml"),
        _ => error,
    }
}
