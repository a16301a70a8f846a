//! A user's project: making one, finding one, building one.

pub(crate) mod cargo;
pub(crate) mod pipeline;
pub(crate) mod schema;
pub(crate) mod sdk;
pub(crate) mod template;
pub(crate) mod wasm_target;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pelton_core::manifest::{self, FILE_NAME, Manifest, ManifestFile};

use crate::error::{CliError, Result};
use crate::standard;

/// A folder with a manifest.
pub(crate) struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Project {
    /// The project in `folder`.
    ///
    /// # Errors
    /// Where there is no manifest, or it is wrong.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        if !path.exists() {
            let text = format!("{} is no Pelton project: it has no {FILE_NAME}", show(folder));
            return Err(CliError::new("E-PROJECT-NOT-FOUND", crate::Exit::NotFound, text)
                .next("go to the project's folder, or make one: pelton new NAME"));
        }
        Ok(Self { folder: folder.to_owned(), manifest: read_manifest(&path)? })
    }

    /// Where the built function lies: the manifest's `[build] file`, else `<name>.wasm`. A
    /// ready-made one, `std:NAME`, lies nowhere.
    pub(crate) fn wasm(&self) -> PathBuf {
        let file = self.manifest.build.file.clone();
        if let Some(file) = file.as_ref().filter(|file| file.starts_with(standard::PREFIX)) {
            return file.into();
        }
        self.folder.join(file.unwrap_or_else(|| format!("{}.wasm", self.manifest.function.name())))
    }
}

/// The profile that every manifest of this process is read under.
static PROFILE: OnceLock<Option<String>> = OnceLock::new();

/// Has manifests read under a profile: the one that is given, else that of `PELTON_PROFILE`.
pub(crate) fn use_profile(given: Option<String>) {
    let from_environment = || std::env::var("PELTON_PROFILE").ok().filter(|name| !name.is_empty());
    // Whoever is second asks for the same: there is one command line.
    let _ = PROFILE.set(given.or_else(from_environment));
}

fn profile() -> Option<&'static str> {
    PROFILE.get().and_then(Option::as_deref)
}

/// Reads and checks a manifest, under the profile in force.
pub(crate) fn read_file(path: &Path) -> Result<ManifestFile> {
    let (text, file) = (text_of(path)?, path.display().to_string());
    ManifestFile::parse(&text, &file, profile()).map_err(|error| CliError::coded(&error))
}

/// Reads and checks the manifest of one function, under the profile in force.
pub(crate) fn read_manifest(path: &Path) -> Result<Manifest> {
    let one = read_file(path)?.function(&path.display().to_string());
    one.map_err(|error| {
        CliError::coded(&error).next(
            "build and deploy it as a whole (`pelton build`, `pelton deploy`), or name one of its \
             functions where a command has --function",
        )
    })
}

/// The text of a manifest for a server, with what the profile in force replaces.
pub(crate) fn manifest_text(path: &Path) -> Result<String> {
    let text = text_of(path)?;
    let Some(profile) = profile() else { return Ok(text) };
    let flat = manifest::flatten(&text, &path.display().to_string(), profile);
    flat.map_err(|error| CliError::coded(&error))
}

fn text_of(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| CliError::file("read", path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let text = format!("{}:{line}: this is not UTF-8 text", path.display());
        CliError::bad_input("E-MANIFEST", text).next("save the file as UTF-8")
    })
}

/// A path as a person would write it.
pub(crate) fn show(path: &Path) -> String {
    let text = path.display().to_string();
    let text = text.strip_prefix("./").unwrap_or(&text);
    if text.is_empty() { ".".into() } else { text.into() }
}
