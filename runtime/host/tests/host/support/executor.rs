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
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Ignore));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Polls both in turn until the first is ready; how often the second was ready meanwhile, if it is
/// made again each time.
pub fn round_robin<A: Future, B: Future>(
    first: A,
    mut make_second: impl FnMut() -> B,
) -> (A::Output, usize) {
    let mut first = pin!(first);
    let waker = Waker::from(Arc::new(Ignore));
    let mut context = Context::from_waker(&waker);
    let mut done = 0;
    loop {
        if let Poll::Ready(output) = first.as_mut().poll(&mut context) {
            return (output, done);
        }
        block_on(make_second());
        done += 1;
    }
}
