//! What a task writes goes straight to the one that reads it: in one commit of both, or not at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use pelton_batch::RecordsBuilder;
use pelton_core::{
    COMMIT_STALE, Commit, Committed, Fetch, FunctionId, InputProgress, ManualClock, OutputBatch,
    Position, Sink, Source, Start, TaskId, TaskMeta, TaskRecord, TopicName, TopicPartition,
};
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::sim::SimDisk;
use pelton_journal::{Journal, TopicConfig, Visibility};

use crate::support::{config, open_with};

/// The topics of a line of tasks: each reads one of them and writes the next.
const TOPICS: [&str; 4] = ["t/a", "t/b", "t/c", "t/d"];

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn records(count: u32, value: &[u8]) -> Bytes {
    let mut builder = RecordsBuilder::new();
    for n in 0..count {
        builder.push(Some(&n.to_le_bytes()), Some(value), i64::from(n));
    }
    builder.finish().into()
}

fn start(disk: &SimDisk) -> Arc<Journal> {
    let journal = open_with(disk, config()).unwrap();
    for name in TOPICS {
        journal.create_topic(name, TopicConfig::new(2), 0).unwrap();
    }
    for name in &TOPICS[1..3] {
        journal.topic(name).unwrap().fuse(true);
    }
    Arc::new(journal)
}

/// A task that reads partition 0 of one topic and writes the next one.
struct Reader {
    id: TaskId,
    stage: usize,
    source: JournalSource,
    sink: JournalSink,
    next: u64,
}

impl Reader {
    fn new(journal: &Arc<Journal>, stage: usize) -> Self {
        let id =
            TaskId { function: FunctionId::parse(&format!("t/f{stage}")).unwrap(), partition: 0 };
        let clock = Arc::new(ManualClock::new(5));
        let mut sink = JournalSink::new(Arc::clone(journal), clock);
        let recovered = now(sink.load(&id)).unwrap();
        let next = recovered.tail.last().map_or(0, |record| record.meta.positions[0].next);
        let mut source = JournalSource::new(Arc::clone(journal), Visibility::Appended).fused();
        let at = TopicPartition::local(topic(TOPICS[stage]), 0);
        source.assign(&[(at, Start::Offset(next))]).unwrap();
        Self { id, stage, source, sink, next }
    }

    /// Waits for records: there are none.
    fn waits(&mut self) {
        assert!(self.source.fetch(0).unwrap().is_none());
        assert!(self.source.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    }

    fn fetch(&mut self) -> Option<Fetch> {
        let fetch = self.source.fetch(0).unwrap();
        if let Some(fetch) = &fetch {
            self.next = fetch.next;
        }
        fetch
    }

    fn record(&self) -> TaskRecord {
        let input = TopicPartition::local(topic(TOPICS[self.stage]), 0);
        let progress = InputProgress { highest: 9, watermark: 8, idle: false };
        let meta = TaskMeta {
            time_ms: 42,
            positions: vec![Position { input, next: self.next }],
            progress: vec![progress],
            ..TaskMeta::default()
        };
        TaskRecord { meta, changes: Bytes::new() }
    }

    fn output(&self, rows: u32, partition: u32) -> OutputBatch {
        let (topic, batch) = (topic(TOPICS[self.stage + 1]), records(rows, b"value"));
        OutputBatch { topic, partition, rows, max_timestamp: 7, watermark: 3, batch }
    }
}

/// A commit under way.
struct Committing<'a> {
    future: Pin<Box<dyn Future<Output = pelton_core::Result<Committed>> + Send + 'a>>,
}

/// Begins a commit: nobody has taken what it offers when this answers.
macro_rules! begin {
    ($name:ident, $reader:expr, $outputs:expr) => {
        let (record, outputs): (TaskRecord, Vec<OutputBatch>) = ($reader.record(), $outputs);
        let id = $reader.id.clone();
        let commit = Commit { task: &id, record: &record, outputs: &outputs };
        let mut $name = Committing { future: $reader.sink.commit(&commit) };
    };
}

impl Committing<'_> {
    fn poll(&mut self) -> Poll<pelton_core::Result<Committed>> {
        self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[track_caller]
    fn done(&mut self) -> pelton_core::Result<Committed> {
        match self.poll() {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("it still waits"),
        }
    }
}

