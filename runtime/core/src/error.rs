//! Errors that know their stable code, who is at fault and whether to try again.

use std::fmt;

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The person who called: a bad name, a bad manifest, a bad record.
    User,
    /// The function.
    Guest,
    /// Something that Pelton depends on: a disk, a broker.
    External,
    /// Pelton itself: a bug.
    Internal,
}

/// What every error of Pelton can tell beside its text.
pub trait Coded: std::error::Error {
    /// The stable code, such as `E-JOURNAL-LOCKED`.
    fn code(&self) -> &'static str;
    /// Who is at fault.
    fn domain(&self) -> Domain;
    /// Whether the same call may succeed later.
    fn retryable(&self) -> bool {
        false
    }
}

/// An error where it crosses a crate: code, domain and whether to retry are kept, the rest is text.
#[derive(Debug)]
pub struct Error {
    /// The stable code.
    pub code: &'static str,
    /// Who is at fault.
    pub domain: Domain,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The code of an error of a commit: what the task has read is not what was appended. The task must be
/// started again from its last commit; nothing is lost by that.
pub const COMMIT_STALE: &str = "E-COMMIT-STALE";

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that is not worth a retry.
    pub fn new(code: &'static str, domain: Domain, message: impl Into<String>) -> Self {
        Self { code, domain, retryable: false, message: message.into(), source: None }
    }

    /// The same error, worth a retry.
    #[must_use]
    pub fn retry(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(cause));
        self
    }

    /// The same error in other words.
    #[must_use]
    pub fn reworded(mut self, text: impl FnOnce(&str) -> String) -> Self {
        self.message = text(&self.message);
        self
    }

    /// Code, domain and text of a coded error of one crate, for the next.
    pub fn from_coded(error: impl Coded + Send + Sync + 'static) -> Self {
        Self {
            code: error.code(),
            domain: error.domain(),
            retryable: error.retryable(),
            message: error.to_string(),
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
