//! Backups: a data directory as it was after one durable commit, with a manifest that makes any
//! damage to it known.
//!
//! All that a node keeps is in its journal's folders: records, positions, state and its snapshots,
//! the registry with functions, tokens, groups and producers, and modules. What is left out can be
//! made again: compiled modules, and the reserve of segments.

mod manifest;
mod restore;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use pelton_core::{Domain, Error, Result};
use pelton_journal::{Journal, verify};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use manifest::{Contents, TopicPosition};
pub use restore::{RestoreReport, restore};

use crate::data::of;
use manifest::{FileEntry, MANIFEST, Manifest, digest_of};

/// What a backup consists of beside its manifest; nothing else is ever written or removed.
const FOLDERS: [&str; 3] = ["segments", "snapshots", "artefacts"];
const FILES: [&str; 2] = ["FORMAT", "DURABLE"];
/// In a folder until everything in it is lasting.
const INCOMPLETE: &str = "INCOMPLETE";

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupReport {
    /// Its folder.
    pub directory: String,
    /// Files that share their bytes with the data directory.
    pub files_linked: u32,
    /// Files that were copied: all of them where the folder is on another file system.
    pub files_copied: u32,
    /// Their bytes.
    pub bytes_copied: u64,
    /// Bytes of all of its files.
    pub bytes: u64,
    /// What it holds.
    pub contents: Contents,
    /// BLAKE3 of its manifest, in hex.
    pub digest: String,
}

/// Makes a backup of an open journal, whose data directory is `data`, in the folder `to`, which is
/// created or must be empty. Everything goes on meanwhile. All of it was read again and checked on
/// return.
///
/// # Errors
/// `E-BACKUP-TARGET` where the folder cannot be used, `E-JOURNAL-FULL`, `E-JOURNAL-IO`: what was
/// written is removed again; `E-JOURNAL-CORRUPT` where the journal itself is damaged.
pub fn backup(journal: &Journal, data: &Path, to: &Path, time_ms: i64) -> Result<BackupReport> {
    check_target(data, to)?;
    let made = journal.backup(to).map_err(of).and_then(|copied| {
        let contents = Contents::of(&verify(to).map_err(of)?);
        let files = digests(to)?;
        let bytes = files.iter().map(|file| file.bytes).sum();
        let manifest = Manifest::new(time_ms, contents, files);
        write_lasting(&to.join(MANIFEST), &manifest.encode())?;
        sync_folder(to)?;
        Ok(BackupReport {
            directory: to.display().to_string(),
            files_linked: copied.files_linked,
            files_copied: copied.files_copied,
            bytes_copied: copied.bytes_copied,
            bytes,
            contents: manifest.contents,
            digest: manifest.digest,
        })
    });
    if made.is_err() {
        remove_all(to);
    }
    made
}

/// The folder must be empty, named from the root on, and neither in the data directory nor around
/// it.
fn check_target(data: &Path, to: &Path) -> Result<()> {
    let refused = |problem: &str| {
        let text = format!("cannot make a backup in {}: {problem}", to.display());
        Err(Error::new("E-BACKUP-TARGET", Domain::User, text))
    };
    if !to.is_absolute() {
        return refused("name the folder from the root on");
    }
    let data = data.canonicalize().map_err(|error| io_error("find", data, error))?;
    let real = real_path(to);
    if real.starts_with(&data) || data.starts_with(&real) {
        return refused("it is in the data directory, or around it: choose a folder elsewhere");
    }
    match fs::read_dir(to).map(|mut entries| entries.next().is_some()) {
        Ok(true) => refused("it is not empty: choose a folder that is, or a new one"),
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            refused("it is a file: choose a folder")
        }
        _ => Ok(()),
    }
}

/// A path without links, where its last parts need not be there.
fn real_path(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            return missing.iter().rev().fold(real, |path, part| path.join(part));
        }
        missing.extend(ancestor.file_name());
    }
    path.to_owned()
}

/// Every file of a backup that was just made.
fn digests(folder: &Path) -> Result<Vec<FileEntry>> {
    let mut paths: Vec<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    for below in FOLDERS {
        let path = folder.join(below);
        for entry in fs::read_dir(&path).map_err(|error| io_error("list", &path, error))? {
            let entry = entry.map_err(|error| io_error("list", &path, error))?;
            paths.push(format!("{below}/{}", entry.file_name().to_string_lossy()));
        }
    }
    paths.sort();
    let entry = |path: String| {
        let (bytes, blake3) = digest_of(&folder.join(&path))
            .map_err(|error| io_error("read", &folder.join(&path), error))?;
        Ok(FileEntry { path, bytes, blake3 })
    };
    paths.into_iter().map(entry).collect()
}

fn write_lasting(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| io_error("write", path, error))
}

fn sync_folder(path: &Path) -> Result<()> {
    let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(|error| io_error("sync", path, error))
}

/// Takes back what was begun in a folder that had been empty. What cannot be removed stays, and
/// is refused by whoever opens it.
fn remove_all(folder: &Path) {
    for name in FOLDERS {
        let _ = fs::remove_dir_all(folder.join(name));
    }
    let others = ["BACKUP.json", "LOCK", "INCOMPLETE.tmp", "FORMAT.tmp", "DURABLE.tmp", "ROLE"];
    for name in FILES.iter().chain(&others).chain([&INCOMPLETE]) {
        let _ = fs::remove_file(folder.join(name));
    }
}

fn io_error(doing: &str, path: &Path, error: std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "E-JOURNAL-FULL",
        _ => "E-JOURNAL-IO",
    };
    let text = format!("cannot {doing} {}", path.display());
    Error::new(code, Domain::External, text).caused_by(error)
}
