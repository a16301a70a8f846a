//! Waiting for records of a partition.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::{Partition, Visibility};
use crate::durability::Durability;
use crate::error::Result;
use crate::locks::lock;

/// Who waits for a partition. One short lock, taken by an append once.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    next_id: u64,
    /// To be woken by the next append, and by the next append's being durable.
    appended: BTreeMap<u64, Waker>,
    durable: BTreeMap<u64, Waker>,
}

impl State {
    fn of(&mut self, visibility: Visibility) -> &mut BTreeMap<u64, Waker> {
        match visibility {
            Visibility::Appended => &mut self.appended,
            Visibility::Durable => &mut self.durable,
        }
    }

    fn take_all(&mut self) -> Vec<Waker> {
        let of = [std::mem::take(&mut self.appended), std::mem::take(&mut self.durable)];
        of.into_iter().flat_map(BTreeMap::into_values).collect()
    }
}

impl Waiting {
    /// Commit `seq` was appended to the partition and is visible: hands over those who waited
    /// for that, and lets the others wait for the commit's sync.
    pub(crate) fn appended(&self, seq: u64, durability: &Durability, wakers: &mut Vec<Waker>) {
        let mut state = lock(&self.0);
        wakers.extend(std::mem::take(&mut state.appended).into_values());
        let durable = std::mem::take(&mut state.durable);
        drop(state);
        if !durable.is_empty() {
            wakers.extend(durability.wake_at(seq, durable.into_values().collect()));
        }
    }

    /// There is nothing more to wait for.
    pub(crate) fn wake_all(&self) {
        let wakers = lock(&self.0).take_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A consumer's place among those who wait for a partition's records. It wakes by a [`Waker`],
/// without polling in between; dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Waiter {
    partition: Partition,
    id: u64,
}

impl Partition {
    /// A new place among those who wait.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        let mut state = lock(&self.waiting().0);
        state.next_id += 1;
        Waiter { partition: self.clone(), id: state.next_id }
    }

    /// Waits until the record at `offset` can be seen (or is known to be gone); answers the end of
    /// what can be seen, which is behind `offset`.
    ///
    /// # Errors
    /// [`crate::Error::UnknownTopic`] once the topic was deleted,
    /// [`crate::Error::Poisoned`] once the journal stopped.
    pub fn wait_for(
        &self,
        offset: u64,
        visibility: Visibility,
    ) -> impl Future<Output = Result<u64>> + Send + use<> {
        let waiter = self.waiter();
        poll_fn(move |context| waiter.poll(offset, visibility, context.waker()))
    }
}

impl Waiter {
    /// As [`Partition::wait_for`]: ready, or `waker` is woken when it is worth asking again. The
    /// last waker counts.
    ///
    /// # Errors
    /// As [`Partition::wait_for`], within `Ready`.
    pub fn poll(&self, offset: u64, visibility: Visibility, waker: &Waker) -> Poll<Result<u64>> {
        // First the place, then a look: what happens in between wakes.
        lock(&self.partition.waiting().0).of(visibility).insert(self.id, waker.clone());
        let ready = self.look(offset, visibility, waker);
        if ready.is_ready() {
            self.leave();
        }
        ready
    }

    fn look(&self, offset: u64, visibility: Visibility, waker: &Waker) -> Poll<Result<u64>> {
        let partition = &self.partition;
        if let Err(error) = partition.check_exists().and_then(|()| partition.durability().check()) {
            return Poll::Ready(Err(error));
        }
        let end = partition.end(visibility);
        if end > offset {
            return Poll::Ready(Ok(end));
        }
        // Appended, but not durable: what is missing is a sync.
        let missing = partition.with_index(|index| index.find(offset).map(|entry| entry.seq));
        let Some(seq) = missing.filter(|_| visibility == Visibility::Durable) else {
            return Poll::Pending;
        };
        self.leave();
        match partition.durability().poll(seq, waker) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(Ok(partition.end(visibility))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn leave(&self) {
        let mut state = lock(&self.partition.waiting().0);
        state.appended.remove(&self.id);
        state.durable.remove(&self.id);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Lets everyone who waits for a partition hear when the journal stops.
pub(crate) fn watch(waiting: &Arc<Waiting>, durability: &Durability) {
    durability.watch(Arc::downgrade(waiting));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::{PartitionIndex, TopicId};

    fn partition() -> Partition {
        let (name, deleted) = ("t/in".into(), Arc::default());
        let durability = Arc::new(Durability::new(0));
        Partition::new(TopicId(0), &name, 0, PartitionIndex::default(), &deleted, &durability)
    }

    fn waiting(partition: &Partition) -> usize {
        let state = lock(&partition.waiting().0);
        state.appended.len() + state.durable.len()
    }

    #[test]
    fn who_stops_waiting_leaves_nothing_behind() {
        let partition = partition();
        let waiter = partition.waiter();
        for visibility in [Visibility::Appended, Visibility::Durable, Visibility::Durable] {
            assert!(waiter.poll(0, visibility, Waker::noop()).is_pending());
        }
        assert_eq!(waiting(&partition), 2, "one place for each visibility");
        drop(waiter);
        assert_eq!(waiting(&partition), 0);
        drop(partition.wait_for(0, Visibility::Durable));
        assert_eq!(waiting(&partition), 0);
    }

    #[test]
    fn the_journal_forgets_partitions_that_are_gone() {
        let durability = Arc::new(Durability::new(0));
        for _ in 0..1_000 {
            let (name, deleted) = ("t/in".into(), Arc::default());
            let index = PartitionIndex::default();
            let _ = Partition::new(TopicId(0), &name, 0, index, &deleted, &durability);
        }
        assert!(durability.watched() <= 64, "{}", durability.watched());
    }
}
