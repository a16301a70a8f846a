//! A real directory.
#![allow(unsafe_code, reason = "the one memory map; see `map`")]

use std::fs;
use std::io::{self, IoSlice, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FlockOperation};

use super::{File, Storage};

/// A directory of the file system, created where it is missing.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Uses (and creates, if need be) `root`.
    ///
    /// # Errors
    /// The system's, where the directory cannot be created.
    pub fn new(root: impl Into<PathBuf>) -> io::Result<Disk> {
        let root = root.into();
        for folder in ["segments", "snapshots", "artefacts"] {
            fs::create_dir_all(root.join(folder))?;
        }
        Ok(Disk { root })
    }
}

impl Storage for Disk {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let path = self.root.join("LOCK");
        let mut file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                return Err(io::Error::new(io::ErrorKind::WouldBlock, holder.trim().to_owned()));
            }
            Err(error) => return Err(error.into()),
        }
        // The number is for people: a full disk does not keep the directory from being read.
        match name_holder(&mut file) {
            Err(error) if !crate::error::is_shortage(&error) => Err(error),
            _ => Ok(Box::new(file)),
        }
    }

    fn salt(&self) -> u32 {
        // Two hash maps of one process differ, two processes differ: std seeds them from the
        // system's entropy.
        use std::hash::BuildHasher;
        let hash = std::collections::hash_map::RandomState::new().hash_one(&self.root);
        (hash >> 32) as u32 ^ hash as u32
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn create(&self, path: &str, len: u64) -> io::Result<Arc<dyn File>> {
        let path = self.root.join(path);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        match reserve(&file, len).and_then(|()| DiskFile::new(file, len)) {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) => {
                // Best effort: an empty leftover is removed at the next open as well.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let path = self.root.join(path);
        let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        let len = file.metadata()?.len();
        Ok(Arc::new(DiskFile::new(file, len)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(path))
    }

    fn link(&self, path: &str, target: &dyn Storage) -> io::Result<()> {
        let to = target.location(path).ok_or(io::ErrorKind::Unsupported)?;
        fs::hard_link(self.root.join(path), to)
    }

    fn location(&self, path: &str) -> Option<PathBuf> {
        Some(self.root.join(path))
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let path: &Path = &self.root.join(folder);
        fs::File::open(path)?.sync_all()
    }
}

fn name_holder(file: &mut fs::File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

struct DiskFile {
    file: fs::File,
    len: u64,
    /// The whole file; slices of it are handed out as they are.
    map: Bytes,
    /// Whether the map, or any slice of it, is there.
    alive: Weak<()>,
}

/// A map that tells when it goes.
struct Map {
    bytes: memmap2::Mmap,
    _alive: Arc<()>,
}

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DiskFile {
    fn new(file: fs::File, len: u64) -> io::Result<DiskFile> {
        let (map, alive) = whole_map(&file, len)?;
        Ok(DiskFile { file, len, map, alive })
    }
}

fn whole_map(file: &fs::File, len: u64) -> io::Result<(Bytes, Weak<()>)> {
    if len == 0 {
        return Ok((Bytes::new(), Weak::new()));
    }
    let alive = Arc::new(());
    let weak = Arc::downgrade(&alive);
    Ok((Bytes::from_owner(Map { bytes: map(file, len)?, _alive: alive }), weak))
}

/// Reserves `len` bytes. A file system without `fallocate` gets zeros written instead, since a
/// reservation that is not one would turn a full disk into a failed write.
fn reserve(mut file: &fs::File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            io::copy(&mut io::repeat(0).take(len), &mut file).map(drop)
        }
        Err(error) => Err(error.into()),
    }
}

fn map(file: &fs::File, len: u64) -> io::Result<memmap2::Mmap> {
    let len = usize::try_from(len).map_err(io::Error::other)?;
    // SAFETY: the directory is locked for this process; files of the journal never shrink (they
    // are removed by unlink, which leaves maps whole), and by the contract of `File::read` only
    // ranges are read that nobody writes any more. A segment's file is written anew only after
    // `reclaim` has said that no slice of this map is left (`Shared::recycle`).
    unsafe { memmap2::MmapOptions::new().len(len).map(file) }
}

impl File for DiskFile {
    fn size(&self) -> u64 {
        self.len
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        match start.checked_add(len) {
            Some(end) if end <= self.map.len() => Ok(self.map.slice(start..end)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn reclaim(&mut self) -> io::Result<bool> {
        // The map goes with the last slice of it: if it outlives this one, there is another.
        self.map = Bytes::new();
        let is_free = self.alive.strong_count() == 0;
        fence(Ordering::Acquire);
        if !is_free || self.file.metadata()?.nlink() != 1 {
            return Ok(false);
        }
        (self.map, self.alive) = whole_map(&self.file, self.len)?;
        Ok(true)
    }

    fn write(&self, mut offset: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        const SLICES_MAX: usize = 1024;
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let some = &slices[..slices.len().min(SLICES_MAX)];
            match rustix::io::pwritev(&self.file, some, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut slices, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn zero_from(&self, offset: u64) -> io::Result<()> {
        let len = self.len.saturating_sub(offset);
        if len == 0 {
            return Ok(());
        }
        match rustix::fs::fallocate(&self.file, FallocateFlags::ZERO_RANGE, offset, len) {
            Ok(()) => Ok(()),
            Err(_) => write_zeros(self, offset, len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.file).map_err(io::Error::from)
    }
}

fn write_zeros(file: &DiskFile, mut offset: u64, mut len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
    while len > 0 {
        let some = len.min(ZEROS.len() as u64);
        file.write(offset, &mut [IoSlice::new(&ZEROS[..some as usize])])?;
        offset += some;
        len -= some;
    }
    Ok(())
}
