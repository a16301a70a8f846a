//! Memory that is used again from call to call: what a batch is put together in.
//!
//! Batches have megabytes where a task is behind. Allocated anew for each call, their pages would be
//! given back to the system and fetched from it each time, which costs more than filling them.

use bytes::{Bytes, BytesMut};
use pelton_batch::{GroupsBuilder, RecordsBuilder};

/// The memory of one task. A task that rests lets go of it.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) records: RecordsBuilder,
    pub(crate) groups: GroupsBuilder,
    /// What the last batch was written to.
    buffer: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        let (records, groups) = (RecordsBuilder::new(), GroupsBuilder::by_member());
        Self { records, groups, buffer: Vec::new() }
    }
}

impl Scratch {
    /// An empty buffer for a batch.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Takes the memory of batches whose call is over, where nobody else holds it.
    pub(crate) fn reclaim(&mut self, batches: Vec<Bytes>) {
        for batch in batches {
            if let Ok(buffer) = Bytes::try_into_mut(batch) {
                self.keep(buffer);
            }
        }
    }

    fn keep(&mut self, buffer: BytesMut) {
        if buffer.capacity() > self.buffer.capacity() {
            self.buffer = Vec::from(buffer);
            self.buffer.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_batch_serves_the_next_one() {
        let mut scratch = Scratch::default();
        let mut batch = Vec::with_capacity(100);
        batch.extend_from_slice(b"batch");
        let address = batch.as_ptr();
        scratch.reclaim(vec![Bytes::from(batch)]);
        let buffer = scratch.buffer();
        assert_eq!((buffer.as_ptr(), buffer.len()), (address, 0));
    }

    #[test]
    fn a_batch_that_somebody_holds_is_left_alone() {
        let mut scratch = Scratch::default();
        let batch = Bytes::from(vec![7; 100]);
        scratch.reclaim(vec![batch.clone()]);
        assert_eq!(scratch.buffer().capacity(), 0);
        assert_eq!(&batch[..], [7; 100]);
    }
}
