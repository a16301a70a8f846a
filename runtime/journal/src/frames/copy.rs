//! A whole journal on its way to where a replica begins.
//!
//! It arrives in the folder `copy` of the data directory, is checked there from its first byte to
//! its last, and only then takes the place of what was there: a crash at any time leaves the old
//! journal or the new one.

use std::fs;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result, is_shortage};
use crate::journal::Journal;
use crate::locks::write as lock_files;
use crate::recovery::{FORMAT, INCOMPLETE, MARK, Verified, verify_on, write_mark};
use crate::role::{self, ROLE, Role, RoleFile};
use crate::segment::FOLDER;
use crate::storage::{Disk, File, Storage, read_all, replace};
use crate::{artefact, snapshot};

const COPY: &str = "copy";
/// In the copy once it is whole, until all of it has its place.
const READY: &str = "READY";
/// What takes the place of what was there, in this order.
const ITEMS: [&str; 6] = [FOLDER, snapshot::FOLDER, artefact::FOLDER, MARK, ROLE, FORMAT];

/// All files of a journal as they are after one durable commit.
pub struct FullCopy {
    /// That commit.
    pub seq: u64,
    /// The files.
    pub files: Vec<CopiedFile>,
}

/// A file of a journal.
pub struct CopiedFile {
    /// Its path in the data directory.
    pub path: String,
    /// Its size, which may be more than the bytes that are in use.
    pub size: u64,
    /// Its bytes, not copied.
    pub bytes: Bytes,
}

impl Journal {
    /// Everything that a replica begins with. Nothing is copied and nobody waits while it is read;
    /// what is removed from the journal meanwhile keeps its room until this is dropped.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Poisoned`].
    pub fn full_copy(&self) -> Result<FullCopy> {
        let shared = &*self.shared;
        let storage = &*shared.storage;
        // Nothing that the cut names goes before it is open.
        let _files = lock_files(&shared.files);
        let cut = shared.cut()?;
        shared.sync_all()?;
        let mut files = Vec::new();
        for segment in cut.sealed.iter().chain([&cut.active]) {
            let size = segment.file.size();
            let is_active = segment.number == cut.active.number;
            let len = if is_active { cut.position } else { size };
            let bytes = segment.file.read(0, len as usize);
            let bytes = bytes.map_err(|error| Error::io("read", segment.path(), error))?;
            files.push(CopiedFile { path: segment.path(), size, bytes });
        }
        let mut whole = |path: String| {
            let bytes = read_all(storage, &path).map_err(|error| Error::io("read", &*path, error));
            let missing = || Error::io("read", &*path, io::ErrorKind::NotFound.into());
            let bytes = bytes?.ok_or_else(missing)?;
            files.push(CopiedFile { path, size: bytes.len() as u64, bytes });
            Ok(())
        };
        cut.snapshots.into_iter().try_for_each(&mut whole)?;
        for digest in self.artefacts()? {
            whole(format!("{}/{digest}", artefact::FOLDER))?;
        }
        whole(FORMAT.to_owned())?;
        Ok(FullCopy { seq: cut.seq, files })
    }
}

/// A copy that arrives.
pub struct Copying {
    directory: PathBuf,
    disk: Disk,
    file: Option<(String, Arc<dyn File>, u64, u64)>,
}

