//! Timers of a worker: futures that wait for a moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

struct Entry {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// Timers of one worker. Clones are the same timers.
#[derive(Clone, Default)]
pub struct Timers(Arc<Mutex<BinaryHeap<Reverse<Entry>>>>);

impl Timers {
    /// A future that is ready after `duration`.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { timers: self.clone(), at: Instant::now() + duration }
    }

    fn add(&self, at: Instant, waker: Waker) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Reverse(Entry { at, waker }));
    }

    /// Wakes whatever is due; answers how long it is until the next.
    pub(super) fn fire(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut due = Vec::new();
        let next = {
            let mut heap = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                match heap.peek() {
                    Some(Reverse(entry)) if entry.at <= now => {
                        due.extend(heap.pop().map(|Reverse(entry)| entry.waker));
                    }
                    Some(Reverse(entry)) => break Some(entry.at - now),
                    None => break None,
                }
            }
        };
        due.into_iter().for_each(Waker::wake);
        next
    }
}

/// Ready after a moment.
pub struct Sleep {
    timers: Timers,
    at: Instant,
}

impl Sleep {
    /// Whether the moment has come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        self.timers.add(self.at, context.waker().clone());
        Poll::Pending
    }
}
