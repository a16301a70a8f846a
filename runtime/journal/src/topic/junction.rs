//! Where what a task writes to a partition goes straight to the one task that reads it, in one
//! commit of both.
//!
//! A partition takes part once it is switched on. Its reader, at the end of the partition, waits
//! here. A writer that finds it waiting does not append: it offers its commit and waits in its turn.
//! The reader takes the records as though it had read them, and its own commit is written together
//! with the writer's, in one frame in which the records between the two leave a batch without
//! records: their offsets are used, their bytes are not kept. In every other case the writer's commit
//! is appended as it is, and the reader finds the records in the partition.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::adapter::Held;
use crate::locks::lock;

/// A partition's junction. See [`self`].
#[derive(Default)]
pub(crate) struct Junction {
    is_on: AtomicBool,
    /// Whether it ever was: what was begun then is brought to its end.
    was_on: AtomicBool,
    /// Records that have gone this way.
    passed: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
enum State {
    /// Nobody waits.
    #[default]
    Apart,
    /// The reader is at the end of the partition, and waits.
    Waiting(Waker),
    /// A writer's commit, the last of those that wait for one another.
    Offered(Vec<Held>),
    /// The reader has its records.
    Taken(Vec<Held>),
}

/// How an offer has ended.
pub(crate) enum Answer {
    /// It is appended, as part of this commit.
    Appended(u64),
    /// It is not: whoever made it has it back.
    Returned(Vec<Held>),
}

/// Where whoever made an offer waits for the answer.
#[derive(Default)]
pub(crate) struct Reply(Mutex<(Option<Answer>, Option<Waker>)>);

impl Reply {
    pub(crate) fn give(&self, answer: Answer) {
        let mut reply = lock(&self.0);
        reply.0 = Some(answer);
        if let Some(waker) = reply.1.take() {
            waker.wake();
        }
    }

    fn poll(&self, context: &Context<'_>) -> Poll<Answer> {
        let mut reply = lock(&self.0);
        match reply.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                reply.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Junction {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    pub(crate) fn was_on(&self) -> bool {
        self.was_on.load(Ordering::Acquire)
    }

    pub(crate) fn switch(&self, on: bool) {
        self.was_on.fetch_or(on, Ordering::AcqRel);
        self.is_on.store(on, Ordering::Release);
    }

    /// Records that have gone straight from one task to the other since the journal was opened.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, rows: u32) {
        self.passed.fetch_add(u64::from(rows), Ordering::Relaxed);
    }

    /// The reader waits. Ready where there is an offer.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<()> {
        let mut state = lock(&self.state);
        match &mut *state {
            State::Offered(_) => Poll::Ready(()),
            State::Taken(_) => Poll::Pending,
            waiting => {
                *waiting = State::Waiting(waker.clone());
                Poll::Pending
            }
        }
    }

    /// Whether the reader waits for an offer.
    pub(crate) fn is_awaited(&self) -> bool {
        matches!(*lock(&self.state), State::Waiting(_))
    }

    /// Offers commits, of which the last one writes to this partition, and waits for what becomes of
    /// them. A reader that does not take them at once is not waited for.
    pub(crate) async fn offer(&self, offer: Vec<Held>, reply: Arc<Reply>) -> Answer {
        let reader = match &mut *lock(&self.state) {
            state @ State::Waiting(_) => std::mem::replace(state, State::Offered(offer)),
            _ => return Answer::Returned(offer),
        };
        if let State::Waiting(reader) = reader {
            reader.wake();
        }
        let mut looked = false;
        poll_fn(|context| {
            if let Poll::Ready(answer) = reply.poll(context) {
                return Poll::Ready(answer);
            }
            if !std::mem::replace(&mut looked, true) {
                // The reader's turn comes before this one's next.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.withdraw() {
                Some(offer) => Poll::Ready(Answer::Returned(offer)),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn withdraw(&self) -> Option<Vec<Held>> {
        let mut state = lock(&self.state);
        match std::mem::take(&mut *state) {
            State::Offered(offer) => Some(offer),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Takes what is offered, where that begins at `offset`: hands `read` the commit that writes here.
    pub(crate) fn take<T>(&self, read: impl FnOnce(&mut Held) -> T) -> Option<T> {
        let mut state = lock(&self.state);
        match std::mem::take(&mut *state) {
            State::Offered(mut offer) => {
                let read = offer.last_mut().map(read);
                *state = State::Taken(offer);
                read
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// The commits whose records the reader has, to be appended with its own.
    pub(crate) fn taken(&self) -> Option<Vec<Held>> {
        let mut state = lock(&self.state);
        match std::mem::take(&mut *state) {
            State::Taken(taken) => Some(taken),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The reader is gone: nobody waits for it, and what it has taken goes back.
    pub(crate) fn leave(&self) {
        let state = std::mem::take(&mut *lock(&self.state));
        if let State::Taken(taken) | State::Offered(taken) = state {
            give_back(taken);
        }
    }
}

/// Gives commits that were not appended back to whoever offered them last.
pub(crate) fn give_back(offer: Vec<Held>) {
    if let Some(reply) = offer.last().map(|held| Arc::clone(&held.reply)) {
        reply.give(Answer::Returned(offer));
    }
}
