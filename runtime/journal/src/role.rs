//! Who may append: the file `ROLE`, where it is not this journal's owner.
//!
//! ```text
//! replica                    its frames come from the journal at URL
//! URL
//! promoting EPOCH TIME_MS    it stops being a replica: the epoch is being written
//! fenced EPOCH               another copy was promoted in EPOCH, and is at URL
//! URL
//! ```

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::storage::{Storage, read_all, replace};

pub(crate) const ROLE: &str = "ROLE";

/// Whether a journal takes commits of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Role {
    /// It does.
    #[default]
    Leader,
    /// It holds the frames of another journal, byte for byte, and takes no others.
    Replica {
        /// Where the other journal is.
        leader: String,
    },
    /// A copy of it was promoted: it takes nothing any more.
    Fenced {
        /// The copy's epoch.
        epoch: u64,
        /// Where the copy is, as far as that is known.
        by: String,
    },
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoleFile {
    Role(Role),
    Promoting { epoch: u64, time_ms: i64 },
}

impl RoleFile {
    /// Whether the frames that are not synced yet may be another journal's.
    pub(crate) fn is_copying(&self) -> bool {
        matches!(self, RoleFile::Role(Role::Replica { .. }) | RoleFile::Promoting { .. })
    }
}

impl Role {
    /// # Errors
    /// [`Error::Replica`], [`Error::Deposed`].
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Role::Leader => Ok(()),
            Role::Replica { leader } => Err(Error::Replica { leader: leader.clone() }),
            Role::Fenced { epoch, by } => Err(Error::Deposed { epoch: *epoch, by: by.clone() }),
        }
    }
}

pub(crate) fn read(storage: &dyn Storage) -> Result<RoleFile> {
    let path = format!("{}/{ROLE}", storage.name());
    let bytes = read_all(storage, ROLE).map_err(|error| Error::io("read", &*path, error))?;
    let Some(bytes) = bytes else { return Ok(RoleFile::Role(Role::Leader)) };
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
        let problem = "it does not say whether this is a replica: remove it only where no other \
                       copy of this journal takes commits";
        Error::malformed(path, problem)
    })
}

fn parse(text: &str) -> Option<RoleFile> {
    let (head, rest) = text.split_once('\n')?;
    let url = rest.lines().next().unwrap_or_default().to_owned();
    let mut words = head.split(' ');
    let role = match words.next()? {
        "replica" => Role::Replica { leader: url },
        "fenced" => Role::Fenced { epoch: words.next()?.parse().ok()?, by: url },
        "promoting" => {
            let (epoch, time_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            return Some(RoleFile::Promoting { epoch, time_ms });
        }
        _ => return None,
    };
    Some(RoleFile::Role(role))
}

pub(crate) fn write(storage: &dyn Storage, file: &RoleFile) -> Result<()> {
    let path = format!("{}/{ROLE}", storage.name());
    let mut text = String::new();
    let written = match file {
        RoleFile::Role(Role::Leader) => {
            let removed = match storage.remove(ROLE) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                other => other,
            };
            let synced = removed.and_then(|()| storage.sync_folder(""));
            return synced.map_err(|error| Error::io("remove", path, error));
        }
        RoleFile::Role(Role::Replica { leader }) => write!(text, "replica\n{leader}\n"),
        RoleFile::Role(Role::Fenced { epoch, by }) => write!(text, "fenced {epoch}\n{by}\n"),
        RoleFile::Promoting { epoch, time_ms } => writeln!(text, "promoting {epoch} {time_ms}"),
    };
    debug_assert!(written.is_ok(), "text takes everything");
    let written = replace(storage, ROLE, text.as_bytes());
    written.map_err(|error| Error::io("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_back_as_it_was_written() {
        let disk = crate::sim::SimDisk::new();
        assert_eq!(read(&disk).unwrap(), RoleFile::Role(Role::Leader));
        for file in [
            RoleFile::Role(Role::Replica { leader: "http://a:1".into() }),
            RoleFile::Promoting { epoch: 3, time_ms: -4 },
            RoleFile::Role(Role::Fenced { epoch: 9, by: String::new() }),
            RoleFile::Role(Role::Leader),
        ] {
            write(&disk, &file).unwrap();
            assert_eq!(read(&disk).unwrap(), file);
        }
        for text in ["", "replica", "who\n", "fenced\nx\n", "fenced x\ny\n", "promoting 1\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
