//! Several writers, several readers, one journal.

use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread;

use pelton_journal::{Commit, Config, Journal, Partition, TopicConfig, Visibility};

const WRITERS: u64 = 4;
const COMMITS: u64 = 300;

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Follows a partition by its waiter alone: a lost wake-up would hang the test.
fn follow(journal: &Journal, partition: &Partition, visibility: Visibility) -> Vec<u64> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let waiter = partition.waiter();
    let (mut at, mut found) = (0, Vec::new());
    while at < WRITERS * COMMITS {
        let Poll::Ready(end) = waiter.poll(at, visibility, &waker) else {
            thread::park();
            continue;
        };
        assert!(end.unwrap() > at);
        let batch = partition.read(at, visibility).unwrap().expect("it can be seen");
        assert_eq!(batch.base_offset, at, "no gap, no overlap");
        if visibility == Visibility::Durable {
            assert!(batch.seq <= journal.durable());
        }
        found.push(u64::from_le_bytes(batch.bytes[..8].try_into().unwrap()));
        at = batch.next_offset();
    }
    found
}

#[test]
fn writers_and_readers_agree_on_one_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 256 << 10, ..Config::default() };
    let journal = Journal::open(dir.path(), config).unwrap();
    let topic = journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    let partition = &topic.partitions()[0];
    let orders = thread::scope(|scope| {
        let readers = [Visibility::Appended, Visibility::Durable, Visibility::Durable];
        let readers = readers.map(|visibility| {
            let journal = &journal;
            scope.spawn(move || follow(journal, partition, visibility))
        });
        for writer in 0..WRITERS {
            let journal = &journal;
            scope.spawn(move || {
                let mut last = (0, 0);
                for i in 0..COMMITS {
                    let mut bytes = vec![writer as u8; 800];
                    bytes[..8].copy_from_slice(&(writer << 32 | i).to_le_bytes());
                    let mut commit = Commit::new(0);
                    let part = commit.batch(partition, 1, 0, [&bytes[..]]);
                    let seq = journal.append(&mut commit).unwrap();
                    let now = (seq, commit.base_offset(part) + 1);
                    assert!(now.0 > last.0 && now.1 > last.1, "offsets rise with commits");
                    last = now;
                }
                journal.wait_durable(last.0).unwrap();
            });
        }
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(orders.iter().all(|order| *order == orders[0]));
    for writer in 0..WRITERS {
        let of = orders[0].iter().filter(|id| **id >> 32 == writer).map(|id| id & 0xffff_ffff);
        assert!(of.eq(0..COMMITS), "each writer's commits are in its order");
    }
    assert!(journal.segment_count().unwrap() > 3);
}
