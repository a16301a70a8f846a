//! What a `pelton.toml` describes: one function, or a pipeline of several.

use super::problem::{ManifestError, Problem};
use super::{Manifest, PipelineManifest, build};

/// What a file describes.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestFile {
    /// One function: the file has `[function]`.
    Function(Box<Manifest>),
    /// Several that are deployed together: the file has `[pipeline]`.
    Pipeline(PipelineManifest),
}

impl ManifestFile {
    /// Reads the file in `text` under its `[profile.NAME]`, if one is named; `file` names it in errors.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem that was found.
    pub fn parse(text: &str, file: &str, profile: Option<&str>) -> Result<Self, ManifestError> {
        build::file(text, file, profile)
    }

    /// The function, where it is one; `file` names the file in errors.
    ///
    /// # Errors
    /// Where it is a pipeline.
    pub fn function(self, file: &str) -> Result<Manifest, ManifestError> {
        match self {
            Self::Function(manifest) => Ok(*manifest),
            Self::Pipeline(pipeline) => {
                let names: Vec<&str> = pipeline
                    .functions
                    .iter()
                    .map(|member| member.manifest.function.name())
                    .collect();
                let text = format!(
                    "is the pipeline {} of {} functions ({}), where one function was expected",
                    pipeline.pipeline.name(),
                    names.len(),
                    names.join(", ")
                );
                let (line, column, key) = (1, 1, "pipeline".to_owned());
                let problems = vec![Problem { line, column, key, text }];
                Err(ManifestError { file: file.to_owned(), problems })
            }
        }
    }
}
