//! What is developed: one function, or a pipeline.

use std::path::Path;

use pelton_core::Manifest;
use pelton_core::manifest::{FILE_NAME, Input, ManifestFile, PipelineManifest};

use crate::error::{CliError, Result};
use crate::project::read_file;

/// One function, or a pipeline.
pub(crate) enum Subject {
    Function(Box<Manifest>),
    Pipeline(PipelineManifest),
}

impl Subject {
    /// What the manifest in `folder` describes.
    ///
    /// # Errors
    /// Where it is wrong.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(match read_file(&folder.join(FILE_NAME))? {
            ManifestFile::Function(manifest) => Self::Function(manifest),
            ManifestFile::Pipeline(pipeline) => Self::Pipeline(pipeline),
        })
    }

    /// As the server's API has it: what kind of thing it is, and its name.
    pub(crate) fn parts(&self) -> [&str; 2] {
        match self {
            Self::Function(manifest) => ["functions", manifest.function.name()],
            Self::Pipeline(pipeline) => ["pipelines", pipeline.pipeline.name()],
        }
    }

    /// The tenant's name.
    pub(crate) fn tenant(&self) -> &str {
        match self {
            Self::Function(manifest) => manifest.function.tenant().as_str(),
            Self::Pipeline(pipeline) => pipeline.pipeline.tenant().as_str(),
        }
    }

    /// Its functions, those that write a topic before those that read it.
    pub(crate) fn functions(&self) -> Vec<&Manifest> {
        match self {
            Self::Function(manifest) => vec![manifest],
            Self::Pipeline(pipeline) => {
                pipeline.functions.iter().map(|member| &member.manifest).collect()
            }
        }
    }

    /// What its functions read and do not write themselves.
    pub(crate) fn inputs(&self) -> Vec<&Input> {
        let functions = self.functions();
        let written: Vec<_> = functions.iter().flat_map(|manifest| manifest.writes()).collect();
        let mut inputs: Vec<&Input> = Vec::new();
        for input in functions.iter().flat_map(|manifest| &manifest.inputs) {
            let is_new = inputs.iter().all(|known| known.topic != input.topic);
            if is_new && !written.contains(&input.topic) {
                inputs.push(input);
            }
        }
        inputs
    }

    /// Checks that `now` is still the same function or pipeline: a session is of one.
    ///
    /// # Errors
    /// `E-DEV-NAME`.
    pub(crate) fn check_same(&self, now: &Self) -> Result<()> {
        if self.parts() == now.parts() && self.tenant() == now.tenant() {
            return Ok(());
        }
        let name = |subject: &Self| subject.parts()[1].to_owned();
        let text = format!("{FILE_NAME} is of {} now, no longer of {}", name(now), name(self));
        Err(CliError::bad_input("E-DEV-NAME", text)
            .next("end pelton dev and start it again, or take the name back"))
    }
}
