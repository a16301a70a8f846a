//! What the cases share.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    Commit, Committed, Error, FunctionId, InputProgress, OutputBatch, Position, Sink, Source,
    Start, TaskId, TaskMeta, TaskRecord, TopicName, TopicPartition,
};

use super::{Side, World};

/// A case that waits longer than this for anything fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn topic(world: &mut dyn World, side: Side, partitions: u32) -> TopicName {
    let name = world.unique("topic");
    let topic = TopicName::parse(&name).expect("a name");
    world.create(side, &topic, partitions);
    topic
}

pub(super) fn function(world: &mut dyn World) -> FunctionId {
    let name = world.unique("function");
    FunctionId::parse(&name).expect("a name")
}

pub(super) fn task(function: &FunctionId, partition: u32) -> TaskId {
    TaskId { function: function.clone(), partition }
}

/// A function with one task, taken over.
pub(super) fn owner(world: &mut dyn World) -> (Box<dyn Sink>, TaskId) {
    let function = function(world);
    let mut sink = world.sink(&function, 1);
    let task = task(&function, 0);
    block_on(sink.load(&task)).expect("load");
    (sink, task)
}

pub(super) fn at(world: &dyn World, side: Side, topic: &TopicName, n: u32) -> TopicPartition {
    let cluster = match side {
        Side::Input => world.input_cluster(),
        Side::Output => world.output_cluster(),
    };
    TopicPartition { cluster, topic: topic.clone(), partition: n }
}

/// A source that reads one partition.
pub(super) fn reader(
    world: &mut dyn World,
    side: Side,
    topic: &TopicName,
    partition: u32,
    start: Start,
) -> Box<dyn Source> {
    let at = at(world, side, topic, partition);
    let mut source = world.source(side);
    // What was committed a moment ago may not be readable yet where reading waits for the disk.
    block_on(poll_fn(|context| match source.assign(&[(at.clone(), start)]) {
        Err(error) if error.code.contains("RANGE") => again(context),
        result => Poll::Ready(result),
    }))
    .expect("assign");
    source
}

pub(super) fn again<T>(context: &mut Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    thread::yield_now();
    Poll::Pending
}

/// Fills a batch for a partition of an output.
pub(super) fn output(
    topic: &TopicName,
    partition: u32,
    fill: impl FnOnce(&mut RecordsBuilder),
) -> OutputBatch {
    let mut builder = RecordsBuilder::new();
    fill(&mut builder);
    let rows = builder.len() as u32;
    let batch = Bytes::from(builder.finish());
    let records = Batch::parse(&batch).and_then(Batch::records).expect("a batch of our own");
    let max_timestamp = records.iter().map(|record| record.timestamp()).max().unwrap_or(0);
    OutputBatch { topic: topic.clone(), partition, rows, max_timestamp, watermark: i64::MIN, batch }
}

pub(super) fn numbers(topic: &TopicName, partition: u32, numbers: &[u64]) -> OutputBatch {
    output(topic, partition, |builder| push_numbers(builder, numbers))
}

pub(super) fn push_numbers(builder: &mut RecordsBuilder, numbers: &[u64]) {
    for number in numbers {
        let text = number.to_string();
        builder.push(Some(text.as_bytes()), Some(text.as_bytes()), 1_000 + *number as i64);
    }
}

pub(super) fn meta(positions: &[(&TopicPartition, u64)]) -> TaskMeta {
    let progress = InputProgress { highest: 4, watermark: 3, idle: false };
    TaskMeta {
        deployment: 1,
        time_ms: 1_000,
        positions: positions
            .iter()
            .map(|(input, next)| Position { input: (*input).clone(), next: *next })
            .collect(),
        progress: vec![progress; positions.len()],
        watermark: 3,
        ..TaskMeta::default()
    }
}

/// A record without state.
pub(super) fn stateless(positions: &[(&TopicPartition, u64)]) -> TaskRecord {
    TaskRecord { meta: meta(positions), changes: Bytes::new() }
}

pub(super) fn commit(
    sink: &mut dyn Sink,
    task: &TaskId,
    record: &TaskRecord,
    outputs: &[OutputBatch],
) -> Result<Committed, Error> {
    block_on(sink.commit(&Commit { task, record, outputs }))
}

/// A record as a case compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) offset: u64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: i64,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Row {
    pub(super) fn number(&self) -> u64 {
        let text = self.value.as_deref().unwrap_or_default();
        String::from_utf8_lossy(text).parse().expect("a number")
    }
}

/// The rows of a batch whose records have these offsets.
pub(super) fn rows(fetch: &pelton_core::Fetch) -> Vec<Row> {
    let batch = Batch::parse(&fetch.batch).expect("a batch");
    batch.validate().expect("a valid batch");
    let records = batch.records().expect("records");
    assert_eq!(records.len(), fetch.rows);
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let row = |record: pelton_batch::Record<'_>| Row {
        offset: fetch.offsets.get(record.row()),
        key: own(record.key()),
        value: own(record.value()),
        timestamp: record.timestamp(),
        headers: record.headers().map(|h| (h.name.to_owned(), own(h.value))).collect(),
    };
    records.iter().map(row).collect()
}

/// Reads an input until so many records have come.
pub(super) fn read(source: &mut dyn Source, input: usize, count: usize) -> Vec<Row> {
    let mut found = Vec::new();
    while found.len() < count {
        let fetch = next(source, input);
        found.extend(rows(&fetch));
        // Offsets that are no records, such as marks of transactions, may be passed at once.
        assert!(source.position(input).expect("position") >= fetch.next);
    }
    found
}

/// The next batch of an input; waits for it.
pub(super) fn next(source: &mut dyn Source, input: usize) -> pelton_core::Fetch {
    block_on(poll_fn(|context| {
        loop {
            if let Some(fetch) = source.fetch(input).expect("fetch") {
                return Poll::Ready(fetch);
            }
            if source.poll_ready(context).is_pending() {
                return Poll::Pending;
            }
        }
    }))
}

/// Everything that a partition holds once it holds `count` records, by number.
pub(super) fn committed_numbers(
    world: &mut dyn World,
    topic: &TopicName,
    partition: u32,
    count: usize,
) -> Vec<u64> {
    let mut source = reader(world, Side::Output, topic, partition, Start::Earliest);
    let found = read(&mut *source, 0, count);
    assert!(at_end(&mut *source), "there are more records than {count}");
    found.iter().map(Row::number).collect()
}

/// Reads on, and tells whether the end comes without any further record.
pub(super) fn at_end(source: &mut dyn Source) -> bool {
    block_on(poll_fn(|context| {
        loop {
            if source.fetch(0).expect("fetch").is_some() {
                return Poll::Ready(false);
            }
            if source.position(0).expect("position") >= source.end(0).expect("end") {
                return Poll::Ready(true);
            }
            if source.poll_ready(context).is_pending() {
                return Poll::Pending;
            }
        }
    }))
}

/// Waits on this thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let started = Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(started.elapsed() < PATIENCE, "nothing happened for {PATIENCE:?}");
        thread::park_timeout(PATIENCE);
    }
}
