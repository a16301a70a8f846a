//! The few things that the journal asks of a disk, so that a simulated one can take its place.

mod disk;

pub use disk::Disk;

use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

/// A directory tree. Paths are relative, with `/` between a folder and a name.
pub trait Storage: Send + Sync + 'static {
    /// What to call this directory in messages.
    fn name(&self) -> String;

    /// Takes the directory for this process until the guard is dropped.
    ///
    /// # Errors
    /// `WouldBlock`, with the holder's process id as its text, where another holds it.
    fn lock(&self) -> io::Result<Box<dyn Send + Sync>>;

    /// A number that differs from journal to journal: it keeps bytes of another journal, or
    /// bytes inside a record, from ever passing for a frame.
    fn salt(&self) -> u32;

    /// The names of the files in a folder, in no order; empty where there is no such folder.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Creates (or empties) a file and reserves `len` bytes for it, reading as zero.
    ///
    /// # Errors
    /// The system's; a shortage of space leaves no file behind.
    fn create(&self, path: &str, len: u64) -> io::Result<Arc<dyn File>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, taking the place of what was there. Lasting only after
    /// [`Storage::sync_folder`].
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. What is already open or mapped stays readable.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Gives a file, which nobody writes to any more, the same path in another storage too.
    ///
    /// # Errors
    /// `NotFound` where it is not there; any other where it has to be copied instead.
    fn link(&self, path: &str, target: &dyn Storage) -> io::Result<()> {
        let _ = (path, target);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where a file is in the file system, for a storage that is there.
    fn location(&self, path: &str) -> Option<PathBuf> {
        let _ = path;
        None
    }

    /// Makes creations, renames and removals in a folder lasting (`""`: the top).
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(&self, folder: &str) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Its size in bytes, as it was when opened or created (files never shrink; one that is
    /// written past its end grows but may be read there only after opening it again).
    fn size(&self) -> u64;

    /// Bytes of it, without copying where the storage can. Only bytes that nobody will write
    /// again may be asked for.
    ///
    /// # Errors
    /// The system's, or `UnexpectedEof` past the end.
    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes>;

    /// Makes sure that nobody but the holder of this handle, which must be the only one, can see
    /// the file's bytes: no slice that [`File::read`] gave is left, and there is no other name for
    /// it. Where that is so the file may be written anew; where not, only be removed.
    ///
    /// # Errors
    /// The system's: the file may only be removed.
    fn reclaim(&mut self) -> io::Result<bool>;

    /// Writes all slices, one after another, from `offset` on.
    ///
    /// # Errors
    /// The system's; any part may have been written then.
    fn write(&self, offset: u64, slices: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// Makes everything from `offset` to the end read as zero.
    ///
    /// # Errors
    /// The system's.
    fn zero_from(&self, offset: u64) -> io::Result<()>;

    /// Makes all bytes written so far lasting (`fdatasync`).
    ///
    /// # Errors
    /// The system's. The state of unsynced bytes is unknown after an error.
    fn sync(&self) -> io::Result<()>;
}

/// Replaces a small file so that a crash leaves either the old or the new one.
pub(crate) fn replace(storage: &dyn Storage, path: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{path}.tmp");
    let file = storage.create(&temporary, 0)?;
    file.write(0, &mut [IoSlice::new(bytes)])?;
    file.sync()?;
    storage.rename(&temporary, path)?;
    storage.sync_folder(path.rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// A whole file, or `None` where there is none.
pub(crate) fn read_all(storage: &dyn Storage, path: &str) -> io::Result<Option<Bytes>> {
    match storage.open(path) {
        Ok(file) => {
            let len = usize::try_from(file.size()).map_err(io::Error::other)?;
            file.read(0, len).map(Some)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
