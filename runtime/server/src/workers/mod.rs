//! Workers: OS threads, each with a run queue of its own. A task stays on the worker that it was
//! given to. Which task runs next is decided by the CPU time that its tenant has had.

mod timers;
mod waker;
mod worker;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use pelton_core::{BoxFuture, TenantId};

pub use timers::Timers;
use worker::Shared;
pub use worker::yield_now;

/// Most calls that may be suspended in the middle of guest code on one worker.
pub const SUSPENDED_CALLS_MAX: usize = 64;

/// Threads that run tasks. Dropping them stops them once their current poll is over.
pub struct Workers {
    shared: Vec<Arc<Shared>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts `count` workers, at least one.
    ///
    /// # Errors
    /// Where the system cannot start a thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut workers = Self { shared: Vec::new(), threads: Vec::new() };
        for index in 0..count.max(1) {
            let shared = Arc::new(Shared::new());
            let thread = std::thread::Builder::new().name(format!("pelton-worker-{index}"));
            let own = Arc::clone(&shared);
            workers.threads.push(thread.spawn(move || worker::run(&own))?);
            workers.shared.push(shared);
        }
        Ok(workers)
    }

    /// Number of workers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether there are none: never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// Gives `future` to the worker `index` (modulo their number), to run for `tenant` with this
    /// share of CPU time.
    pub fn spawn(
        &self,
        index: usize,
        tenant: TenantId,
        weight: u32,
        future: BoxFuture<'static, ()>,
    ) {
        self.shared[index % self.shared.len()].spawn(tenant, weight, future);
    }

    /// The timers of the worker `index`, for futures that run on it.
    #[must_use]
    pub fn timers(&self, index: usize) -> Timers {
        self.shared[index % self.shared.len()].timers()
    }

    /// The permits of the worker `index` to be in the middle of a guest call.
    #[must_use]
    pub fn call_permits(&self, index: usize) -> Arc<tokio::sync::Semaphore> {
        Arc::clone(self.shared[index % self.shared.len()].permits())
    }
}

impl Workers {
    /// Stops the workers once their current poll is over, and waits for them.
    pub fn stop(&mut self) {
        self.shared.iter().for_each(|shared| shared.stop());
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so on stderr; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    fn until(done: impl Fn() -> bool) {
        while !done() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn as_many_calls_as_the_limit_are_suspended_on_a_worker_and_one_more_waits() {
        let workers = Workers::start(1).unwrap();
        let permits = workers.call_permits(0);
        let calls = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false)));
        for _ in 0..=SUSPENDED_CALLS_MAX {
            let (permits, calls) = (Arc::clone(&permits), Arc::clone(&calls));
            let call = async move {
                let (started, ended, may_end) = &*calls;
                let _permit = permits.acquire().await.unwrap();
                started.fetch_add(1, Ordering::AcqRel);
                while !may_end.load(Ordering::Acquire) {
                    yield_now().await;
                }
                ended.fetch_add(1, Ordering::AcqRel);
            };
            workers.spawn(0, TenantId::new("t").unwrap(), 1, Box::pin(call));
        }
        let (started, ended, may_end) = &*calls;
        until(|| permits.available_permits() == 0);
        until(|| started.load(Ordering::Acquire) == SUSPENDED_CALLS_MAX);
        may_end.store(true, Ordering::Release);
        until(|| ended.load(Ordering::Acquire) == SUSPENDED_CALLS_MAX + 1);
        assert_eq!(permits.available_permits(), SUSPENDED_CALLS_MAX);
    }
}
