//! A copy of the journal as it is after one durable commit, taken while appends go on.
//!
//! Sealed segments, snapshots and artefacts never change: they are linked where the file system
//! can, else copied. Of the active segment the durable part is copied. Nothing is removed from
//! the journal meanwhile. The file `INCOMPLETE` stands in the target until everything else is
//! lasting: a journal that was not copied whole is refused.

use std::fs;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result, is_shortage};
use crate::journal::{Journal, Shared};
use crate::locks::{read, write};
use crate::recovery::{FORMAT, INCOMPLETE, write_mark};
use crate::segment::{FOLDER, Segment, sidecar_path_of};
use crate::storage::{Disk, Storage, read_all, replace};
use crate::{artefact, snapshot};

const CHUNK_LEN: usize = 1 << 20;

/// What [`Journal::backup`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupReport {
    /// The last commit that the copy holds.
    pub seq: u64,
    /// Files that share their bytes with the journal's own.
    pub files_linked: u32,
    /// Files that were copied.
    pub files_copied: u32,
    /// Their bytes.
    pub bytes_copied: u64,
}

/// What belongs to the copy.
pub(crate) struct Cut {
    pub(crate) seq: u64,
    pub(crate) sealed: Vec<Arc<Segment>>,
    pub(crate) active: Arc<Segment>,
    /// Where its first commit behind the cut begins.
    pub(crate) position: u64,
    pub(crate) snapshots: Vec<String>,
}

impl Journal {
    /// Copies the journal into `directory`, which is created or must be empty: a data directory
    /// like any other, of all commits up to one that is durable on return. Takes time; appends,
    /// reads and cleaning go on, but nothing is removed and [`Journal::remove_artefact`] waits.
    ///
    /// # Errors
    /// [`Error::BackupTarget`] where something is there already, [`Error::Full`], [`Error::Io`]:
    /// what is left of the copy is refused when it is opened. [`Error::Poisoned`].
    pub fn backup(&self, directory: impl AsRef<Path>) -> Result<BackupReport> {
        let path = directory.as_ref();
        let failed = |source| Error::io("create", path.display().to_string(), source);
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(not_empty(path.display().to_string()));
        }
        let report = self.backup_on(&Disk::new(path).map_err(failed)?)?;
        let parent = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
        if let Some(parent) = parent {
            fs::File::open(&parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
        }
        Ok(report)
    }

    /// As [`Journal::backup`], to any storage.
    ///
    /// # Errors
    /// As [`Journal::backup`].
    pub fn backup_on(&self, target: &dyn Storage) -> Result<BackupReport> {
        let shared = &*self.shared;
        self.health()?;
        let _files = write(&shared.files);
        let failed = |source| backup_error(target, source);
        if is_used(target).map_err(failed)? {
            return Err(not_empty(target.name()));
        }
        replace(target, INCOMPLETE, b"a backup is being made here\n").map_err(failed)?;
        let cut = shared.cut()?;
        // Linked files are lasting only once they are synced.
        shared.sync_all()?;
        let mut copy = Copy { from: &*shared.storage, to: target, report: BackupReport::default() };
        copy.report.seq = cut.seq;
        copy.all(&cut).map_err(failed)?;
        for folder in [FOLDER, snapshot::FOLDER, artefact::FOLDER] {
            target.sync_folder(folder).map_err(failed)?;
        }
        write_mark(target, cut.seq)?;
        let format = read_all(&*shared.storage, FORMAT).map_err(failed)?.unwrap_or_default();
        replace(target, FORMAT, &format).map_err(failed)?;
        target.remove(INCOMPLETE).and_then(|()| target.sync_folder("")).map_err(failed)?;
        Ok(copy.report)
    }
}

impl Shared {
    /// What the journal is made of right now.
    pub(crate) fn cut(&self) -> Result<Cut> {
        // No snapshot is published in between: those named here are those of this commit.
        let _control = self.control_lock();
        let snapshots: Vec<String> = {
            let catalog = read(&self.catalog);
            let published = catalog.tasks.values().filter_map(|task| {
                task.snapshot_ref().map(|snapshot| snapshot::path_of(task, snapshot.seq))
            });
            published.collect::<Vec<_>>()
        };
        let skips = snapshot::skips_needed(&*self.storage, &read(&self.catalog));
        let snapshots = snapshots.into_iter().chain(skips).collect();
        let appender = self.appender()?;
        let mut sealed: Vec<_> = appender.segments.iter().cloned().collect();
        let active = Arc::clone(appender.active());
        sealed.pop();
        let (seq, position) = (appender.next_seq - 1, appender.position);
        Ok(Cut { seq, sealed, active, position, snapshots })
    }
}

struct Copy<'a> {
    from: &'a dyn Storage,
    to: &'a dyn Storage,
    report: BackupReport,
}

impl Copy<'_> {
    fn all(&mut self, cut: &Cut) -> io::Result<()> {
        for segment in &cut.sealed {
            self.file(&segment.path())?;
            match self.file(&sidecar_path_of(segment.number)) {
                // Not sealed yet, or it could not be written: it is made again at open.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        self.bytes(&cut.active.path(), Some(cut.position))?;
        for path in &cut.snapshots {
            self.file(path)?;
        }
        let artefacts = self.from.list(artefact::FOLDER)?;
        for name in artefacts.iter().filter(|name| artefact::is_digest(name)) {
            self.file(&format!("{}/{name}", artefact::FOLDER))?;
        }
        Ok(())
    }

    /// A file that never changes.
    fn file(&mut self, path: &str) -> io::Result<()> {
        match self.from.link(path, self.to) {
            Ok(()) => {
                self.report.files_linked += 1;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
            // Another file system, too many links, or one without links.
            Err(_) => self.bytes(path, None),
        }
    }

    /// The first `len` bytes of a file (all of it without), in one of the same size.
    fn bytes(&mut self, path: &str, len: Option<u64>) -> io::Result<()> {
        let source = self.from.open(path)?;
        let target = self.to.create(path, source.size())?;
        let end = len.unwrap_or(source.size());
        assert!(end <= source.size(), "frames fit their segment");
        let mut at = 0;
        while at < end {
            let some = CHUNK_LEN.min((end - at) as usize);
            let bytes = source.read(at, some)?;
            target.write(at, &mut [IoSlice::new(&bytes)])?;
            at += some as u64;
        }
        target.sync()?;
        self.report.files_copied += 1;
        self.report.bytes_copied += end;
        Ok(())
    }
}

/// Whether there is anything of a journal already, or of another backup.
fn is_used(target: &dyn Storage) -> io::Result<bool> {
    for name in [FORMAT, INCOMPLETE] {
        if read_all(target, name)?.is_some() {
            return Ok(true);
        }
    }
    for folder in [FOLDER, snapshot::FOLDER, artefact::FOLDER] {
        if !target.list(folder)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn not_empty(path: String) -> Error {
    let problem = "it is not empty: choose a directory that is, or remove what is there".to_owned();
    Error::BackupTarget { path, problem }
}

fn backup_error(target: &dyn Storage, source: io::Error) -> Error {
    match is_shortage(&source) {
        true => Error::Full { what: format!("the backup in {}", target.name()), source },
        false => Error::io("back up into", target.name(), source),
    }
}
