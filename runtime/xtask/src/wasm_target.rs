//! The wasm target of the Rust toolchain: there, or made to be.

use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// The target that guests are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Makes sure that the toolchain can build for wasm. Costs nothing where it can already.
pub(crate) fn ensure() -> Result<()> {
    let script = workspace::path("runtime/cli/assets/wasm-target.sh");
    workspace::run(Command::new("bash").arg(script).arg(TARGET))
        .context("the Rust toolchain has no wasm target and it could not be added")
}
