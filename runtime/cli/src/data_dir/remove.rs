//! Removing a data directory, file by file.

use std::fs;
use std::path::{Path, PathBuf};

use super::{IGNORED, is_vacant};
use crate::error::{CliError, Result};

/// Files of a data directory; each may have a `.tmp` beside it.
const FILES: [&str; 5] = ["FORMAT", "LOCK", "DURABLE", "ROLE", "INCOMPLETE"];
/// Folders of a data directory, with the endings of the files in them; artefacts are named by their
/// digests.
const FOLDERS: [(&str, &[&str]); 4] = [
    ("segments", &["seg", "idx", "tmp"]),
    ("snapshots", &["snap", "none", "tmp"]),
    ("artefacts", &["tmp"]),
    ("compiled", &["artefact", "mac", "tmp"]),
];
/// A copy of another server's data directory that is being made.
const COPY: &str = "copy";

/// What there is to remove: files first, then the folders that they were in.
#[derive(Debug, Default)]
pub(crate) struct Own {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

/// Removes what a data directory holds; the folder itself stays, empty. Nothing is removed where any
/// of it is not Pelton's, or where it is or holds one of `kept`.
///
/// # Errors
/// `E-DATA-DIR` where it is no data directory, holds something else, or one of `kept`; `E-FILE`.
pub(crate) fn remove(folder: &Path, kept: &[&Path]) -> Result<()> {
    let own = check_removable(folder, kept)?;
    for file in &own.files {
        fs::remove_file(file).map_err(|error| CliError::file("remove", file, &error))?;
    }
    for folder in &own.folders {
        fs::remove_dir(folder).map_err(|error| CliError::file("remove", folder, &error))?;
    }
    Ok(())
}

/// What [`remove`] would remove.
///
/// # Errors
/// As [`remove`].
pub(crate) fn check_removable(folder: &Path, kept: &[&Path]) -> Result<Own> {
    if is_vacant(folder) {
        return Ok(Own::default());
    }
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = real(folder);
    if let Some(kept) = kept.iter().map(|kept| real(kept)).find(|kept| kept.starts_with(&folder)) {
        return Err(refused(&folder, &format!("it holds {}", kept.display())));
    }
    let own = own_of(&folder)?;
    let is_marked = |path: &PathBuf| path.ends_with("FORMAT") || path.ends_with("LOCK");
    if !own.files.iter().any(is_marked) {
        return Err(refused(&folder, "it is no data directory of Pelton's"));
    }
    Ok(own)
}

fn refused(folder: &Path, why: &str) -> CliError {
    let text = format!("{} is not removed: {why}", folder.display());
    CliError::bad_input("E-DATA-DIR", text)
        .next("give --data-dir a folder of its own, or remove by hand what is not needed")
}

/// All that is in a data directory.
pub(super) fn own_of(folder: &Path) -> Result<Own> {
    let mut own = Own::default();
    add(folder, folder, &mut own)?;
    let copy = folder.join(COPY);
    if copy.symlink_metadata().is_ok() {
        add(folder, &copy, &mut own)?;
        own.folders.push(copy);
    }
    Ok(own)
}

/// Adds what is in `folder`, the data directory `root` or the copy in it.
fn add(root: &Path, folder: &Path, own: &mut Own) -> Result<()> {
    for (path, name, is_folder) in entries(root, folder)? {
        let plain = name.strip_suffix(".tmp").unwrap_or(&name);
        if is_folder && name == COPY && folder == root || IGNORED.contains(&name.as_str()) {
            continue;
        }
        let known = FOLDERS.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, endings)) if is_folder => {
                add_files(root, &path, endings, own)?;
                own.folders.push(path);
            }
            None if !is_folder && (FILES.contains(&plain) || plain == "READY") => {
                own.files.push(path);
            }
            _ => return Err(foreign(root, &path)),
        }
    }
    Ok(())
}

fn add_files(root: &Path, folder: &Path, endings: &[&str], own: &mut Own) -> Result<()> {
    for (path, name, is_folder) in entries(root, folder)? {
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_own = match name.rsplit_once('.') {
            Some((_, ending)) => endings.contains(&ending),
            None => is_digest || name == "secret",
        };
        if is_folder || !is_own {
            return Err(foreign(root, &path));
        }
        own.files.push(path);
    }
    Ok(())
}

/// What is in a folder: path, name, and whether it is a folder. Links are not followed, and nobody's.
fn entries(root: &Path, folder: &Path) -> Result<Vec<(PathBuf, String, bool)>> {
    let failed = |error| CliError::file("read", folder, &error);
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        match entry.file_name().into_string() {
            Ok(name) if kind.is_dir() || kind.is_file() => all.push((path, name, kind.is_dir())),
            _ => return Err(foreign(root, &path)),
        }
    }
    Ok(all)
}

fn foreign(root: &Path, path: &Path) -> CliError {
    let name = path.strip_prefix(root).unwrap_or(path).display();
    refused(root, &format!("{name} in it is not Pelton's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        for (folder, name) in [
            ("segments", "00000001.seg"),
            ("segments", "spare-1.tmp"),
            ("snapshots", "00000001-00000000000000000009.snap"),
            ("artefacts", &"ab".repeat(32)),
            ("compiled", "secret"),
            ("copy/segments", "00000001.idx"),
        ] {
            fs::create_dir_all(place.path().join(folder)).unwrap();
            fs::write(place.path().join(folder).join(name), "x").unwrap();
        }
        for name in ["FORMAT", "LOCK", "DURABLE.tmp", "copy/READY"] {
            fs::write(place.path().join(name), "x").unwrap();
        }
        place
    }

    #[test]
    fn a_data_directory_is_emptied() {
        let place = directory();
        remove(place.path(), &[]).unwrap();
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        remove(place.path(), &[]).unwrap();
        remove(&place.path().join("nothing"), &[]).unwrap();
    }

    #[test]
    fn a_directory_with_anything_else_in_it_stays_as_it_is() {
        for name in ["notes.txt", "segments/notes", "compiled/mine/x", "copy/copy/FORMAT"] {
            let place = directory();
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "precious").unwrap();
            let error = remove(place.path(), &[]).unwrap_err();
            assert_eq!(error.code, "E-DATA-DIR", "{name}");
            assert!(error.text.contains("is not Pelton's"), "{}", error.text);
            for kept in [name, "FORMAT", "segments/00000001.seg"] {
                assert!(place.path().join(kept).is_file(), "{name}: {kept}");
            }
        }
    }

    #[test]
    fn links_are_nobodys_and_what_holds_the_project_stays() {
        let (place, other) = (directory(), directory());
        let error = remove(place.path(), &[&place.path().join("segments")]).unwrap_err();
        assert!(error.text.contains("it holds"), "{}", error.text);
        std::os::unix::fs::symlink(other.path(), place.path().join("segments/00000002.seg"))
            .unwrap();
        assert!(remove(place.path(), &[]).is_err());
        assert!(other.path().join("FORMAT").is_file() && place.path().join("FORMAT").is_file());
    }
}
