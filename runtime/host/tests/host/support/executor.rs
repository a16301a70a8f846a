//! Polls futures in turn on one thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

struct Ignore;

impl Wake for Ignore {
    fn wake(self: Arc<Self>) {}
}

/// Polls until it is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Ignore));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Polls until it is ready and does something else after each poll that was not the last; how
/// often that was.
pub(crate) fn round_robin<F: Future>(future: F, mut other: impl FnMut()) -> (F::Output, usize) {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Ignore));
    let mut context = Context::from_waker(&waker);
    let mut turns = 0;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (output, turns);
        }
        other();
        turns += 1;
    }
}
