//! The folder that an export goes to. A file stands there whole or not at all: it is written beside
//! its place, and moved there once it survives a power cut.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::grid::{FileName, Grid};
use crate::error::{CliError, Result};
use crate::exit::Exit;

/// What a file has behind its name while it is written, and a dot before it.
const PART: &str = ".part";

/// A folder of exported files of one topic, in one format.
pub(crate) struct Folder {
    path: PathBuf,
    topic: String,
    extension: &'static str,
    /// Held locked: of two exports at once, each would take the other's files for its own.
    _lock: File,
}

impl Folder {
    /// Opens a folder, which is made where it is not there, and removes what an export that was
    /// killed has left half written.
    ///
    /// # Errors
    /// `E-EXPORT-BUSY` where another export works on it; `E-FILE` where it cannot be written.
    pub(crate) fn open(path: &Path, topic: &str, extension: &'static str) -> Result<Self> {
        let failed = |error: io::Error| CliError::file("write", path, &error);
        fs::create_dir_all(path).map_err(failed)?;
        let lock = File::open(path).map_err(failed)?;
        // A file system without locks is no reason not to export.
        if flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::AGAIN) {
            let text = format!("another export is writing to {}", path.display());
            return Err(CliError::new("E-EXPORT-BUSY", Exit::Failure, text)
                .next("wait until it has ended, or give --to another folder"));
        }
        let (path, topic) = (path.to_owned(), topic.to_owned());
        let folder = Self { path, topic, extension, _lock: lock };
        folder.remove_parts()?;
        Ok(folder)
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = |error: io::Error| CliError::file("read", &self.path, &error);
        let entries = fs::read_dir(&self.path).map_err(failed)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect::<io::Result<_>>().map_err(failed)
    }

    fn remove_parts(&self) -> Result<()> {
        for name in self.names()? {
            let whole = name.strip_prefix('.').and_then(|name| name.strip_suffix(PART));
            if whole.and_then(|whole| self.parse(whole)).is_some() {
                let path = self.path.join(&name);
                fs::remove_file(&path).map_err(|error| CliError::file("remove", &path, &error))?;
            }
        }
        Ok(())
    }

    fn parse(&self, name: &str) -> Option<FileName> {
        FileName::parse(name, &self.topic, self.extension)
    }

    /// The files of the topic that are there, in their order.
    ///
    /// # Errors
    /// `E-FILE`.
    pub(crate) fn files(&self) -> Result<Vec<FileName>> {
        let mut files: Vec<_> = self.names()?.iter().filter_map(|name| self.parse(name)).collect();
        files.sort_unstable();
        Ok(files)
    }

    /// The grid of the files that are there, or the one that was asked for.
    ///
    /// # Errors
    /// `E-EXPORT-GRID` where they are of several, or of another one.
    pub(crate) fn grid(&self, files: &[FileName], asked: Option<u64>) -> Result<Grid> {
        let Some(first) = files.first() else {
            return Ok(Grid { records: asked.unwrap_or(super::FILE_RECORDS_DEFAULT) });
        };
        let grid = first.grid();
        let other = files.iter().find(|name| name.grid() != grid || name.grid().is_none());
        match (grid, other) {
            (Some(grid), None) if asked.is_none_or(|asked| asked == grid.records) => Ok(grid),
            (Some(grid), None) => {
                let text = format!(
                    "the files in the folder have {} offsets each, --file-records asks for {}",
                    grid.records,
                    asked.unwrap_or_default()
                );
                Err(CliError::bad_input("E-EXPORT-GRID", text)
                    .next("leave --file-records out, or give --to another folder"))
            }
            (_, other) => {
                let other = self.text(*other.unwrap_or(first));
                let text = format!("{other} is no file of the same export as those beside it");
                Err(CliError::bad_input("E-EXPORT-GRID", text)
                    .next("remove it, or give --to another folder"))
            }
        }
    }

    /// The file's name in the folder.
    pub(crate) fn text(&self, name: FileName) -> String {
        name.text(&self.topic, self.extension)
    }

    /// The path of a file.
    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.path.join(self.text(name))
    }

    /// Begins a file, which takes the place of the one of its name once it is kept.
    ///
    /// # Errors
    /// `E-FILE`.
    pub(crate) fn create(&self, name: FileName) -> Result<Part> {
        let part = self.path.join(format!(".{}{PART}", self.text(name)));
        let file = File::create(&part).map_err(|error| CliError::file("write", &part, &error))?;
        Ok(Part { part, target: self.path(name), file: Some(file), is_kept: false })
    }
}

/// A file that is being written. Dropped, it leaves nothing behind.
pub(crate) struct Part {
    part: PathBuf,
    target: PathBuf,
    file: Option<File>,
    is_kept: bool,
}

impl Part {
    /// Where to write to; to be taken once.
    pub(crate) fn file(&mut self) -> Result<File> {
        let file = self.file.take().ok_or_else(|| io::Error::other("the file is taken"));
        file.map_err(|error| self.failed(&error))
    }

    /// An error at this file.
    pub(crate) fn failed(&self, error: &io::Error) -> CliError {
        CliError::file("write", &self.target, error)
    }

    /// Puts what was written in its place, where it survives a power cut.
    ///
    /// # Errors
    /// `E-FILE`; what was there before is there still.
    pub(crate) fn keep(mut self, written: &File) -> Result<()> {
        let folder = self.target.parent().unwrap_or(Path::new(".")).to_owned();
        let kept = written.sync_all().and_then(|()| fs::rename(&self.part, &self.target));
        kept.map_err(|error| self.failed(&error))?;
        self.is_kept = true;
        let synced = File::open(&folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| self.failed(&error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = fs::remove_file(&self.part);
        }
    }
}
