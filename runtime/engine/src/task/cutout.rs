//! Cutting out of a task's state what some of its calls have to do with.

use std::sync::Arc;

use pelton_core::Result;
use pelton_state::Part;

use super::{Task, owned};
use crate::reads::{Reads, Touched};

impl Task {
    /// Takes down from now on what its calls touch.
    pub fn note_reads(&mut self) -> Arc<Reads> {
        let reads = Arc::new(Reads::default());
        self.reads = Some(Arc::clone(&reads));
        reads
    }

    /// Forgets all state but the entries that were read and the timers and windows of the keys that
    /// calls were about. Nothing of it is committed. To be called between two steps.
    ///
    /// # Errors
    /// `E-INTERNAL` while a call is under way.
    pub fn cut_out(&mut self, touched: &Touched) -> Result<()> {
        let is_touched = |key: Option<&[u8]>| touched.keys.contains(&key.map(Vec::from));
        owned(&mut self.state)?.retain(|part| match part {
            Part::Entry { store, key } => touched.entries.contains(&(store, key.to_vec())),
            Part::Timer { key } | Part::Pane { key } => is_touched(key),
        });
        Ok(())
    }
}
