//! Before a replica is opened: whether its data directory can follow, or needs a new copy.

use std::path::Path;
use std::time::Duration;

use pelton_core::{Domain, Error, Result};
use pelton_journal::{Config, Journal, Role};

use super::{LeaderClient, copy};
use crate::data::of;

/// What a data directory was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prepared {
    /// A replica that goes on behind this commit.
    GoesOn(u64),
    /// A new copy, which ends with this commit.
    Copied(u64),
    /// An old leader whose log is a first part of the new one's: it follows now, behind this commit.
    Joined(u64),
    /// A replica that goes on behind this commit, once the leader answers: why it does not.
    Waits(u64, String),
}

/// Makes `directory`, which nobody has open, a replica of `leader`. One that is empty, or whose next
/// commit the leader has no longer, gets a copy.
///
/// # Errors
/// `E-REPLICA-DIVERGED` names the commits that only this directory has, which is left as it is;
/// `E-REPLICA-JOURNAL`, `E-REPLICA-EPOCH`, `E-REPLICA-BEHIND` for an old leader,
/// `E-REPLICA-LEADER` where the leader is needed and does not answer; those of the journal.
pub fn prepare(directory: &Path, leader: &LeaderClient) -> Result<Prepared> {
    let has_data = directory.join("FORMAT").exists() || directory.join("copy/READY").exists();
    if !has_data {
        return copied(leader, directory);
    }
    let journal = Journal::open(directory, Config::default()).map_err(of)?;
    let role = journal.role();
    let seq = journal.appended();
    if role == Role::Leader && seq == 0 {
        drop(journal);
        return copied(leader, directory);
    }
    let asked = leader.frames(&journal, Duration::ZERO, 0);
    let is_replica = matches!(role, Role::Replica { .. });
    match asked {
        Ok(_) => {
            journal.follow(leader.base()).map_err(of)?;
            Ok(if is_replica { Prepared::GoesOn(seq) } else { Prepared::Joined(seq) })
        }
        Err(error) if error.code == "E-REPLICA-BEHIND" && is_replica => {
            drop(journal);
            copied(leader, directory)
        }
        Err(error) if is_replica && may_pass(&error) => Ok(Prepared::Waits(seq, error.to_string())),
        Err(error) => Err(kept(directory, error)),
    }
}

fn copied(leader: &LeaderClient, directory: &Path) -> Result<Prepared> {
    Ok(Prepared::Copied(copy::take(leader, directory)?.seq))
}

fn may_pass(error: &Error) -> bool {
    error.retryable || matches!(error.code, "E-REPLICA-READ-ONLY" | "E-REPLICA-FENCED")
}

/// The same error, with what becomes of what is here.
fn kept(directory: &Path, error: Error) -> Error {
    if error.retryable {
        return error;
    }
    let text = format!(
        "{}; {} was left as it is: keep it for what only it has, and follow with an empty data \
         directory",
        error.to_string().replace(&format!(" [{}]", error.code), ""),
        directory.display()
    );
    Error::new(error.code, Domain::External, text)
}