fn now<T>(mut future: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Offsets of the records that are kept of a partition.
fn kept(journal: &Journal, name: &str, partition: u32) -> Vec<u64> {
    let topic = journal.topic(name).unwrap();
    let partition = topic.partition(partition).unwrap();
    let (mut at, mut offsets) = (0, Vec::new());
    while let Some(batch) = partition.read(at, Visibility::Appended).unwrap() {
        offsets.extend((0..batch.rows as usize).map(|row| batch.offset(row)));
        at = batch.next_offset();
    }
    offsets
}

fn end(journal: &Journal, name: &str) -> u64 {
    journal.topic(name).unwrap().partitions()[0].offsets().end
}

/// Where a new owner of the task goes on.
fn position(journal: &Arc<Journal>, stage: usize) -> u64 {
    Reader::new(journal, stage).next
}

#[test]
fn both_commits_are_one_frame_and_the_records_between_them_are_not_kept() {
    let disk = SimDisk::new();
    let journal = start(&disk);
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    for round in 0..3u64 {
        reader.waits();
        begin!(first, writer, vec![writer.output(4, 0)]);
        assert!(first.poll().is_pending(), "the reader waits for it");
        assert_eq!(end(&journal, "t/b"), 4 * round, "nothing is appended yet");
        let fetch = reader.fetch().unwrap();
        assert_eq!((fetch.rows, fetch.offsets.get(0), fetch.next), (4, 4 * round, 4 * round + 4));
        assert_eq!(fetch.batch, records(4, b"value"));
        assert_eq!(fetch.producer.unwrap().watermark, 3);
        assert!(first.poll().is_pending(), "it is waited for whoever has it");
        begin!(second, reader, vec![reader.output(2, 0)]);
        let both = second.done().unwrap();
        assert_eq!(first.done().unwrap(), both);
        drop((first, second));
        reader.source.settle().unwrap();
        assert_eq!(reader.source.position(0).unwrap(), end(&journal, "t/b"));
    }
    assert_eq!((end(&journal, "t/b"), kept(&journal, "t/b", 0)), (12, vec![]));
    assert_eq!(kept(&journal, "t/c", 0).len(), 6, "nobody waits for those");
    assert_eq!(journal.topic("t/b").unwrap().passed(), 12);
    assert!(journal.topic("t/b").unwrap().partitions()[0].has_passed_behind(3));
    assert!(!journal.topic("t/c").unwrap().partitions()[0].has_passed_behind(0));
    journal.sync_step().unwrap();
    drop((writer, reader, journal));
    let journal = Arc::new(open_with(&disk, config()).unwrap());
    assert_eq!((end(&journal, "t/b"), position(&journal, 1)), (12, 12));
    assert_eq!(kept(&journal, "t/c", 0), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn who_does_not_wait_finds_the_records_in_the_partition() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    begin!(first, writer, vec![writer.output(4, 0)]);
    first.done().unwrap();
    drop(first);
    assert_eq!(kept(&journal, "t/b", 0).len(), 4);
    assert_eq!(reader.fetch().unwrap().rows, 4);
    // One that waits and does not come in its turn is not waited for either.
    reader.waits();
    begin!(second, writer, vec![writer.output(2, 0)]);
    assert!(second.poll().is_pending());
    second.done().unwrap();
    drop(second);
    assert_eq!(reader.fetch().unwrap().offsets.get(0), 4);
    reader.source.settle().unwrap();
    assert_eq!(kept(&journal, "t/b", 0).len(), 6);
}

#[test]
fn a_reader_that_does_not_commit_them_has_them_kept() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    reader.waits();
    begin!(first, writer, vec![writer.output(4, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(reader.fetch().unwrap().rows, 4);
    // Its step is over without a commit: it waits for others, or is to try again later.
    reader.source.settle().unwrap();
    first.done().unwrap();
    drop(first);
    assert_eq!(kept(&journal, "t/b", 0), [0, 1, 2, 3]);
    begin!(second, reader, vec![]);
    second.done().unwrap();
    drop(second);
    drop(reader);
    assert_eq!(position(&journal, 1), 4);
}

#[test]
fn a_reader_that_commits_some_of_them_has_all_kept() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    reader.waits();
    begin!(first, writer, vec![writer.output(4, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(reader.fetch().unwrap().rows, 4);
    reader.next = 3;
    begin!(second, reader, vec![reader.output(3, 0)]);
    assert_eq!(second.done().unwrap(), first.done().unwrap());
    drop((first, second));
    reader.source.settle().unwrap();
    assert_eq!(kept(&journal, "t/b", 0), [0, 1, 2, 3]);
    drop(reader);
    let mut reader = Reader::new(&journal, 1);
    assert_eq!(reader.fetch().unwrap().offsets.get(0), 3);
}

#[test]
fn a_reader_that_goes_away_gives_them_back() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    reader.waits();
    begin!(first, writer, vec![writer.output(4, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(reader.fetch().unwrap().rows, 4);
    drop(reader);
    assert_eq!(end(&journal, "t/b"), 0);
    first.done().unwrap();
    assert_eq!(kept(&journal, "t/b", 0), [0, 1, 2, 3]);
    drop(first);
    // Nobody waits any more.
    begin!(second, writer, vec![writer.output(1, 0)]);
    second.done().unwrap();
}

#[test]
fn what_others_write_in_between_makes_the_reader_start_again() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    reader.waits();
    begin!(first, writer, vec![writer.output(4, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(reader.fetch().unwrap().rows, 4);
    let mut other = pelton_journal::Commit::new(0);
    let batch = records(1, b"other");
    other.batch(&journal.topic("t/b").unwrap().partitions()[0], 1, 0, [&batch[..]]);
    journal.append(&mut other).unwrap();
    begin!(second, reader, vec![reader.output(4, 0)]);
    assert_eq!(second.done().unwrap_err().code, COMMIT_STALE);
    first.done().unwrap();
    drop((first, second));
    drop(reader);
    assert_eq!(kept(&journal, "t/b", 0), [0, 1, 2, 3, 4]);
    assert_eq!(kept(&journal, "t/c", 0), [] as [u64; 0], "nothing of it was committed");
    let mut reader = Reader::new(&journal, 1);
    assert_eq!(reader.fetch().unwrap().rows, 1, "the other's");
    assert_eq!(reader.fetch().unwrap().rows, 4);
}

#[test]
fn three_in_a_line_are_one_frame() {
    let journal = start(&SimDisk::new());
    let [mut a, mut b, mut c] = [0, 1, 2].map(|stage| Reader::new(&journal, stage));
    b.waits();
    c.waits();
    begin!(first, a, vec![a.output(5, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(b.fetch().unwrap().rows, 5);
    begin!(second, b, vec![b.output(3, 0)]);
    assert!(second.poll().is_pending(), "it offers in its turn");
    assert_eq!(c.fetch().unwrap().rows, 3);
    begin!(third, c, vec![c.output(2, 0)]);
    let all = third.done().unwrap();
    assert_eq!((second.done().unwrap(), first.done().unwrap()), (all, all));
    drop((first, second, third));
    assert_eq!((kept(&journal, "t/b", 0).len(), kept(&journal, "t/c", 0).len()), (0, 0));
    assert_eq!(kept(&journal, "t/d", 0).len(), 2);
    // The last one does not come: the first two are appended together all the same.
    b.source.settle().unwrap();
    c.source.settle().unwrap();
    b.waits();
    c.waits();
    begin!(first, a, vec![a.output(1, 0)]);
    assert!(first.poll().is_pending());
    assert_eq!(b.fetch().unwrap().rows, 1);
    begin!(second, b, vec![b.output(1, 0)]);
    assert!(second.poll().is_pending());
    assert_eq!(second.done().unwrap(), first.done().unwrap());
    drop((first, second));
    assert_eq!((kept(&journal, "t/b", 0).len(), kept(&journal, "t/c", 0)), (0, vec![3]));
}

#[test]
fn records_for_other_partitions_are_kept() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    reader.waits();
    begin!(first, writer, vec![writer.output(2, 0), writer.output(2, 1)]);
    first.done().unwrap();
    drop(first);
    assert_eq!((kept(&journal, "t/b", 0).len(), kept(&journal, "t/b", 1).len()), (2, 2));
}

#[test]
fn what_is_too_large_for_one_frame_is_two() {
    let disk = SimDisk::new();
    let journal = start(&disk);
    let max = journal.limits().frame_bytes_max as usize;
    let large = vec![b'x'; max * 6 / 10];
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    let outputs = |of: &Reader| vec![OutputBatch { batch: records(1, &large), ..of.output(1, 0) }];
    reader.waits();
    // What is passed on is not written: beside it there is another large one.
    let side = OutputBatch { topic: topic("t/d"), ..outputs(&writer).remove(0) };
    begin!(first, writer, vec![writer.output(1, 0), side]);
    assert!(first.poll().is_pending());
    assert_eq!(reader.fetch().unwrap().rows, 1);
    begin!(second, reader, outputs(&reader));
    let second_at = second.done().unwrap();
    assert!(first.done().unwrap() < second_at);
    drop((first, second));
    assert_eq!(kept(&journal, "t/b", 0), [0]);
    drop(reader);
    assert_eq!(position(&journal, 1), 1);
}

#[test]
fn a_source_of_somebody_else_takes_nothing() {
    let journal = start(&SimDisk::new());
    let (mut writer, mut reader) = (Reader::new(&journal, 0), Reader::new(&journal, 1));
    let mut other = JournalSource::new(Arc::clone(&journal), Visibility::Appended);
    other.assign(&[(TopicPartition::local(topic("t/b"), 0), Start::Earliest)]).unwrap();
    assert!(other.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending());
    begin!(first, writer, vec![writer.output(1, 0)]);
    first.done().unwrap();
    drop(first);
    assert_eq!(other.fetch(0).unwrap().unwrap().rows, 1);
    assert_eq!(reader.fetch().unwrap().rows, 1);
    reader.waits();
    begin!(second, writer, vec![writer.output(1, 0)]);
    assert!(second.poll().is_pending());
    assert!(other.fetch(0).unwrap().is_none());
    assert_eq!(reader.fetch().unwrap().rows, 1);
    reader.source.settle().unwrap();
    second.done().unwrap();
}
