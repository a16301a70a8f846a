//! One worker: polls the task whose tenant has had the least, and charges it for the CPU time.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use pelton_core::{BoxFuture, TenantId};
use pelton_engine::scheduler::FairQueue;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;

use super::SUSPENDED_CALLS_MAX;
use super::timers::Timers;
use super::waker::TaskWaker;

struct Spawned {
    tenant: TenantId,
    weight: u32,
    future: BoxFuture<'static, ()>,
}

#[derive(Default)]
struct Inbox {
    spawned: Vec<Spawned>,
    woken: Vec<u64>,
}

/// What a worker shares with the rest of the process.
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    stopping: AtomicBool,
    timers: Timers,
    permits: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            stopping: AtomicBool::new(false),
            timers: Timers::default(),
            permits: Arc::new(Semaphore::new(SUSPENDED_CALLS_MAX)),
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn spawn(&self, tenant: TenantId, weight: u32, future: BoxFuture<'static, ()>) {
        self.inbox().spawned.push(Spawned { tenant, weight, future });
        self.arrived.notify_one();
    }

    pub(super) fn woken(&self, id: u64) {
        self.inbox().woken.push(id);
        self.arrived.notify_one();
    }

    pub(super) fn timers(&self) -> Timers {
        self.timers.clone()
    }

    pub(super) fn permits(&self) -> &Arc<Semaphore> {
        &self.permits
    }

    pub(super) fn stop(&self) {
        // Under the lock: a worker that has looked and is about to wait would not see it.
        let inbox = self.inbox();
        self.stopping.store(true, Ordering::Release);
        drop(inbox);
        self.arrived.notify_one();
    }

    /// Takes what has arrived; with `idle`, waits until something has or a timer is due.
    fn receive(&self, idle: bool) -> Inbox {
        let next = self.timers.fire();
        let mut inbox = self.inbox();
        let empty = |inbox: &Inbox| inbox.spawned.is_empty() && inbox.woken.is_empty();
        if idle && empty(&inbox) && !self.stopping.load(Ordering::Acquire) {
            inbox = match next {
                Some(wait) => {
                    let waited = self.arrived.wait_timeout(inbox, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.arrived.wait(inbox).unwrap_or_else(PoisonError::into_inner),
            };
        }
        std::mem::take(&mut inbox)
    }
}

struct Running {
    tenant: TenantId,
    weight: u32,
    future: BoxFuture<'static, ()>,
    waker: Arc<TaskWaker>,
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Runs until the worker is stopped.
pub(super) fn run(shared: &Arc<Shared>) {
    let mut tasks: HashMap<u64, Running> = HashMap::new();
    let mut queue: FairQueue<TenantId, u64> = FairQueue::default();
    let mut next_id = 0;
    while !shared.stopping.load(Ordering::Acquire) {
        let inbox = shared.receive(queue.is_empty());
        for Spawned { tenant, weight, future } in inbox.spawned {
            let worker: Weak<Shared> = Arc::downgrade(shared);
            let waker = TaskWaker { id: next_id, worker, queued: AtomicBool::new(true) };
            queue.push(&tenant, weight, next_id);
            tasks.insert(next_id, Running { tenant, weight, future, waker: Arc::new(waker) });
            next_id += 1;
        }
        for id in inbox.woken {
            if let Some(task) = tasks.get(&id) {
                queue.push(&task.tenant, task.weight, id);
            }
        }
        let Some((tenant, id)) = queue.pop() else { continue };
        let Some(task) = tasks.get_mut(&id) else { continue };
        let before = cpu_ns();
        let done = poll(task);
        queue.charge(&tenant, cpu_ns().saturating_sub(before));
        if done {
            tasks.remove(&id);
        }
    }
}

/// Polls a task once; answers whether it is done. A task that panics is done: the rest goes on.
fn poll(task: &mut Running) -> bool {
    task.waker.queued.store(false, Ordering::Release);
    let waker = Waker::from(Arc::clone(&task.waker));
    let mut context = Context::from_waker(&waker);
    let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
    match polled {
        Ok(polled) => polled.is_ready(),
        Err(_) => {
            tracing::error!(tenant = %task.tenant, "a task panicked and has been dropped");
            true
        }
    }
}

/// Lets other tasks of the worker run before going on.
pub async fn yield_now() {
    struct Yield(bool);
    impl Future for Yield {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Yield(false).await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::Workers;
    use super::*;

    #[test]
    fn a_task_waits_for_its_timer_and_a_panicking_neighbour_does_not_stop_it() {
        let workers = Workers::start(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let timers = workers.timers(0);
        let tenant = TenantId::default();
        workers.spawn(0, tenant.clone(), 1, Box::pin(async { panic!("on purpose") }));
        workers.spawn(
            0,
            tenant,
            1,
            Box::pin(async move {
                timers.sleep(Duration::from_millis(5)).await;
                sender.send("slept").unwrap();
            }),
        );
        assert_eq!(receiver.recv().unwrap(), "slept");
    }

    #[test]
    fn a_hungry_tenant_leaves_half_of_the_worker_to_the_other() {
        let workers = Workers::start(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let spin = |steps: u32| async move {
            for _ in 0..steps {
                let until = cpu_ns() + 50_000;
                while cpu_ns() < until {}
                yield_now().await;
            }
        };
        // Nine tasks that never end by themselves: where tasks took turns and not tenants, they would
        // come to nine steps for each of the other's.
        let (steps, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        for _ in 0..9 {
            let (steps, ended) = (Arc::clone(&steps), Arc::clone(&ended));
            let hog = async move {
                while !ended.load(Ordering::Acquire) {
                    spin(1).await;
                    steps.fetch_add(1, Ordering::AcqRel);
                }
            };
            workers.spawn(0, TenantId::new("hog").unwrap(), 1, Box::pin(hog));
        }
        let good = async move {
            let before = steps.load(Ordering::Acquire);
            spin(200).await;
            sender.send(steps.load(Ordering::Acquire) - before).unwrap();
            ended.store(true, Ordering::Release);
        };
        workers.spawn(0, TenantId::new("good").unwrap(), 1, Box::pin(good));
        let of_hogs = receiver.recv().unwrap();
        assert!(of_hogs < 600, "{of_hogs} steps of the hogs beside 200");
    }
}
