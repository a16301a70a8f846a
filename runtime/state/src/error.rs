//! What can go wrong with state.

use pelton_batch::{FormatError, OpKind};
use pelton_core::limits::Limit;
use pelton_core::{Coded, Domain, FaultKind};

/// Why the state could not be read, changed or restored.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Something would be larger than its limit. Nothing was changed.
    #[error(
        "{what}: {amount} {unit}, but the limit `{name}` is {value} {unit}; make it smaller or \
         raise `{name}`"
    )]
    Limit {
        /// Name of the limit.
        name: &'static str,
        /// What is counted.
        unit: &'static str,
        /// The limit.
        value: u64,
        /// What it would have become.
        amount: u64,
        /// What is too large: a store's key, a pane.
        what: String,
    },
    /// An operation or a read names a store that the layout does not have.
    #[error("there is no store {target}: the function declares {declared} of them, from 0 on")]
    UnknownStore {
        /// The index that was named.
        target: u16,
        /// Number of declared stores.
        declared: usize,
    },
    /// An operation names a timer that the layout does not have.
    #[error("there is no timer {target}: the function declares {declared} of them, from 0 on")]
    UnknownTimer {
        /// The index that was named.
        target: u16,
        /// Number of declared timers.
        declared: usize,
    },
    /// A scan of a store that has no order.
    #[error("store `{store}` is of kind kv, which has no order: declare it as ordered to scan it")]
    NotOrdered {
        /// Name of the store.
        store: String,
    },
    /// The operation does not change state, or lacks what its kind needs.
    #[error("operation {row} ({kind:?}) is no change of state: {what}")]
    Operation {
        /// Its index in the list.
        row: usize,
        /// Its kind.
        kind: OpKind,
        /// What is wrong.
        what: &'static str,
    },
    /// Bytes that should be a batch of changes are none.
    #[error("state changes cannot be read: {0}")]
    Format(#[from] FormatError),
    /// A snapshot was written by a version that this one does not know.
    #[error(
        "the snapshot has format version {found}, this version reads 1 to {known}: use the \
         version that wrote it, or a newer one"
    )]
    SnapshotVersion {
        /// The version in the snapshot.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// A snapshot is damaged.
    #[error("the snapshot is damaged at byte {at}: {what}; restore an older one, or replay")]
    Snapshot {
        /// Where, in bytes from its start.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// A snapshot could not be read.
    #[error("the snapshot cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

impl StateError {
    /// Nothing where `amount` is within the limit; else the error, with `what` evaluated for it.
    pub(crate) fn check<S: Into<String>>(
        limit: &Limit,
        amount: u64,
        what: impl FnOnce() -> S,
    ) -> Result<(), Self> {
        if limit.allows(amount) {
            return Ok(());
        }
        let Limit { name, unit, value, .. } = *limit;
        Err(Self::Limit { name, unit, value, amount, what: what().into() })
    }

    /// The fault that a guest commits when one of its operations ends in this error.
    #[must_use]
    pub fn fault_kind(&self) -> FaultKind {
        match self {
            Self::Limit { .. } => FaultKind::StateSize,
            Self::UnknownStore { .. } | Self::UnknownTimer { .. } => FaultKind::UnknownTarget,
            Self::NotOrdered { .. } | Self::Operation { .. } | Self::Format(_) => {
                FaultKind::Malformed
            }
            Self::SnapshotVersion { .. } | Self::Snapshot { .. } | Self::Io(_) => FaultKind::Host,
        }
    }
}

impl Coded for StateError {
    fn code(&self) -> &'static str {
        match self {
            Self::Limit { .. } | Self::UnknownStore { .. } | Self::UnknownTimer { .. } => {
                self.fault_kind().code()
            }
            Self::NotOrdered { .. } => "E-STATE-NOT-ORDERED",
            Self::Operation { .. } => "E-STATE-OPERATION",
            Self::Format(_) => "E-STATE-CHANGES",
            Self::SnapshotVersion { .. } => "E-SNAPSHOT-VERSION",
            Self::Snapshot { .. } => "E-SNAPSHOT-DAMAGED",
            Self::Io(_) => "E-SNAPSHOT-IO",
        }
    }

    fn domain(&self) -> Domain {
        match self {
            Self::Limit { .. }
            | Self::UnknownStore { .. }
            | Self::UnknownTimer { .. }
            | Self::NotOrdered { .. }
            | Self::Operation { .. } => Domain::Guest,
            Self::Format(_) => Domain::Internal,
            Self::SnapshotVersion { .. } => Domain::User,
            Self::Snapshot { .. } | Self::Io(_) => Domain::External,
        }
    }
}
