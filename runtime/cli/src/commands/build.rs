//! `pelton build`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::project::pipeline::PipelineProject;
use crate::project::{Project, cargo, show};
use crate::standard;
use crate::text;
use crate::ui::Ui;

/// Build a project's function to a .wasm file
///
/// With a pipeline's pelton.toml, all its functions. Runs the [build] command of pelton.toml, or Cargo for wasm32-unknown-unknown. The target is
/// added to the toolchain where it is missing.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The project's folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    path: PathBuf,
}

impl Build {
    pub(crate) fn run(self, ui: &mut Ui) -> Result<Exit> {
        if let Some(pipeline) = PipelineProject::find(&self.path, None)? {
            return build_pipeline(&pipeline, ui);
        }
        let project = Project::open(&self.path)?;
        let wasm = cargo::build(&project, ui)?;
        let size = size_of(&wasm)?;
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

fn size_of(wasm: &Path) -> Result<u64> {
    match standard::name_of(wasm) {
        Some(name) => Ok(standard::module(name)?.len() as u64),
        None => Ok(fs::metadata(wasm).map_err(|error| CliError::file("read", wasm, &error))?.len()),
    }
}

fn build_pipeline(pipeline: &PipelineProject, ui: &mut Ui) -> Result<Exit> {
    let mut built = Vec::new();
    for (name, wasm) in pipeline.build(ui)? {
        let size = size_of(&wasm)?;
        if !ui.is_json() {
            ui.line(format!("{name}  {}  {}", show(&wasm), text::bytes(size)))?;
        }
        built.push(json!({ "function": name, "file": wasm, "bytes": size }));
    }
    if ui.is_json() {
        ui.json(&json!({ "functions": built }))?;
    }
    ui.next(format!("pelton deploy {}", show(&pipeline.folder)));
    Ok(Exit::Ok)
}
