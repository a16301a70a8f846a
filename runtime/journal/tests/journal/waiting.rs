//! Waiting for records: woken when it is time, and never otherwise left alone.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{Config, Journal, SyncMode, TopicConfig, Visibility};

use crate::support::{config, put, start, start_with};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn a_waiter_is_woken_once_when_its_record_can_be_seen() {
    let disk = SimDisk::new();
    let (journal, to) = start(&disk);
    let (appended, on_append) = counted();
    let (durable, on_sync) = counted();
    let waiters = [to.waiter(), to.waiter()];
    assert!(waiters[0].poll(0, Visibility::Appended, &on_append).is_pending());
    assert!(waiters[1].poll(0, Visibility::Durable, &on_sync).is_pending());
    let seen = || (appended.0.load(Ordering::SeqCst), durable.0.load(Ordering::SeqCst));
    put(&journal, &to, b"a").unwrap();
    put(&journal, &to, b"b").unwrap();
    assert_eq!(seen(), (1, 0));
    assert!(waiters[1].poll(0, Visibility::Durable, &on_sync).is_pending());
    journal.sync_step().unwrap();
    assert!(seen().1 >= 1);
    for (waiter, visibility) in waiters.iter().zip([Visibility::Appended, Visibility::Durable]) {
        assert!(matches!(waiter.poll(1, visibility, &on_sync), Poll::Ready(Ok(2))));
        assert!(waiter.poll(2, visibility, &on_sync).is_pending());
    }
    let before = seen().1;
    journal.sync_step().unwrap();
    assert_eq!(seen().1, before, "nothing new, nobody is woken");
}

#[test]
fn durability_of_one_commit_is_heard_of() {
    let (journal, to) = start(&SimDisk::new());
    let (count, waker) = counted();
    let seq = put(&journal, &to, b"a").unwrap();
    assert!(journal.poll_durable(seq, &waker).is_pending());
    assert!(journal.poll_durable(seq, &waker).is_pending());
    journal.sync_step().unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(matches!(journal.poll_durable(seq, &waker), Poll::Ready(Ok(()))));
}

#[test]
fn a_deleted_topic_and_a_stopped_journal_end_the_waiting() {
    for visibility in [Visibility::Appended, Visibility::Durable] {
        let (journal, to) = start(&SimDisk::new());
        let (count, waker) = counted();
        let waiter = to.waiter();
        assert!(waiter.poll(0, visibility, &waker).is_pending());
        journal.delete_topic("t/in", 0).unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(Err(error)) = waiter.poll(0, visibility, &waker) else { panic!() };
        assert_eq!(error.code(), "E-TOPIC-UNKNOWN");

        let disk = SimDisk::new();
        let (journal, to) = start(&disk);
        let (count, waker) = counted();
        let waiter = to.waiter();
        assert!(waiter.poll(0, visibility, &waker).is_pending());
        disk.set_faults(Faults { write_fails: true, ..Faults::default() });
        put(&journal, &to, b"a").unwrap_err();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        let Poll::Ready(Err(error)) = waiter.poll(0, visibility, &waker) else { panic!() };
        assert_eq!(error.code(), "E-JOURNAL-POISONED");
    }
}

#[test]
fn without_syncs_what_is_appended_counts_as_durable() {
    let (journal, to) =
        start_with(&SimDisk::new(), Config { sync_mode: SyncMode::None, ..config() });
    let (count, waker) = counted();
    let waiter = to.waiter();
    assert!(waiter.poll(0, Visibility::Durable, &waker).is_pending());
    put(&journal, &to, b"a").unwrap();
    assert!(count.0.load(Ordering::SeqCst) >= 1);
    assert!(matches!(waiter.poll(0, Visibility::Durable, &waker), Poll::Ready(Ok(1))));
}

#[test]
fn many_consumers_hear_of_every_record_of_many_partitions() {
    const RECORDS: u64 = 200;
    const PARTITIONS: u32 = 4;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), Config::default()).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(PARTITIONS), 0).unwrap();
    thread::scope(|scope| {
        for consumer in 0..16u32 {
            let visibility = match consumer % 2 {
                0 => Visibility::Durable,
                _ => Visibility::Appended,
            };
            let of = topic.partition(consumer % PARTITIONS).unwrap();
            let journal = &journal;
            // One after the other, so that each record has to be heard of by itself.
            scope.spawn(move || {
                for offset in 0..RECORDS {
                    let end = block_on(of.wait_for(offset, visibility)).unwrap();
                    let batch = of.read(offset, visibility).unwrap().unwrap();
                    assert!(end > offset);
                    assert!(visibility == Visibility::Appended || batch.seq <= journal.durable());
                }
            });
        }
        for partition in topic.partitions() {
            let journal = &journal;
            scope.spawn(move || {
                for offset in 0..RECORDS {
                    let seq = put(journal, partition, &[offset as u8; 100]).unwrap();
                    if offset % 3 == 0 {
                        journal.wait_durable(seq).unwrap();
                    }
                }
            });
        }
    });
}
