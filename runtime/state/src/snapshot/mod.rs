//! Snapshots: the frozen tables of a state, written by another thread and read back at a start.
//!
//! # Format, version 1 (all numbers little endian)
//! A file is the magic `PLTNSNAP`, the version (u32), and blocks. A block is the length of its
//! payload (u32), a CRC-32 and the payload; the CRC covers the block's number (u64), the length and
//! the payload, so that a block that is changed, missing, doubled or moved is found. A block without
//! payload ends the file. The payloads, one behind the other, are:
//! - the number of stores (u16); for each its name (u16 length, UTF-8), kind (u8: 0 kv, 1 ordered),
//!   schema version (u32) and number of entries (u64);
//! - the number of timers (u16); for each its name and domain (u8: 0 event, 1 processing time);
//! - the number of timers that are set (u64) and the number of panes (u64);
//! - the entries of each store, then the timers that are set, then the panes: for each the length
//!   of its key (u32) and value (u32), its number (i64), tag (u32), key and value.

mod blocks;
mod read;
mod thaw;
mod write;

use std::sync::Arc;

use pelton_core::{StoreDeclaration, TimerDeclaration};

use crate::state::TaskState;
use crate::table::Table;

const MAGIC: &[u8; 8] = b"PLTNSNAP";
const VERSION: u32 = 1;

/// A state as it was at one moment. Dropping it lets [`TaskState::fold`] begin.
#[derive(Debug)]
pub struct FrozenState {
    stores: Vec<(StoreDeclaration, Arc<Table>)>,
    timers: Vec<TimerDeclaration>,
    timer_table: Arc<Table>,
    pane_table: Arc<Table>,
    key_windows: bool,
    fresh: bool,
}

impl TaskState {
    /// The state as it is now, to be written by another thread. Takes the same time whatever the
    /// size of the state, if an earlier freeze has been folded back: [`TaskState::fold`] answered
    /// true. Otherwise it folds at once, and copies what an earlier `FrozenState` still holds.
    ///
    /// To be called between calls.
    #[must_use]
    pub fn freeze(&mut self) -> FrozenState {
        debug_assert!(!self.undo.is_open(), "a call is open: accept it or roll it back first");
        let stores = self.stores.iter_mut();
        FrozenState {
            stores: stores.map(|s| (s.declaration.clone(), s.space.layers.freeze())).collect(),
            timers: self.timers.declarations.clone(),
            timer_table: self.timers.space.layers.freeze(),
            pane_table: self.panes.space.layers.freeze(),
            key_windows: self.panes.key_windows.is_some(),
            fresh: self.panes.fresh.is_some(),
        }
    }
}
