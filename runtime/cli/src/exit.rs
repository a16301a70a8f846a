//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Pelton, or something that it depends on, failed.
    Failure = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// A record, manifest, module or name cannot be used.
    BadInput = 3,
    /// The function failed, and the run was stopped for it.
    Function = 4,
    /// A file, project, topic, function or tool is not there.
    NotFound = 5,
    /// Done, but some records went to the dead letters or were left out.
    DeadLetters = 6,
    /// Not done: it asks first, and was not told to go on.
    Unconfirmed = 7,
    /// Interrupted from the keyboard.
    Interrupted = 130,
}

/// What `--help` says about them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    Pelton, or something that it depends on, failed
  2    the command line cannot be understood
  3    bad input: a record, manifest, module or name cannot be used
  4    the function failed and the run was stopped
  5    a file, project, topic, function or tool is not there
  6    done, but some records were rejected (dead letters), or a replay, capsule or fixture differs
  7    not done: it asks first, and nobody said yes (--yes goes on without asking)
  130  interrupted

stdout carries data only; messages, progress and errors go to stderr.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
