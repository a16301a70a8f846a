//! The wasm target of the Rust toolchain: there, or made to be.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::ui::Ui;

/// The target that functions are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Adds it: by rustup, else from the system's own sources of the standard library.
const SCRIPT: &str = include_str!("../../assets/wasm-target.sh");

/// Makes sure that the toolchain which is in force in `folder` can build for wasm.
///
/// # Errors
/// Where there is no toolchain, or the target cannot be added.
pub(crate) fn ensure(folder: &Path, ui: &mut Ui) -> Result<()> {
    if is_there(folder)? {
        return Ok(());
    }
    ui.note(format!("The Rust toolchain lacks the target {TARGET}; adding it (once)."));
    if add_by_rustup(folder) && is_there(folder)? {
        return Ok(());
    }
    ui.note("rustup cannot add it here; building it from source, which takes 1 to 3 minutes.");
    let done = run_script(folder).unwrap_or(false);
    if done && is_there(folder)? {
        return Ok(());
    }
    let text = format!("the Rust toolchain has no target {TARGET}, and it could not be added");
    Err(CliError::new("E-TOOL-WASM-TARGET", Exit::NotFound, text)
        .next(format!("run: rustup target add {TARGET}")))
}

/// Whether the toolchain in force in `folder` can build for wasm.
///
/// # Errors
/// Where there is no toolchain.
pub(crate) fn is_there(folder: &Path) -> Result<bool> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stderr(Stdio::null())
        .output()
        .map_err(|error| super::cargo::no_tool("rustc", &error))?;
    let libraries = String::from_utf8_lossy(&output.stdout);
    let Ok(entries) = std::fs::read_dir(libraries.trim()) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn add_by_rustup(folder: &Path) -> bool {
    let mut rustup = Command::new("timeout");
    rustup.args(["60", "rustup", "target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "0");
    rustup.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    rustup.status().is_ok_and(|status| status.success())
}

fn run_script(folder: &Path) -> std::io::Result<bool> {
    let mut bash = Command::new("bash")
        .args(["-s", "--", TARGET])
        .env("WASM_TARGET_SKIP_RUSTUP", "1")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = bash.stdin.take() {
        stdin.write_all(SCRIPT.as_bytes())?;
    }
    Ok(bash.wait()?.success())
}
