//! What functions are built with, and the project in the current folder.

use std::path::Path;
use std::process::{Command, Stdio};

use pelton_core::manifest::FILE_NAME;

use super::check::Check;
use crate::project::{read_manifest, wasm_target};

/// The toolchain that is in force in the current folder, and the manifest there.
pub(super) fn checks() -> Vec<Check> {
    let here = Path::new(".");
    let mut checks = vec![tool("cargo"), tool("rustc")];
    if let Ok(is_there) = wasm_target::is_there(here) {
        checks.push(target(is_there));
    }
    checks.extend(manifest(&here.join(FILE_NAME)));
    checks
}

fn tool(name: &str) -> Check {
    let output = Command::new(name).arg("--version").stderr(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            Check::ok(name, String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let detail = format!("`{name} --version` ended with {}", output.status);
            Check::warn(name, detail, format!("see what `{name} --version` says"))
        }
        Err(error) => Check::warn(
            name,
            format!("cannot be run: {error}"),
            "only `pelton build` and `dev` need it: install Rust from https://rustup.rs",
        ),
    }
}

fn target(is_there: bool) -> Check {
    let target = wasm_target::TARGET;
    match is_there {
        true => Check::ok("wasm target", target),
        false => Check::warn(
            "wasm target",
            format!("{target} is not installed"),
            format!("rustup target add {target} (or let `pelton build` add it)"),
        ),
    }
}

fn manifest(path: &Path) -> Option<Check> {
    if !path.exists() {
        return None;
    }
    Some(match read_manifest(path) {
        Ok(manifest) => Check::ok(FILE_NAME, format!("function {}", manifest.function.name())),
        Err(error) => Check::error(FILE_NAME, error),
    })
}
