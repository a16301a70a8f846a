//! The journal as the engine's [`pelton_core::Source`] and [`pelton_core::Sink`].

mod fused;
mod sink;
mod snapshots;
mod source;

pub(crate) use fused::Held;
pub use sink::JournalSink;
pub use source::JournalSource;

use pelton_core::{Coded, Domain};

use crate::error::Error;

impl Coded for Error {
    fn code(&self) -> &'static str {
        Error::code(self)
    }

    fn domain(&self) -> Domain {
        match self {
            Error::NewerFormat { .. }
            | Error::Limit { .. }
            | Error::BadName { .. }
            | Error::TopicExists { .. }
            | Error::UnknownTopic { .. }
            | Error::UnknownPartition { .. }
            | Error::OffsetOutOfRange { .. }
            | Error::KeyMissing { .. }
            | Error::Keyless { .. }
            | Error::BackupTarget { .. }
            | Error::FramesGone { .. }
            | Error::FramesAhead { .. }
            | Error::Diverged { .. }
            | Error::EpochOlder { .. }
            | Error::NoReplica
            | Error::Unproven { .. }
            | Error::UnknownArtefact { .. } => Domain::User,
            Error::Locked { .. }
            | Error::Malformed { .. }
            | Error::Corrupt { .. }
            | Error::Full { .. }
            | Error::Poisoned { .. }
            | Error::FrameRefused { .. }
            | Error::Replica { .. }
            | Error::Deposed { .. }
            | Error::TopicChanged { .. }
            | Error::Io { .. } => Domain::External,
            Error::Unreadable { .. } | Error::UnknownTask { .. } | Error::Fenced { .. } => {
                Domain::Internal
            }
        }
    }

    fn retryable(&self) -> bool {
        self.is_retryable()
    }
}

fn of(error: Error) -> pelton_core::Error {
    pelton_core::Error::from_coded(error)
}
