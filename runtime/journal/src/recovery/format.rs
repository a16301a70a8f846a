//! The files `FORMAT` and `DURABLE`.

use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::{Storage, read_all, replace};

pub(crate) const FORMAT: &str = "FORMAT";
/// Stands in a directory until a backup that is made there is whole.
pub(crate) const INCOMPLETE: &str = "INCOMPLETE";
pub(crate) const MARK: &str = "DURABLE";
/// The format that this version writes, and the newest that it reads.
pub(crate) const CURRENT: u32 = 2;
/// The oldest format that this version reads (and brings up to date at open).
const OLDEST: u32 = 1;

const UNFINISHED: &str = "the backup or restore into this directory was not finished: remove what \
                          is there, and make it again";

/// What the file `FORMAT` says.
pub(super) struct Format {
    version: u32,
    pub(super) salt: u32,
}

/// The format of a journal that is there.
pub(super) fn open(storage: &dyn Storage) -> Result<Format> {
    open_or_create(storage, false)
}

/// The journal's format, a new one where `is_new` says that there is no segment yet.
pub(super) fn open_or_create(storage: &dyn Storage, is_new: bool) -> Result<Format> {
    let path = format!("{}/{INCOMPLETE}", storage.name());
    let marker = read_all(storage, INCOMPLETE).map_err(|error| Error::io("read", &*path, error))?;
    if marker.is_some() {
        return Err(Error::malformed(path, UNFINISHED));
    }
    let path = format!("{}/{FORMAT}", storage.name());
    let bytes = read_all(storage, FORMAT).map_err(|error| Error::io("read", &*path, error))?;
    if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
        return parse(&storage.name(), &path, &String::from_utf8_lossy(&bytes));
    }
    if !is_new {
        let problem = "segments without a FORMAT file: restore it from a backup of this directory";
        return Err(Error::malformed(path, problem));
    }
    let salt = storage.salt();
    write(storage, salt)?;
    Ok(Format { version: CURRENT, salt })
}

/// The format of the journal in a directory; `None` where there is none yet. It is only read: no
/// lock is taken, nothing is made or written, whoever has it open.
///
/// # Errors
/// `E-JOURNAL-NEWER` for a format of a newer version, `E-JOURNAL-MALFORMED` where the file is no such
/// file or a backup into the directory was not finished, `E-JOURNAL-IO` where it cannot be read.
pub fn format_version(folder: &Path) -> Result<Option<u32>> {
    let path = folder.join(FORMAT).display().to_string();
    if folder.join(INCOMPLETE).exists() {
        return Err(Error::malformed(folder.join(INCOMPLETE).display().to_string(), UNFINISHED));
    }
    match std::fs::read(folder.join(FORMAT)) {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        Ok(bytes) => {
            let name = folder.display().to_string();
            let format = parse(&name, &path, &String::from_utf8_lossy(&bytes))?;
            Ok(Some(format.version))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path, error)),
    }
}

impl Format {
    /// Says that the directory is of the current format, before anything of it is written. An
    /// older version refuses it from then on.
    pub(super) fn upgrade(&self, storage: &dyn Storage) -> Result<()> {
        if self.version == CURRENT {
            return Ok(());
        }
        tracing::info!(from = self.version, to = CURRENT, "the journal has a new format");
        write(storage, self.salt)
    }
}

fn write(storage: &dyn Storage, salt: u32) -> Result<()> {
    let text = format!("pelton-journal {CURRENT}\nsalt {salt:08x}\n");
    let written = replace(storage, FORMAT, text.as_bytes());
    written.map_err(|error| Error::io("write", format!("{}/{FORMAT}", storage.name()), error))
}

fn parse(name: &str, path: &str, text: &str) -> Result<Format> {
    let bad = || Error::malformed(path, "it is not a FORMAT file: restore it from a backup");
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix("pelton-journal "));
    let found: u32 = version.and_then(|version| version.parse().ok()).ok_or_else(bad)?;
    if found > CURRENT {
        return Err(Error::NewerFormat { path: name.to_owned(), found, supported: CURRENT });
    }
    if found < OLDEST {
        return Err(bad());
    }
    let salt = lines.next().and_then(|line| line.strip_prefix("salt "));
    let salt = salt.and_then(|salt| u32::from_str_radix(salt, 16).ok()).ok_or_else(bad)?;
    Ok(Format { version: found, salt })
}

/// Notes that everything up to `seq` is durable. True for ever after.
pub(crate) fn write_mark(storage: &dyn Storage, seq: u64) -> Result<()> {
    if seq > 0 && read_mark(storage).is_ok_and(|known| known == seq) {
        // A directory that was only read is not written to.
        return Ok(());
    }
    let written = replace(storage, MARK, format!("{seq}\n").as_bytes());
    written.map_err(|error| Error::io("write", format!("{}/{MARK}", storage.name()), error))
}

/// What the last clean close noted, or 0.
pub(super) fn read_mark(storage: &dyn Storage) -> Result<u64> {
    let path = format!("{}/{MARK}", storage.name());
    let bytes = read_all(storage, MARK).map_err(|error| Error::io("read", &*path, error))?;
    let Some(bytes) = bytes else { return Ok(0) };
    let text = String::from_utf8_lossy(&bytes);
    text.trim().parse().map_err(|_| {
        let problem = "it is damaged: remove it, the journal then trusts its segments alone";
        Error::malformed(path, problem)
    })
}
