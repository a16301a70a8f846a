//! Keyed state of a task, in memory: named stores, timers and window panes.
//!
//! A [`TaskState`] is changed inside calls: [`TaskState::begin`], changes, and then
//! [`TaskState::accept`] or [`TaskState::rollback`]. What was accepted is handed out by
//! [`TaskState::take_changes`] as a batch of operations for the commit to journal, and
//! [`TaskState::replay`] repeats such a batch. [`TaskState::freeze`] gives a [`FrozenState`] that
//! another thread writes as a snapshot while calls go on.
//!
//! # Changes
//! A change is an operation whose target is the index of the store as declared, of the timer for
//! `SetTimer` and `CancelTimer`, or [`PANES`]. The timestamp of a `Put` or `Append` is the absolute
//! time at which the entry expires (none: never). A pane's key is its window's end and start (i64,
//! big endian, sign bit flipped, so that bytes sort as numbers), then 0 for no key, or 1 and the
//! key; the timestamp of its `Put` or `Append` is the number of its records and the schema is twice
//! the times that it has fired, plus one while it is pending, and two flags: that it has got records
//! since (2^31), and that it has fired on time (2^30). `MovePane` moves a pane to the key that
//! is its value: a session that has grown.
//!
//! **Invariant:** no clock, no threads, no files. A read never judges expiry, so that it depends on
//! the order of calls alone.

mod changes;
mod digest;
mod encoding;
mod error;
mod expiry;
mod key_list;
mod layers;
mod layout;
mod merge;
mod pane_index;
mod panes;
mod read;
mod replay;
mod retain;
mod sessions;
mod size;
mod slot;
mod snapshot;
mod space;
mod state;
mod stores;
mod table;
mod timers;
mod undo;
mod versions;
mod windows;

pub use error::StateError;
pub use layout::StateLayout;
pub use panes::PaneRef;
pub use read::Entry;
pub use retain::Part;
pub use size::{StateSize, StoreSize};
pub use snapshot::FrozenState;
pub use state::TaskState;
pub use timers::DueTimer;
pub use versions::VersionSearch;

/// Reserved target index of the window panes in a batch of changes.
pub const PANES: u16 = u16::MAX;

/// What an entry counts in sizes and towards `state_bytes` beside its key and value, bytes: about
/// what a table needs for it.
pub const ENTRY_BYTES: u64 = 64;

/// Number of the timers in undo records; no layout has that many stores.
pub(crate) const TIMERS: u16 = u16::MAX - 1;