impl Copying {
    /// Begins anew, in the data directory `directory`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(directory: &Path) -> Result<Copying> {
        let folder = directory.join(COPY);
        let failed = |source| Error::io("create", folder.display().to_string(), source);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let disk = Disk::new(&folder).map_err(failed)?;
        replace(&disk, INCOMPLETE, b"a copy of a leader's journal\n").map_err(failed)?;
        Ok(Copying { directory: directory.to_owned(), disk, file: None })
    }

    /// Begins a file of `size` bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a path that a journal does not have, [`Error::Full`],
    /// [`Error::Io`].
    pub fn file(&mut self, path: &str, size: u64) -> Result<()> {
        self.end_file()?;
        if !is_expected(path) {
            let problem = "a journal has no such file: the leader is of another version, or none";
            return Err(Error::malformed(path, problem));
        }
        let made = self.disk.create(path, size).map_err(|error| copy_error(path, error))?;
        self.file = Some((path.to_owned(), made, 0, size));
        Ok(())
    }

    /// The next bytes of the file.
    ///
    /// # Errors
    /// [`Error::Malformed`] where there are more than its size, [`Error::Full`], [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((path, file, at, size)) = &mut self.file else {
            return Err(Error::malformed(COPY, "bytes that belong to no file"));
        };
        if *at + bytes.len() as u64 > *size {
            return Err(Error::malformed(&**path, "it is longer than was said"));
        }
        let written = file.write(*at, &mut [IoSlice::new(bytes)]);
        written.map_err(|error| copy_error(path, error))?;
        *at += bytes.len() as u64;
        Ok(())
    }

    fn end_file(&mut self) -> Result<()> {
        let Some((path, file, ..)) = self.file.take() else { return Ok(()) };
        file.sync().map_err(|error| copy_error(&path, error))
    }

    /// Checks all of it, and makes it the journal of the data directory: a replica of `leader` that
    /// ends with the commit `seq`. Nobody may have that directory open.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Malformed`]: nothing was changed. [`Error::Io`].
    pub fn finish(mut self, seq: u64, leader: &str) -> Result<Verified> {
        self.end_file()?;
        let failed = |source| copy_error(COPY, source);
        for folder in [FOLDER, snapshot::FOLDER, artefact::FOLDER] {
            self.disk.sync_folder(folder).map_err(failed)?;
        }
        write_mark(&self.disk, seq)?;
        role::write(&self.disk, &RoleFile::Role(Role::Replica { leader: leader.to_owned() }))?;
        self.disk.remove(INCOMPLETE).map_err(failed)?;
        let verified = verify_on(&self.disk)?;
        if verified.seq != seq {
            let problem = format!("it ends with commit {}, not {seq}", verified.seq);
            return Err(Error::malformed(COPY, problem));
        }
        replace(&self.disk, READY, b"").map_err(failed)?;
        adopt(&self.directory)?;
        Ok(verified)
    }
}

/// Puts a copy that is whole where it belongs; may be done again after a crash.
pub(crate) fn adopt(directory: &Path) -> Result<()> {
    let copy = directory.join(COPY);
    if !copy.join(READY).exists() {
        return Ok(());
    }
    tracing::info!(directory = %directory.display(), "a new copy takes its place");
    let put = || -> io::Result<()> {
        for item in ITEMS {
            let (from, to) = (copy.join(item), directory.join(item));
            if !from.exists() {
                continue;
            }
            match to.is_dir() {
                true => fs::remove_dir_all(&to)?,
                false if to.exists() => fs::remove_file(&to)?,
                false => {}
            }
            fs::rename(&from, &to)?;
        }
        fs::File::open(directory)?.sync_all()?;
        fs::remove_file(copy.join(READY))?;
        fs::remove_dir_all(&copy)
    };
    put().map_err(|error| Error::io("take the place of", directory.display().to_string(), error))
}

fn is_expected(path: &str) -> bool {
    let name = |folder: &str| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let digits = |text: &str, ends: &[&str]| {
        let stem = ends.iter().find_map(|end| text.strip_suffix(end));
        stem.is_some_and(|stem| {
            !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        })
    };
    path == FORMAT
        || name(FOLDER).is_some_and(|name| digits(name, &[".seg"]))
        || name(snapshot::FOLDER).is_some_and(|name| digits(name, &[".snap", snapshot::SKIPPED]))
        || name(artefact::FOLDER).is_some_and(artefact::is_digest)
}

fn copy_error(path: &str, source: io::Error) -> Error {
    match is_shortage(&source) {
        true => Error::Full { what: format!("{path} of the leader's journal"), source },
        false => Error::io("write", path, source),
    }
}
