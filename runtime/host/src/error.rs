//! Why a module is refused, or the host cannot work with it.

use std::fmt;

use pelton_core::{Coded, Domain};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $domain:ident;)*) => {
        /// What kind of error, each with its stable code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
        }

        impl ErrorKind {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Who is at fault.
            #[must_use]
            pub fn domain(self) -> Domain {
                match self { $(Self::$name => Domain::$domain,)* }
            }
        }
    };
}

codes! {
    /// Not WebAssembly, cut short, or of another version of the format.
    Format = "E-MODULE-FORMAT", User;
    /// Compiled code (`.cwasm`, ELF): it is never loaded from outside.
    Precompiled = "E-MODULE-PRECOMPILED", User;
    /// WebAssembly that does not validate.
    Invalid = "E-MODULE-INVALID", User;
    /// A proposal that Pelton does not run.
    Proposal = "E-MODULE-PROPOSAL", User;
    /// Something in it is larger than a limit.
    Limit = "E-MODULE-LIMIT", User;
    /// It does not implement a world of Pelton's.
    World = "E-MODULE-WORLD", User;
    /// It imports what Pelton does not offer.
    Import = "E-MODULE-IMPORT", User;
    /// It imports an interface that the manifest does not grant.
    Grant = "E-MODULE-GRANT", User;
    /// The compiler refused it, or failed.
    Compile = "E-MODULE-COMPILE", User;
    /// The compiler was stopped at its limit of CPU time, wall time or memory.
    CompileLimit = "E-MODULE-COMPILE-LIMIT", User;
    /// A file of the host's could not be read or written, or a process not started.
    Io = "E-HOST-IO", External;
    /// The engine could not be set up.
    Engine = "E-HOST-ENGINE", Internal;
}

/// An error of this crate: what, which limit, what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// What kind of error.
    pub kind: ErrorKind,
    message: String,
}

/// A result whose error is [`HostError`].
pub type Result<T, E = HostError> = std::result::Result<T, E>;

impl HostError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The text without the code.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("{what}: {error}"))
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.kind.code())
    }
}

impl std::error::Error for HostError {}

impl Coded for HostError {
    fn code(&self) -> &'static str {
        self.kind.code()
    }

    fn domain(&self) -> Domain {
        self.kind.domain()
    }

    fn retryable(&self) -> bool {
        self.kind == ErrorKind::Io
    }
}

impl From<HostError> for pelton_core::Error {
    /// Code, domain and text, without the code twice.
    fn from(error: HostError) -> Self {
        let mut out = Self::new(error.code(), error.domain(), error.message.clone());
        out.retryable = error.retryable();
        out
    }
}
