//! The journal as source and sink of tasks.

use std::future::Future;
use std::io::Read;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    Commit, FunctionId, InputProgress, ManualClock, OutputBatch, Position, Producer, Sink, Source,
    Start, TaskId, TaskMeta, TaskRecord, Told, TopicName, TopicPartition,
};
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{
    Cleanup, Compaction, Config, Journal, Retention, SyncMode, TopicConfig, Visibility,
};

use crate::records::{produce, row};
use crate::support::{config, open, open_with, partition};

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn records(range: std::ops::Range<i64>) -> Bytes {
    let mut builder = RecordsBuilder::new();
    for i in range {
        builder.push(Some(format!("key {i}").as_bytes()), Some(b"value"), i * 10);
    }
    builder.finish().into()
}

fn keys(batch: &[u8]) -> Vec<String> {
    let records = Batch::parse(batch).unwrap().records().unwrap();
    records
        .iter()
        .map(|record| String::from_utf8(record.key().unwrap().to_vec()).unwrap())
        .collect()
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

fn task() -> TaskId {
    TaskId { function: FunctionId::parse("t/f").unwrap(), partition: 0 }
}

fn start() -> (SimDisk, Arc<Journal>) {
    start_with(config())
}

fn start_with(config: Config) -> (SimDisk, Arc<Journal>) {
    let disk = SimDisk::new();
    let journal = open_with(&disk, config).unwrap();
    journal.create_topic("t/in", TopicConfig::new(1), 0).unwrap();
    journal.create_topic("t/out", TopicConfig::new(1), 0).unwrap();
    (disk, Arc::new(journal))
}

fn append(journal: &Journal, range: std::ops::Range<i64>) -> u64 {
    let batch = records(range.clone());
    let rows = (range.end - range.start) as u32;
    let mut commit = pelton_journal::Commit::new(0);
    commit.batch(&partition(journal, "t/in"), rows, (range.end - 1) * 10, [&batch[..]]);
    journal.append(&mut commit).unwrap()
}

fn source(journal: &Arc<Journal>, start: Start) -> JournalSource {
    let mut source = JournalSource::new(Arc::clone(journal), Visibility::Appended);
    source.assign(&[(TopicPartition::local(topic("t/in"), 0), start)]).unwrap();
    source
}

fn sink(journal: &Arc<Journal>) -> JournalSink {
    JournalSink::new(Arc::clone(journal), Arc::new(ManualClock::new(5)))
}

fn record(next: u64, changes: &'static [u8]) -> TaskRecord {
    let input = TopicPartition::local(topic("t/in"), 0);
    let progress = InputProgress { highest: 9, watermark: 8, idle: false };
    let meta = TaskMeta {
        time_ms: 42,
        positions: vec![Position { input, next }],
        progress: vec![progress],
        watermark: 8,
        ..TaskMeta::default()
    };
    TaskRecord { meta, changes: Bytes::from_static(changes) }
}

fn output(range: std::ops::Range<i64>) -> OutputBatch {
    OutputBatch {
        topic: topic("t/out"),
        partition: 0,
        rows: (range.end - range.start) as u32,
        max_timestamp: range.end * 10,
        watermark: 8,
        batch: records(range),
    }
}

fn commit(
    sink: &mut JournalSink,
    record: &TaskRecord,
    outputs: &[OutputBatch],
) -> pelton_core::Result<u64> {
    let task = task();
    let commit = Commit { task: &task, record, outputs };
    wait(sink.commit(&commit)).map(|committed| committed.sequence)
}

#[test]
fn a_stored_batch_is_fetched_as_it_is_and_its_rest_behind_a_position() {
    let (_, journal) = start();
    append(&journal, 0..5);
    append(&journal, 5..8);
    let mut source = source(&journal, Start::Earliest);
    let fetch = source.fetch(0).unwrap().unwrap();
    assert_eq!((&fetch.batch, fetch.rows, fetch.next), (&records(0..5), 5, 5));
    assert_eq!(source.position(0).unwrap(), 5);
    source.seek(0, 3).unwrap();
    let fetch = source.fetch(0).unwrap().unwrap();
    assert_eq!(keys(&fetch.batch), ["key 3", "key 4"]);
    assert_eq!((fetch.rows, fetch.offsets.get(0), fetch.offsets.get(1), fetch.next), (2, 3, 4, 5));
    assert_eq!(source.fetch(0).unwrap().unwrap().rows, 3);
    assert!(source.fetch(0).unwrap().is_none());
    assert_eq!((source.position(0).unwrap(), source.end(0).unwrap()), (8, 8));
    assert_eq!(source.seek(0, 9).unwrap_err().code, "E-OFFSET-RANGE");
}

#[test]
fn every_start_resolves_to_its_record() {
    let (_, journal) = start();
    append(&journal, 0..5);
    append(&journal, 5..8);
    let at = |start| source(&journal, start).position(0).unwrap();
    assert_eq!((at(Start::Earliest), at(Start::Latest), at(Start::Offset(6))), (0, 8, 6));
    assert_eq!((at(Start::Time(-1)), at(Start::Time(31)), at(Start::Time(70))), (0, 4, 7));
    assert_eq!(at(Start::Time(71)), 8);
    let mut source = JournalSource::new(Arc::clone(&journal), Visibility::Appended);
    let unknown = TopicPartition::local(topic("t/none"), 0);
    let error = source.assign(&[(unknown, Start::Earliest)]).unwrap_err();
    assert!(error.to_string().contains("t/none"), "{error}");
    let beyond = TopicPartition::local(topic("t/in"), 7);
    assert!(source.assign(&[(beyond, Start::Earliest)]).is_err());
}

#[test]
fn a_position_that_retention_passed_goes_on_at_the_oldest_record() {
    let (_, journal) = start();
    append(&journal, 0..5);
    append(&journal, 5..8);
    let mut source = source(&journal, Start::Earliest);
    let retention = Retention { bytes: Some(1), ..Retention::default() };
    journal.set_retention("t/in", retention, 0).unwrap();
    journal.clean(0).unwrap();
    assert_eq!(source.fetch(0).unwrap().unwrap().offsets.get(0), 5);
}

#[test]
fn a_source_is_ready_when_there_is_something_to_fetch_and_quiet_while_paused() {
    let (_, journal) = start();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut appended = source(&journal, Start::Earliest);
    let mut durable = JournalSource::new(Arc::clone(&journal), Visibility::Durable);
    durable.assign(&[(TopicPartition::local(topic("t/in"), 0), Start::Earliest)]).unwrap();
    assert!(appended.poll_ready(&mut context).is_pending());
    assert!(durable.poll_ready(&mut context).is_pending());
    append(&journal, 0..1);
    thread::park();
    assert!(appended.poll_ready(&mut context).is_ready());
    assert!(durable.poll_ready(&mut context).is_pending());
    assert!(durable.fetch(0).unwrap().is_none() && durable.end(0).unwrap() == 0);
    journal.sync_step().unwrap();
    thread::park();
    assert!(durable.poll_ready(&mut context).is_ready());
    durable.pause(0, true);
    assert!(durable.poll_ready(&mut context).is_pending());
    assert!(durable.fetch(0).unwrap().is_none());
    durable.pause(0, false);
    assert!(durable.fetch(0).unwrap().is_some());
    journal.delete_topic("t/in", 0).unwrap();
    assert!(durable.poll_ready(&mut context).is_ready());
    assert_eq!(durable.fetch(0).unwrap_err().code, "E-TOPIC-UNKNOWN");
}

#[test]
fn a_task_finds_positions_changes_and_outputs_of_every_commit_again() {
    let (disk, journal) = start();
    let mut sink = sink(&journal);
    let task = task();
    let found = wait(sink.load(&task)).unwrap();
    assert!(found.snapshot.is_none() && found.tail.is_empty() && found.sequence == 0);
    commit(&mut sink, &record(3, b"changes 1"), &[output(0..2)]).unwrap();
    let last = commit(&mut sink, &record(7, b""), &[]).unwrap();
    assert!(sink.durable() < last);
    disk.kill();
    drop((sink, journal));

    let journal = Arc::new(open(&disk).unwrap());
    let mut sink = self::sink(&journal);
    let found = wait(sink.load(&task)).unwrap();
    assert_eq!(found.tail, [record(3, b"changes 1"), record(7, b"")]);
    assert_eq!((found.sequence, sink.durable() >= last), (last, true));
    let mut source = JournalSource::new(Arc::clone(&journal), Visibility::Durable);
    source.assign(&[(TopicPartition::local(topic("t/out"), 0), Start::Earliest)]).unwrap();
    let fetch = source.fetch(0).unwrap().unwrap();
    assert_eq!(keys(&fetch.batch), ["key 0", "key 1"]);
    assert_eq!(fetch.producer, Some(Producer { task: 0, watermark: 8 }));
    assert_eq!(sink.partitions(&topic("t/out")).unwrap(), Some(1));
    assert_eq!(sink.partitions(&topic("t/none")).unwrap(), None);
}

#[test]
fn f31_a_task_that_was_taken_over_cannot_commit() {
    let (_, journal) = start();
    let (mut old, mut new) = (sink(&journal), sink(&journal));
    wait(old.load(&task())).unwrap();
    commit(&mut old, &record(1, b""), &[output(0..1)]).unwrap();
    let found = wait(new.load(&task())).unwrap();
    assert_eq!(found.tail.len(), 1);
    let error = commit(&mut old, &record(2, b""), &[output(1..2)]).unwrap_err();
    assert_eq!((error.code, error.retryable), ("E-TASK-FENCED", false));
    assert_eq!(partition(&journal, "t/out").offsets().end, 1);
    commit(&mut new, &record(2, b""), &[output(1..2)]).unwrap();
    assert_eq!(partition(&journal, "t/out").offsets().end, 2);
}

#[test]
fn a_commit_to_a_full_disk_can_be_tried_again_and_leaves_nothing() {
    let (disk, journal) = start();
    let mut sink = sink(&journal);
    wait(sink.load(&task())).unwrap();
    disk.set_faults(Faults { capacity_bytes: Some(0), ..Faults::default() });
    let mut taken = 0;
    let error = loop {
        match commit(&mut sink, &record(taken, b""), &[output(0..20)]) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(error.retryable, "{error}");
    assert_eq!(partition(&journal, "t/out").offsets().end, taken * 20);
    disk.set_faults(Faults::default());
    commit(&mut sink, &record(taken, b""), &[output(0..20)]).unwrap();
    let error =
        commit(&mut sink, &record(0, b""), &[OutputBatch { topic: topic("t/no"), ..output(0..1) }]);
    assert_eq!(error.unwrap_err().code, "E-TOPIC-UNKNOWN");
}

#[test]
fn a_snapshot_replaces_the_tail_it_holds() {
    let (disk, journal) = start();
    let mut sink = sink(&journal);
    wait(sink.load(&task())).unwrap();
    let first = commit(&mut sink, &record(1, b"a"), &[]).unwrap();
    commit(&mut sink, &record(2, b"b"), &[]).unwrap();
    let snapshot = sink.snapshot(&task(), first, Box::new(|out| out.write_all(b"state at 1")));
    commit(&mut sink, &record(3, b"c"), &[]).unwrap();
    wait(snapshot).unwrap();
    let broken = Box::new(|_: &mut dyn std::io::Write| Err(std::io::Error::other("no")));
    assert!(wait(sink.snapshot(&task(), first + 1, broken)).is_err());
    disk.kill();
    drop((sink, journal));
    let journal = Arc::new(open(&disk).unwrap());
    let found = wait(self::sink(&journal).load(&task())).unwrap();
    let mut text = String::new();
    found.snapshot.unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "state at 1");
    assert_eq!(found.tail, [record(2, b"b"), record(3, b"c")]);
}

#[test]
fn with_a_sync_thread_snapshots_and_durable_commits_are_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { sync_mode: SyncMode::Each, segment_bytes: 64 << 10, ..Config::default() };
    let journal = Arc::new(Journal::open(dir.path(), config).unwrap());
    journal.create_topic("t/out", TopicConfig::new(1), 0).unwrap();
    let mut sink = sink(&journal);
    wait(sink.load(&task())).unwrap();
    for i in 0..50 {
        let seq = commit(&mut sink, &record(i, b"x"), &[output(0..50)]).unwrap();
        assert!(sink.durable() >= seq);
        if i % 10 == 0 {
            wait(sink.snapshot(&task(), seq, Box::new(move |out| write!(out, "{seq}")))).unwrap();
        }
    }
    let found = wait(sink.load(&task())).unwrap();
    assert_eq!(found.tail.len(), 9);
    let panics = sink.snapshot(&task(), found.sequence, Box::new(|_| panic!("in a test")));
    assert_eq!(wait(panics).unwrap_err().code, "E-INTERNAL");
}

