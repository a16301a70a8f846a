//! `pelton build`.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::{Project, cargo, show};
use crate::standard;
use crate::text;
use crate::ui::Ui;

/// Build a project's function to a .wasm file
///
/// Runs the [build] command of pelton.toml, or Cargo for wasm32-unknown-unknown. The target is
/// added to the toolchain where it is missing.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
}

impl Build {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        let project = Project::open(&self.path)?;
        let wasm = cargo::build(&project, ui)?;
        let size = match standard::name_of(&wasm) {
            Some(name) => standard::module(name)?.len() as u64,
            None => fs::metadata(&wasm).map_err(|e| CliError::file("read", &wasm, &e))?.len(),
        };
        if ui.is_json() {
            ui.json(&json!({ "file": wasm, "bytes": size }))?;
            return Ok(Exit::Ok);
        }
        ui.line(format!("{}  {}", show(&wasm), text::bytes(size)))?;
        let sample = project.folder.join("sample.jsonl");
        let input = if sample.exists() { show(&sample) } else { "FILE".into() };
        ui.next(format!("pelton run {} --input {input}", show(&wasm)));
        Ok(Exit::Ok)
    }
}
