//! What can go wrong in a guest call.

use std::fmt;

use crate::error::{Coded, Domain};

/// Kinds of faults, each with its stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest trapped: unreachable, out of bounds, division by zero, stack overflow.
    Trap,
    /// The call used more CPU time than its limit.
    Deadline,
    /// The guest asked for more memory than its limit and trapped for it.
    Memory,
    /// The answer is larger than its limit, or has too many operations.
    OutputSize,
    /// The answer is not a valid batch of operations.
    Malformed,
    /// An operation names an output, store, timer or cause that there is not.
    UnknownTarget,
    /// A record for a compacted topic has no key.
    KeyMissing,
    /// A state key, value or store is larger than its limit.
    StateSize,
    /// The function called an import that is there to be linked, and never run.
    Forbidden,
    /// A record does not say when it happened, where its input's `event_time` names a field.
    EventTime,
    /// The function answered `failure`.
    Failure,
    /// The function could not be instantiated or opened.
    Open,
    /// The host failed while it called the guest.
    Host,
}

impl FaultKind {
    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Trap => "E-GUEST-TRAP",
            Self::Deadline => "E-GUEST-DEADLINE",
            Self::Memory => "E-GUEST-MEMORY",
            Self::OutputSize => "E-GUEST-OUTPUT-SIZE",
            Self::Malformed => "E-GUEST-MALFORMED",
            Self::UnknownTarget => "E-GUEST-UNKNOWN-TARGET",
            Self::KeyMissing => "E-GUEST-KEY-MISSING",
            Self::StateSize => "E-GUEST-STATE-SIZE",
            Self::Forbidden => "E-GUEST-FORBIDDEN",
            Self::EventTime => "E-RECORD-TIME",
            Self::Failure => "E-GUEST-FAILURE",
            Self::Open => "E-GUEST-OPEN",
            Self::Host => "E-HOST",
        }
    }

    /// Whether a smaller batch may go through: such a fault halves the batch limit, and counts as
    /// poison only at one record.
    #[must_use]
    pub fn depends_on_batch_size(self) -> bool {
        matches!(self, Self::Deadline | Self::Memory | Self::OutputSize)
    }
}

/// A guest call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of fault.
    pub kind: FaultKind,
    /// What went wrong, in a sentence.
    pub message: String,
    /// The guest's stack, where there is one.
    pub backtrace: Option<String>,
    /// Whether the same call may succeed later (a `failure` that says so).
    pub retryable: bool,
}

impl Fault {
    /// A fault without a backtrace that a retry does not mend.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), backtrace: None, retryable: false }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.kind.code())
    }
}

impl std::error::Error for Fault {}

impl Coded for Fault {
    fn code(&self) -> &'static str {
        self.kind.code()
    }

    fn domain(&self) -> Domain {
        if self.kind == FaultKind::Host { Domain::Internal } else { Domain::Guest }
    }

    fn retryable(&self) -> bool {
        self.retryable
    }
}
