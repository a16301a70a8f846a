//! From a backup to a data directory.

use std::fs;
use std::path::Path;

use pelton_core::{Domain, Error, Result};
use pelton_journal::verify;
use serde::Serialize;

use super::manifest::{Contents, MANIFEST, Manifest, damaged, digest_of};
use super::{FILES, FOLDERS, INCOMPLETE, io_error, remove_all, sync_folder, write_lasting};
use crate::data::of;

/// A data directory that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The data directory.
    pub directory: String,
    /// When the backup was made, ms since the Unix epoch.
    pub backup_time_ms: i64,
    /// The version of Pelton that made it.
    pub pelton: String,
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What it holds.
    pub contents: Contents,
}

/// Copies the backup in `from` to the data directory `to`, which is created or must be empty. Every
/// byte of the backup is checked before anything is written, and what was written is checked again.
/// The two share nothing.
///
/// # Errors
/// `E-RESTORE-TARGET` where the directory is not empty; `E-BACKUP-NOT-FOUND`, `E-BACKUP-NEWER`;
/// `E-BACKUP-DAMAGED` names the file; `E-JOURNAL-FULL`, `E-JOURNAL-IO`: what was written is removed.
pub fn restore(from: &Path, to: &Path) -> Result<RestoreReport> {
    match fs::read_dir(to).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {
            let text = format!(
                "{} is not empty: choose a folder that is, or a new one; nothing was changed",
                to.display()
            );
            return Err(Error::new("E-RESTORE-TARGET", Domain::User, text));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io_error("list", to, error));
        }
        _ => {}
    }
    let manifest = Manifest::read(from)?;
    check(from, &manifest)?;
    let copied = copy(from, to, &manifest);
    if copied.is_err() {
        remove_all(to);
    }
    copied.map(|bytes| RestoreReport {
        directory: to.display().to_string(),
        backup_time_ms: manifest.time_ms,
        pelton: manifest.pelton,
        files: manifest.files.len() as u64,
        bytes,
        contents: manifest.contents,
    })
}

/// That every file is there as it was.
fn check(from: &Path, manifest: &Manifest) -> Result<()> {
    for file in &manifest.files {
        let path = from.join(&file.path);
        if !is_expected(&file.path) {
            let problem = format!("it names {:?}, which is no file of a backup", file.path);
            return Err(damaged(&from.join(MANIFEST), &problem));
        }
        let (bytes, digest) = match digest_of(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(damaged(&path, "the file is missing"));
            }
            read => read.map_err(|error| io_error("read", &path, error))?,
        };
        if bytes != file.bytes {
            let problem = format!("it has {bytes} bytes, not {}", file.bytes);
            return Err(damaged(&path, &problem));
        }
        if digest != file.blake3 {
            return Err(damaged(&path, "its bytes are not those that were backed up"));
        }
    }
    Ok(())
}

fn is_expected(path: &str) -> bool {
    match path.split_once('/') {
        None => FILES.contains(&path),
        Some((folder, name)) => {
            FOLDERS.contains(&folder) && !name.contains('/') && !name.starts_with('.')
        }
    }
}

fn copy(from: &Path, to: &Path, manifest: &Manifest) -> Result<u64> {
    let made = |path: &Path| fs::create_dir_all(path).map_err(|e| io_error("create", path, e));
    made(to)?;
    write_lasting(&to.join(INCOMPLETE), b"a backup is being restored here\n")?;
    FOLDERS.iter().try_for_each(|folder| made(&to.join(folder)))?;
    let mut bytes = 0;
    for file in &manifest.files {
        let path = to.join(&file.path);
        let copied = fs::copy(from.join(&file.path), &path);
        bytes += copied.map_err(|error| io_error("write", &path, error))?;
        let synced = fs::File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|error| io_error("sync", &path, error))?;
    }
    FOLDERS.iter().try_for_each(|folder| sync_folder(&to.join(folder)))?;
    let path = to.join(INCOMPLETE);
    fs::remove_file(&path).map_err(|error| io_error("remove", &path, error))?;
    let contents = Contents::of(&verify(to).map_err(of)?);
    if contents != manifest.contents {
        let problem = "what it says of the journal is not what is in it";
        return Err(damaged(&from.join(MANIFEST), problem));
    }
    sync_folder(to)?;
    Ok(bytes)
}