#[test]
fn internal_topics_forget_what_their_task_has_committed() {
    let (_, journal) = start();
    let retention = Retention { until_consumed_by: 1, ..Retention::default() };
    journal.set_retention("t/in", retention, 0).unwrap();
    append(&journal, 0..5);
    append(&journal, 5..8);
    let mut sink = sink(&journal);
    wait(sink.load(&task())).unwrap();
    journal.clean(0).unwrap();
    assert_eq!(partition(&journal, "t/in").offsets(), 0..8);
    commit(&mut sink, &record(6, b""), &[]).unwrap();
    journal.clean(0).unwrap();
    assert_eq!(partition(&journal, "t/in").offsets(), 5..8);
}

#[test]
fn a_compacted_topic_is_fetched_with_its_offsets_and_never_an_empty_batch() {
    let journal = Arc::new(open(&SimDisk::new()).unwrap());
    let cleanup = Cleanup::Compact(Compaction { dirty_percent_min: 0, ..Compaction::default() });
    let config = TopicConfig::new(1).with_cleanup(cleanup);
    let to = journal.create_topic("default/c", config, 0).unwrap().partitions()[0].clone();
    let put = |rows: &[(&str, &str)]| {
        let rows: Vec<_> = rows.iter().map(|(key, value)| row(key, value)).collect();
        produce(&journal, &to, &rows, 0).unwrap();
    };
    put(&[("a", "1"), ("b", "1"), ("c", "1"), ("a", "2")]);
    put(&[("z", "1")]);
    put(&[("z", ""), ("z", "2")]);
    put(&[("z", "")]);
    journal.sync_step().unwrap();
    journal.clean(i64::MAX).unwrap();
    let at = TopicPartition::local(topic("c"), 0);
    let mut source = JournalSource::new(Arc::clone(&journal), Visibility::Durable);
    source.assign(&[(at, Start::Offset(2))]).unwrap();
    let fetch = source.fetch(0).unwrap().unwrap();
    assert_eq!((fetch.rows, fetch.offsets.get(0), fetch.offsets.get(1)), (2, 2, 3));
    assert_eq!(keys(&fetch.batch), ["c", "a"]);
    assert!(source.fetch(0).unwrap().is_none());
    // The tombstone at the end is gone, and with it all of its key: there is no lag.
    assert_eq!((source.position(0).unwrap(), source.end(0).unwrap()), (8, 8));
    let waker = Waker::noop();
    assert!(source.poll_ready(&mut Context::from_waker(waker)).is_pending());
}

