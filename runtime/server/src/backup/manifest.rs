//! `BACKUP.json`: what a backup is made of, so that damage to any of it is found and named.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use pelton_core::{Domain, Error, Result};
use pelton_journal::Verified;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::io_error;

/// The file's name.
pub(super) const MANIFEST: &str = "BACKUP.json";
/// The version of the manifest that this one writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    /// Below the backup's folder, with `/`.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// In hex.
    pub(super) blake3: String,
}

/// A topic and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicPosition {
    /// Its name, `tenant/topic`.
    pub topic: String,
    /// Of each partition: the first offset, and one past the last.
    pub offsets: Vec<(u64, u64)>,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contents {
    /// The last commit.
    pub commit: u64,
    /// The oldest commit.
    pub first_commit: u64,
    /// Topics.
    pub topics: Vec<TopicPosition>,
    /// Functions that are deployed.
    pub functions: u64,
    /// Tasks that have positions and state.
    pub tasks: u64,
    /// Snapshots of tasks.
    pub snapshots: u64,
    /// Modules.
    pub artefacts: u64,
    /// Tokens.
    pub tokens: u64,
}

impl Contents {
    pub(super) fn of(verified: &Verified) -> Self {
        let entries = |prefix: &str| {
            verified.entries.iter().filter(|key| key.starts_with(prefix)).count() as u64
        };
        let topic = |(name, offsets): &(String, Vec<std::ops::Range<u64>>)| TopicPosition {
            topic: name.clone(),
            offsets: offsets.iter().map(|range| (range.start, range.end)).collect(),
        };
        Self {
            commit: verified.seq,
            first_commit: verified.first_seq,
            topics: verified.topics.iter().map(topic).collect(),
            functions: entries("function/"),
            tasks: verified.tasks as u64,
            snapshots: verified.snapshots as u64,
            artefacts: verified.artefacts as u64,
            tokens: entries("token/"),
        }
    }
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) backup_format: u32,
    /// The version of Pelton that made it.
    pub(super) pelton: String,
    /// When, ms since the Unix epoch.
    pub(super) time_ms: i64,
    pub(super) contents: Contents,
    pub(super) files: Vec<FileEntry>,
    /// BLAKE3, in hex, of this document as it is with an empty digest.
    pub(super) digest: String,
}

impl Manifest {
    pub(super) fn new(time_ms: i64, contents: Contents, files: Vec<FileEntry>) -> Self {
        let pelton = env!("CARGO_PKG_VERSION").to_owned();
        let digest = String::new();
        let mut new = Self { backup_format: FORMAT, pelton, time_ms, contents, files, digest };
        new.digest = new.computed();
        new
    }

    fn computed(&self) -> String {
        let bare = Self { digest: String::new(), ..self.clone() };
        blake3::hash(&serde_json::to_vec(&bare).unwrap_or_default()).to_hex().to_string()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// The manifest of the backup in `folder`.
    ///
    /// # Errors
    /// `E-BACKUP-NOT-FOUND`, `E-BACKUP-NEWER`, `E-BACKUP-DAMAGED`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = format!(
                    "{} is no backup: it has no file {MANIFEST}; give the folder that `pelton \
                     backup` was given",
                    folder.display()
                );
                return Err(Error::new("E-BACKUP-NOT-FOUND", Domain::User, text));
            }
            read => read.map_err(|error| io_error("read", &path, error))?,
        };
        #[derive(Deserialize)]
        struct Version {
            backup_format: u32,
        }
        let version = serde_json::from_slice::<Version>(&text);
        if let Ok(Version { backup_format: found @ 2.. }) = version {
            let text = format!(
                "{} has the backup format {found}, this build reads up to {FORMAT}: restore it \
                 with the pelton that made it, or a newer one",
                path.display()
            );
            return Err(Error::new("E-BACKUP-NEWER", Domain::User, text));
        }
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| damaged(&path, &format!("it cannot be read: {error}")))?;
        if manifest.computed() != manifest.digest {
            return Err(damaged(&path, "it does not match its digest"));
        }
        Ok(manifest)
    }
}

pub(super) fn damaged(path: &Path, problem: &str) -> Error {
    let text = format!(
        "{}: {problem}; nothing was restored: get this file from another copy of the backup, or \
         use another backup",
        path.display()
    );
    Error::new("E-BACKUP-DAMAGED", Domain::External, text)
}

/// Length and BLAKE3 of a file.
pub(super) fn digest_of(path: &Path) -> std::io::Result<(u64, String)> {
    let (mut file, mut hasher) = (File::open(path)?, blake3::Hasher::new());
    let (mut buffer, mut len) = (vec![0; 1 << 20], 0);
    loop {
        let some = file.read(&mut buffer)?;
        if some == 0 {
            return Ok((len, hasher.finalize().to_hex().to_string()));
        }
        hasher.update(&buffer[..some]);
        len += some as u64;
    }
}
