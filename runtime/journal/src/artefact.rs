//! Content-addressed files: components and what else is too big for a record.

use bytes::Bytes;

use crate::error::{Error, Result, is_shortage};
use crate::journal::Journal;
use crate::locks::read;
use crate::storage::{Storage, read_all, replace};

pub(crate) const FOLDER: &str = "artefacts";

impl Journal {
    /// Stores bytes under their digest (BLAKE3, in hex), which it answers. Durable on return;
    /// what is there already is not written again.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`].
    pub fn put_artefact(&self, bytes: &[u8]) -> Result<String> {
        let digest = blake3::hash(bytes).to_hex().to_string();
        if self.artefact(&digest).is_ok() {
            return Ok(digest);
        }
        let path = format!("{FOLDER}/{digest}");
        match replace(&*self.shared.storage, &path, bytes) {
            Ok(()) => Ok(digest),
            Err(source) if is_shortage(&source) => {
                Err(Error::Full { what: format!("artefact {digest}"), source })
            }
            Err(source) => Err(Error::io("write", path, source)),
        }
    }

    /// The bytes of a digest, checked against it.
    ///
    /// # Errors
    /// [`Error::UnknownArtefact`], [`Error::Corrupt`], [`Error::Io`].
    pub fn artefact(&self, digest: &str) -> Result<Bytes> {
        read_artefact(&*self.shared.storage, digest)
    }

    /// Removes an artefact, if it is there. Waits while a backup is made.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_artefact(&self, digest: &str) -> Result<()> {
        if self.artefact(digest).is_err_and(|error| matches!(error, Error::UnknownArtefact { .. }))
        {
            return Ok(());
        }
        let path = format!("{FOLDER}/{digest}");
        let _files = read(&self.shared.files);
        let removed = self.shared.storage.remove(&path);
        removed.map_err(|source| Error::io("remove", path, source))
    }

    /// The digests of all artefacts, in no order.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn artefacts(&self) -> Result<Vec<String>> {
        let listed = self.shared.storage.list(FOLDER);
        let mut names = listed.map_err(|source| Error::io("list", FOLDER, source))?;
        names.retain(|name| is_digest(name));
        Ok(names)
    }
}

pub(crate) fn read_artefact(storage: &dyn Storage, digest: &str) -> Result<Bytes> {
    let unknown = || Error::UnknownArtefact { digest: digest.to_owned() };
    if !is_digest(digest) {
        return Err(unknown());
    }
    let path = format!("{FOLDER}/{digest}");
    let bytes = read_all(storage, &path).map_err(|source| Error::io("read", &*path, source))?;
    let bytes = bytes.ok_or_else(unknown)?;
    if blake3::hash(&bytes).to_hex().as_str() == digest {
        return Ok(bytes);
    }
    let problem = "the artefact does not match its digest".to_owned();
    Err(Error::Corrupt { path, offset: 0, seq: 0, problem })
}

pub(crate) fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
