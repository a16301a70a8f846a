//! A project of several functions.

use std::path::{Path, PathBuf};

use pelton_core::manifest::{FILE_NAME, ManifestFile, Member, PipelineManifest};

use super::{Project, cargo, manifest_text, read_file, show};
use crate::error::{CliError, Result};
use crate::exit::Exit;
use crate::standard;
use crate::ui::Ui;

/// A folder with a pipeline's manifest.
pub(crate) struct PipelineProject {
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest, under the profile in force.
    pub manifest: PipelineManifest,
    /// That manifest's text.
    pub text: String,
}

impl PipelineProject {
    /// The pipeline in `folder`, whose manifest is `file`, or the one in the folder; absent where that
    /// is not there, or of one function.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn find(folder: &Path, file: Option<&Path>) -> Result<Option<Self>> {
        let path = file.map_or_else(|| folder.join(FILE_NAME), Path::to_owned);
        if !path.exists() {
            return Ok(None);
        }
        match read_file(&path)? {
            ManifestFile::Function(_) => Ok(None),
            ManifestFile::Pipeline(manifest) => {
                let text = manifest_text(&path)?;
                Ok(Some(Self { folder: folder.to_owned(), manifest, text }))
            }
        }
    }

    /// Each function as a project of its own.
    pub(crate) fn projects(&self) -> impl Iterator<Item = Project> {
        self.manifest.functions.iter().map(|member| self.project(member))
    }

    /// The function `name` as a project of its own.
    ///
    /// # Errors
    /// `E-FUNCTION-NOT-FOUND` where the pipeline has none of that name.
    pub(crate) fn function(&self, name: &str) -> Result<Project> {
        let member = self.manifest.function(name).ok_or_else(|| self.no_function(name))?;
        Ok(self.project(member))
    }

    /// A function's folder is what `path` says, else the one of its name, else the manifest's.
    fn project(&self, member: &Member) -> Project {
        let named = self.folder.join(member.manifest.function.name());
        let folder = match &member.path {
            Some(path) => self.folder.join(path),
            None if named.is_dir() => named,
            None => self.folder.clone(),
        };
        Project { folder, manifest: member.manifest.clone() }
    }

    /// Builds all functions, and answers the name and the module of each.
    ///
    /// # Errors
    /// Of the first that cannot be built.
    pub(crate) fn build(&self, ui: &mut Ui) -> Result<Vec<(String, PathBuf)>> {
        let build = |project: Project| {
            let name = project.manifest.function.name().to_owned();
            cargo::build(&project, ui).map(|wasm| (name, wasm))
        };
        self.projects().map(build).collect()
    }

    /// The name and the module of each function, which must be built.
    ///
    /// # Errors
    /// `E-WASM-NOT-FOUND` names those that are not.
    pub(crate) fn built(&self) -> Result<Vec<(String, PathBuf)>> {
        let all = self.projects().map(|project| {
            let wasm = project.wasm();
            (project.manifest.function.name().to_owned(), wasm)
        });
        let all: Vec<_> = all.collect();
        let is_missing = |wasm: &Path| !wasm.is_file() && standard::name_of(wasm).is_none();
        let missing: Vec<_> =
            all.iter().filter(|(_, wasm)| is_missing(wasm)).map(|(_, wasm)| show(wasm)).collect();
        if missing.is_empty() {
            return Ok(all);
        }
        let text =
            format!("{} is not built: there is no {}", show(&self.folder), missing.join(", "));
        let next = format!("pelton deploy {} --build", show(&self.folder));
        Err(CliError::new("E-WASM-NOT-FOUND", Exit::NotFound, text).next(next))
    }

    fn no_function(&self, name: &str) -> CliError {
        let names = self.manifest.functions.iter().map(|member| member.manifest.function.name());
        let names = names.collect::<Vec<_>>().join(", ");
        let pipeline = self.manifest.pipeline.name();
        let text = format!("the pipeline {pipeline} has no function {name:?}; it has: {names}");
        CliError::new("E-FUNCTION-NOT-FOUND", Exit::NotFound, text)
    }
}
