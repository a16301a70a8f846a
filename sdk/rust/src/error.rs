//! What goes wrong in a function, and what becomes of the record.

use core::fmt;
use core::time::Duration;
use std::borrow::Cow;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What becomes of the record, group or timer that an error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It goes to the dead letters; what it did is taken back, the rest of the batch goes on.
    Reject,
    /// It is tried again after this many ms, and what is behind it with it. 0 leaves the wait to
    /// the host.
    Retry(i64),
    /// The call as a whole fails, with everything that it did.
    Fail,
}

/// An error of a function. What it says, the dead letter says.
///
/// ```
/// use pelton_sdk::{Error, Outcome};
///
/// let error = Error::reject("the amount is negative");
/// assert_eq!(error.outcome(), Outcome::Reject);
/// assert_eq!(Error::from("no such plane").to_string(), "no such plane");
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    message: Cow<'static, str>,
    outcome: Outcome,
}

impl Error {
    /// An error that sends the record to the dead letters: the record is at fault.
    pub fn reject(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), outcome: Outcome::Reject }
    }

    /// An error that may pass: the record is tried again.
    pub fn retry(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), outcome: Outcome::Retry(0) }
    }

    /// An error of the whole call: the function is at fault, or its configuration.
    pub fn fail(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), outcome: Outcome::Fail }
    }

    /// The same error, to be tried again no sooner than this.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.outcome = Outcome::Retry(wait.as_millis().min(i64::MAX as u128) as i64);
        self
    }

    /// The same error with another message.
    pub(crate) fn explained(&self, explain: impl FnOnce(&str) -> String) -> Self {
        Self { message: explain(&self.message).into(), outcome: self.outcome }
    }

    /// What becomes of the record.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<&'static str> for Error {
    fn from(message: &'static str) -> Self {
        Self::reject(message)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::reject(message)
    }
}

macro_rules! reject_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Error {
            fn from(error: $type) -> Self {
                Self::reject(error.to_string())
            }
        }
    )*};
}
reject_from!(
    serde_json::Error,
    rmp_serde::encode::Error,
    rmp_serde::decode::Error,
    core::str::Utf8Error,
    core::num::ParseIntError,
    core::num::ParseFloatError
);

impl From<pelton_batch::FormatError> for Error {
    /// The host wrote the batch, so its text is not worth the bytes of the component.
    fn from(_: pelton_batch::FormatError) -> Self {
        Self::fail("the host's batch is not one that this SDK reads")
    }
}
