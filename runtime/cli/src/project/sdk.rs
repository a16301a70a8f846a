//! The SDK that is embedded in this binary, written into a project.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{CliError, Result};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
}

/// Where a project keeps the SDK.
pub(crate) const FOLDER: &str = ".pelton/sdk";
/// The versions of dependencies that this release was tested with.
const LOCK: &str = "Cargo.lock";
/// Where the SDK's crate lies in it.
pub(crate) const CRATE: &str = ".pelton/sdk/sdk/rust";

/// Writes the SDK into the project in `project`.
pub(crate) fn write(project: &Path) -> Result<()> {
    for (name, bytes) in files()?.into_iter().filter(|(name, _)| *name != LOCK) {
        let path = project.join(FOLDER).join(name);
        let folder = path.parent().unwrap_or(project);
        fs::create_dir_all(folder).map_err(|error| CliError::file("make", folder, &error))?;
        fs::write(&path, bytes).map_err(|error| CliError::file("write", &path, &error))?;
    }
    Ok(())
}

/// The versions of dependencies that this release was tested with, as a `Cargo.lock`. Cargo takes
/// out what a project does not use.
pub(crate) fn lock() -> &'static [u8] {
    let lock = embedded::FILES.iter().find(|(name, _)| *name == LOCK);
    lock.map_or(&[], |(_, bytes)| bytes)
}

/// All files by their path below [`FOLDER`].
fn files() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut files = Vec::with_capacity(embedded::FILES.len());
    for (name, bytes) in embedded::FILES {
        let bytes = if *name == "Cargo.toml" {
            let text = String::from_utf8_lossy(bytes);
            workspace(&text).map_err(internal)?.into_bytes()
        } else {
            bytes.to_vec()
        };
        files.push((*name, bytes));
    }
    Ok(files)
}

/// The folders of the embedded crates.
fn crates() -> Vec<&'static str> {
    let manifests = embedded::FILES.iter().filter_map(|(name, _)| name.strip_suffix("/Cargo.toml"));
    manifests.collect()
}

/// A small workspace of the embedded crates: what they inherit from the root's, and no more.
fn workspace(root: &str) -> Result<String, toml::de::Error> {
    let mut root: toml::Table = toml::from_str(root)?;
    let mut old = take_table(&mut root, "workspace");
    // All of them: tests, which nobody builds here, may name crates that are not embedded.
    let dependencies = take_table(&mut old, "dependencies");
    let mut new = toml::Table::new();
    let members = crates().into_iter().map(toml::Value::from).collect::<Vec<_>>();
    new.insert("resolver".into(), "3".into());
    new.insert("members".into(), members.into());
    new.insert("package".into(), take_table(&mut old, "package").into());
    new.insert("dependencies".into(), dependencies.into());
    // Lints are for those who work on the SDK, not for those who use it.
    let allow = toml::Table::from_iter([("warnings".to_owned(), toml::Value::from("allow"))]);
    let lints = toml::Table::from_iter([("rust".to_owned(), toml::Value::from(allow))]);
    new.insert("lints".into(), lints.into());
    let file = toml::Table::from_iter([("workspace".to_owned(), toml::Value::from(new))]);
    let note = format!(
        "# The SDK of pelton {}, written by `pelton new`. Replace it with `pelton new --sdk`.\n",
        env!("CARGO_PKG_VERSION")
    );
    Ok(note + &file.to_string())
}

fn take_table(table: &mut toml::Table, key: &str) -> toml::Table {
    match table.remove(key) {
        Some(toml::Value::Table(table)) => table,
        _ => toml::Table::new(),
    }
}

fn internal(error: impl std::fmt::Display) -> CliError {
    let text = format!("the embedded SDK has a broken Cargo.toml: {error}");
    CliError::new("E-INTERNAL", crate::Exit::Failure, text)
}

/// The crate of an SDK elsewhere: its own folder, or a checkout of Pelton.
pub(crate) fn find(path: &Path) -> Result<PathBuf> {
    let candidates = [path.to_owned(), path.join("sdk/rust")];
    let is_sdk = |folder: &PathBuf| {
        fs::read_to_string(folder.join("Cargo.toml"))
            .is_ok_and(|text| text.contains("name = \"pelton-sdk\""))
    };
    let found = candidates.into_iter().find(is_sdk).and_then(|folder| folder.canonicalize().ok());
    found.ok_or_else(|| {
        let text = format!("{} holds no pelton-sdk", path.display());
        CliError::new("E-SDK-NOT-FOUND", crate::Exit::NotFound, text)
            .next("give --sdk the folder of the crate, or leave it out to use the built-in one")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_workspace_is_closed() {
        let names: Vec<_> = files().unwrap().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"wit/pelton.wit"));
        assert!(crates().contains(&"sdk/rust") && crates().contains(&"runtime/batch"));
        let root = embedded::FILES.iter().find(|(name, _)| *name == "Cargo.toml").unwrap().1;
        let text = workspace(std::str::from_utf8(root).unwrap()).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let dependencies = table["workspace"]["dependencies"].as_table().unwrap();
        for krate in crates() {
            assert!(names.iter().any(|name| name.starts_with(&format!("{krate}/src/"))));
            let own = embedded::FILES.iter().find(|(n, _)| *n == format!("{krate}/Cargo.toml"));
            let own: toml::Table =
                toml::from_str(std::str::from_utf8(own.unwrap().1).unwrap()).unwrap();
            for name in own.get("dependencies").and_then(toml::Value::as_table).unwrap().keys() {
                assert!(dependencies.contains_key(name), "{krate} needs {name}");
            }
        }
    }
}
