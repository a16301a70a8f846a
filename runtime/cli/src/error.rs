//! Errors as a person reads them: a code, what went wrong, and what to do next.

use std::fmt;
use std::io;
use std::path::Path;

use pelton_core::{Coded, Domain};

use crate::exit::Exit;

/// Why a command could not be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// The stable code.
    pub code: String,
    /// What went wrong, and where.
    pub text: String,
    /// What to do about it.
    pub next: Option<String>,
    /// The exit code.
    pub exit: Exit,
}

/// A result of the command line.
pub(crate) type Result<T, E = CliError> = std::result::Result<T, E>;

impl CliError {
    pub(crate) fn new(code: &str, exit: Exit, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), next: None, exit }
    }

    /// Something that was given cannot be used.
    pub(crate) fn bad_input(code: &str, text: impl Into<String>) -> Self {
        Self::new(code, Exit::BadInput, text)
    }

    /// The same error, with what to do about it.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A coded error of another crate.
    pub(crate) fn coded(error: &dyn Coded) -> Self {
        Self::of(error.code(), error.domain(), &error.to_string())
    }

    fn of(code: &str, domain: Domain, text: &str) -> Self {
        let exit = match domain {
            _ if code.ends_with("-NOT-FOUND") => Exit::NotFound,
            // A folder in use, a full disk: nothing is wrong with what was given.
            _ if code.starts_with("E-JOURNAL") => Exit::Failure,
            Domain::User => Exit::BadInput,
            Domain::Guest => Exit::Function,
            Domain::External | Domain::Internal => Exit::Failure,
        };
        let text = text.replace(&format!(" [{code}]"), "");
        Self { next: next_step(code).map(str::to_owned), ..Self::new(code, exit, text) }
    }

    /// A file or folder that could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let path = path.display();
        let text = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("cannot {doing} {path}: there is no such file or folder")
            }
            _ => format!("cannot {doing} {path}: {error}"),
        };
        let (code, exit) = match error.kind() {
            io::ErrorKind::NotFound => ("E-FILE-NOT-FOUND", Exit::NotFound),
            _ => ("E-FILE", Exit::Failure),
        };
        let next = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "choose another place, or change its permissions",
            io::ErrorKind::StorageFull => "free some space and run it again",
            _ => "check that it can be used, and that its disk works",
        };
        Self::new(code, exit, text).next(next)
    }
}

/// What to do about an error whose text does not say it.
pub(crate) fn next_step(code: &str) -> Option<&'static str> {
    Some(match code {
        "E-JOURNAL-IO" => "check that the folder can be written to, and that its disk works",
        "E-JOURNAL-NEWER" => "run the newer pelton on it; `pelton version` says which this one is",
        "E-JOURNAL-POISONED" => {
            "check the disk, then start it again: all that was acknowledged is there"
        }
        "E-JOURNAL-FULL" => "free some space on the disk, then run the same command again",
        "E-GUEST-TRAP" | "E-GUEST-OPEN" => "look at the function's log and backtrace with -v",
        "E-GUEST-DEADLINE" => "make the function faster, or raise `call_cpu_ms` in [limits]",
        "E-GUEST-MEMORY" => "use less memory in the function, or raise `memory_bytes` in [limits]",
        "E-HTTP-OPEN" => "`pelton token create NAME --data-dir DIR` makes one; then start it again",
        "E-HTTP-ADDRESS" => "give --listen another address; port 0 takes a free port",
        "E-MANIFEST" => {
            "mend these lines; `pelton schema` prints every key with what it takes, as editors read it"
        }
        _ if code.starts_with("E-MODULE") => "`pelton check FILE` shows what is in a module",
        _ => return None,
    })
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.text, self.code)
    }
}

impl std::error::Error for CliError {}

impl From<pelton_core::Error> for CliError {
    fn from(error: pelton_core::Error) -> Self {
        Self::of(error.code, error.domain, &error.to_string())
    }
}

/// What could not be written to stdout. A reader that has gone away is no error: see `Ui`.
impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::new("E-OUTPUT", Exit::Failure, format!("cannot write the output: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_error_keeps_its_code_and_says_it_once() {
        let error = pelton_core::Error::new("E-JOURNAL-LOCKED", Domain::User, "in use");
        let error = CliError::from(error);
        assert_eq!((error.code.as_str(), error.text.as_str()), ("E-JOURNAL-LOCKED", "in use"));
        assert_eq!(error.next, None, "the journal's own text says what to do");
        assert_eq!(error.exit, Exit::Failure);
    }

    #[test]
    fn who_is_at_fault_decides_the_exit_code() {
        let exit = |domain| CliError::from(pelton_core::Error::new("E-X", domain, "x")).exit;
        assert_eq!(exit(Domain::User), Exit::BadInput);
        assert_eq!(exit(Domain::Guest), Exit::Function);
        assert_eq!(exit(Domain::Internal), Exit::Failure);
    }
}
