//! Content-addressed files: components and what else is too big for a record.

use bytes::Bytes;

use crate::error::{Error, Result, is_shortage};
use crate::journal::Journal;
use crate::storage::{read_all, replace};

const FOLDER: &str = "artefacts";

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
        let unknown = || Error::UnknownArtefact { digest: digest.to_owned() };
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_digest {
            return Err(unknown());
        }
        let path = format!("{FOLDER}/{digest}");
        let read = read_all(&*self.shared.storage, &path);
        let bytes = read.map_err(|source| Error::io("read", &*path, source))?;
        let bytes = bytes.ok_or_else(unknown)?;
        if blake3::hash(&bytes).to_hex().as_str() == digest {
            return Ok(bytes);
        }
        let problem = "the artefact does not match its digest".to_owned();
        Err(Error::Corrupt { path, offset: 0, seq: 0, problem })
    }

    /// Removes an artefact, if it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_artefact(&self, digest: &str) -> Result<()> {
        if self.artefact(digest).is_err_and(|error| matches!(error, Error::UnknownArtefact { .. }))
        {
            return Ok(());
        }
        let path = format!("{FOLDER}/{digest}");
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
        names.retain(|name| name.len() == 64);
        Ok(names)
    }
}
