//! How large the state is.

use crate::space::Space;
use crate::state::TaskState;

/// Size of one store, of the timers or of the panes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreSize {
    /// The store's name; `timers` and `panes` for those.
    pub name: String,
    /// Entries.
    pub entries: u64,
    /// Bytes: key, value and [`crate::ENTRY_BYTES`] for each entry.
    pub bytes: u64,
}

/// Size of a task's state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateSize {
    /// The stores by index, and behind them those that are kept but no longer declared.
    pub stores: Vec<StoreSize>,
    /// The timers.
    pub timers: StoreSize,
    /// The panes.
    pub panes: StoreSize,
}

impl StateSize {
    /// Bytes of everything: what the limit `state_bytes` is about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let stores: u64 = self.stores.iter().map(|store| store.bytes).sum();
        stores + self.timers.bytes + self.panes.bytes
    }

    /// Entries of everything.
    #[must_use]
    pub fn entries(&self) -> u64 {
        let stores: u64 = self.stores.iter().map(|store| store.entries).sum();
        stores + self.timers.entries + self.panes.entries
    }
}

impl TaskState {
    /// The size of each part. Cheap: sizes are kept up to date.
    #[must_use]
    pub fn size(&self) -> StateSize {
        let of = |name: &str, space: &Space| StoreSize {
            name: name.to_owned(),
            entries: space.entries,
            bytes: space.bytes,
        };
        StateSize {
            stores: self.stores.iter().map(|s| of(&s.declaration.name, &s.space)).collect(),
            timers: of("timers", &self.timers.space),
            panes: of("panes", &self.panes.space),
        }
    }
}
