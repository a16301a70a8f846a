//! What the cleaner did to a topic.

use std::ops::Add;

/// What a round of [`crate::Journal::clean`] did to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// The time of the round, ms.
    pub at_ms: i64,
    /// Offsets that retention released.
    pub records_released: u64,
    /// Records that compaction removed.
    pub records_compacted: u64,
    /// Bytes of the batches that compaction wrote.
    pub bytes_rewritten: u64,
}

impl Add for Cleaned {
    type Output = Cleaned;

    fn add(self, more: Cleaned) -> Cleaned {
        Cleaned {
            at_ms: more.at_ms,
            records_released: self.records_released + more.records_released,
            records_compacted: self.records_compacted + more.records_compacted,
            bytes_rewritten: self.bytes_rewritten + more.bytes_rewritten,
        }
    }
}