#[test]
fn a_task_tells_its_readers_how_far_it_has_come_until_it_is_taken_over_or_removed() {
    let (disk, journal) = start();
    let id =
        |name: &str, partition| TaskId { function: FunctionId::parse(name).unwrap(), partition };
    let mut sink = self::sink(&journal);
    let mut source = JournalSource::new(Arc::clone(&journal), Visibility::Appended);
    for task in [id("a", 0), id("a-b", 0), id("a", 1), id("b", 0), id("a", 10)] {
        wait(sink.load(&task)).unwrap();
    }
    assert_eq!(source.siblings(2), [0, 2, 4]);
    assert_eq!(source.siblings(1), [1]);
    assert_eq!(source.siblings(u64::MAX), Vec::<u64>::new());
    assert_eq!([source.told(0), source.told(9)], [Told::Silent, Told::Gone]);
    sink.tell(&id("a", 0), 70, false);
    assert_eq!(source.told(0), Told::At { watermark: 70, idle: false });
    sink.tell(&id("a", 0), 90, true);
    assert_eq!(source.told(0), Told::At { watermark: 90, idle: true });
    wait(self::sink(&journal).load(&id("a", 0))).unwrap();
    assert_eq!(source.told(0), Told::Silent);
    let task = journal.task(&id("a", 1).to_string()).unwrap();
    journal.remove_tasks(&[task], &[], 0).unwrap();
    assert_eq!((source.told(2), source.siblings(0)), (Told::Gone, vec![0, 4]));
    drop((sink, source, journal));
    let journal = Arc::new(open(&disk).unwrap());
    let mut source = JournalSource::new(journal, Visibility::Appended);
    assert_eq!((source.told(0), source.siblings(4)), (Told::Silent, vec![0, 4]));
}

#[test]
fn who_has_written_what_is_not_read_yet_is_known_up_to_a_number_of_batches() {
    let (_, journal) = start();
    let id = |name: &str| TaskId { function: FunctionId::parse(name).unwrap(), partition: 0 };
    let mut sink = self::sink(&journal);
    for name in ["a", "b", "a", "b", "b"] {
        wait(sink.load(&id(name))).unwrap();
        let (record, outputs) = (record(0, b""), [output(0..2)]);
        let commit = Commit { task: &id(name), record: &record, outputs: &outputs };
        wait(sink.commit(&commit)).unwrap();
    }
    let out = partition(&journal, "t/out");
    let behind = |offset, most| {
        let writers = out.writers_behind(offset, most)?;
        Some(writers.into_iter().map(|task| task.0).collect::<Vec<_>>())
    };
    assert_eq!(behind(0, 5), Some(vec![0, 1]));
    assert_eq!(behind(0, 4), None);
    assert_eq!(behind(5, 5), Some(vec![0, 1]), "in the middle of a batch");
    assert_eq!((behind(6, 2), behind(10, 0)), (Some(vec![1]), Some(vec![])));
}
