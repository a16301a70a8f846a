//! Compiled artefacts on disk.
//!
//! Loading compiled code is running it, so an artefact is loaded only where a keyed hash over it
//! and over what it was compiled from is right; the key is a secret of this data directory. An
//! entry that is missing, cut short, altered or of another build is compiled anew.

mod files;

use std::fs::File;
use std::path::{Path, PathBuf};

use wasmtime::component::Component;

use crate::engine::HostEngine;
use crate::error::{HostError, Result};

/// What an artefact was compiled from and for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) digest: [u8; 32],
    pub(crate) compatibility: [u8; 32],
}

impl Key {
    fn name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest).update(&self.compatibility);
        hasher.finalize().to_hex().to_string()
    }
}

/// A directory of compiled artefacts.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    secret: [u8; 32],
}

impl Cache {
    /// The cache in this directory, which is made where there is none, with its secret.
    ///
    /// # Errors
    /// `E-HOST-IO`.
    pub fn open(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .map_err(|error| HostError::io(directory.display(), &error))?;
        let secret = files::secret(&directory.join("secret"))
            .map_err(|error| HostError::io(directory.join("secret").display(), &error))?;
        Ok(Self { directory: directory.to_owned(), secret })
    }

    fn artefact(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.artefact", key.name()))
    }

    /// The compiled component, mapped from its file, where there is an authentic one.
    pub(crate) fn get(&self, engine: &HostEngine, key: &Key) -> Option<Component> {
        let path = self.artefact(key);
        let expected = std::fs::read(path.with_extension("mac")).ok()?;
        let found = self.mac(key, &path).ok()?;
        let expected = <[u8; 32]>::try_from(expected.as_slice()).ok()?;
        // `blake3::Hash` compares in constant time.
        if found != blake3::Hash::from_bytes(expected) {
            tracing::warn!(path = %path.display(), "compiled artefact was altered; compiling anew");
            return None;
        }
        load_file(engine, &path)
    }

    /// Publishes an artefact: both files whole or not at all, the hash last.
    ///
    /// # Errors
    /// `E-HOST-IO`; what was there before still stands.
    pub(crate) fn put(&self, key: &Key, artefact: &[u8]) -> Result<()> {
        let path = self.artefact(key);
        let publish = || {
            files::publish(&path, artefact)?;
            let mac = self.mac(key, &path)?;
            files::publish(&path.with_extension("mac"), mac.as_bytes())
        };
        publish().map_err(|error| HostError::io(path.display(), &error))
    }

    fn mac(&self, key: &Key, path: &Path) -> std::io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(&key.digest).update(&key.compatibility);
        hasher.update_reader(File::open(path)?)?;
        Ok(hasher.finalize())
    }
}

#[allow(unsafe_code, reason = "loading compiled code is inherently unsafe")]
fn load_file(engine: &HostEngine, path: &Path) -> Option<Component> {
    // SAFETY: the file was written by this host's compiler and not altered since: its keyed hash
    // was right just now, and whoever can replace it in between can also read the secret.
    let loaded = unsafe { Component::deserialize_file(engine.wasmtime(), path) };
    loaded
        .inspect_err(|error| {
            tracing::warn!(path = %path.display(), %error, "artefact does not load; compiling anew");
        })
        .ok()
}

/// Loads what the compiler has just answered.
#[allow(unsafe_code, reason = "loading compiled code is inherently unsafe")]
pub(crate) fn load_bytes(engine: &HostEngine, artefact: &[u8]) -> Result<Component> {
    // SAFETY: the bytes come straight from this host's own compiler, in this process or over a
    // pipe from a child that runs the same program.
    let loaded = unsafe { Component::deserialize(engine.wasmtime(), artefact) };
    loaded.map_err(|error| {
        let text = format!("the compiler's answer does not load: {error:#}; is it another build?");
        HostError::new(crate::error::ErrorKind::Compile, text)
    })
}
