//! Event time over several functions: what a task has written carries its watermark to those who read it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::window::Assigner;
use pelton_core::{
    Clock, FunctionId, ManualClock, TaskId, TaskRecord, TopicPartition, partition_for_key,
};
use pelton_engine::memory::MemoryLog;
use pelton_engine::{
    GuestPool, InputConfig, NoTelemetry, OutputTopic, Parts, Peers, Repeat, Step, Task, TaskConfig,
};
use proptest::prelude::*;
use support::functions::{even, window_sums};
use support::{Native, Row, declare, native, row, topic};

const BOUND_MS: i64 = 50;
const SIZE_MS: i64 = 500;

/// Two functions, the second of which reads `mid`, which the first writes.
struct Chain {
    log: MemoryLog,
    clock: Arc<ManualClock>,
    first: Vec<Task>,
    second: Vec<Task>,
    functions: [Native; 2],
    partitions: [u32; 2],
}

fn all() -> Native {
    native(declare(&["out"]), |batch, _, out| {
        (0..batch.rows()).for_each(|row| out.forward(row as u32, 0));
        Ok(())
    })
}

impl Chain {
    fn new(first: Native, partitions: [u32; 2]) -> Self {
        let log = MemoryLog::new();
        for (name, count) in [("in", partitions[0]), ("mid", partitions[1])] {
            log.create(&topic(name), count);
            log.create(&topic(&format!("{name}-late")), partitions[1]);
        }
        for name in ["other", "out", "late", "again", "again-late"] {
            log.create(&topic(name), 1);
        }
        let functions = [first, window_sums(Assigner::Tumbling { size_ms: SIZE_MS }, 0)];
        let clock = Arc::new(ManualClock::new(1_000_000_000_000));
        let (first, second) = (Vec::new(), Vec::new());
        let mut chain = Self { log, clock, first, second, functions, partitions };
        let peers = [Peers::new(partitions[0] as usize), Peers::new(partitions[1] as usize)];
        chain.first = (0..partitions[0]).map(|at| chain.start(0, at, &peers[0])).collect();
        chain.second = (0..partitions[1]).map(|at| chain.start(1, at, &peers[1])).collect();
        chain
    }

    fn start(&self, stage: usize, partition: u32, peers: &Peers) -> Task {
        self.start_with(stage, partition, peers, &[])
    }

    fn start_with(&self, stage: usize, partition: u32, peers: &Peers, others: &[&str]) -> Task {
        let function = &self.functions[stage.min(1)];
        let (name, input, outputs) = [
            ("first", "in", ["mid", "mid-late"]),
            ("second", "mid", ["out", "late"]),
            ("repeated", "mid", ["again", "again-late"]),
        ][stage];
        let id = TaskId { function: FunctionId::parse(name).unwrap(), partition };
        let inputs = [input].into_iter().chain(others.iter().copied()).map(|name| InputConfig {
            out_of_orderness_ms: BOUND_MS,
            ..InputConfig::new(TopicPartition::local(topic(name), partition))
        });
        let mut config = TaskConfig::new(id, inputs.collect(), function.declaration.clone());
        let partitions = if stage == 0 { self.partitions[1] } else { 1 };
        let named = outputs.iter().take(function.declaration.outputs.len());
        let output = |name: &&str| OutputTopic { topic: topic(name), partitions, compacted: false };
        config.outputs = named.map(output).collect();
        let parts = Parts {
            config,
            source: self.log.source(),
            sink: self.log.sink(),
            pool: GuestPool::new(Arc::new(function.clone())),
            clock: self.clock.clone(),
            telemetry: Arc::new(NoTelemetry),
            peers: Some((peers.clone(), partition as usize)),
        };
        pollster::block_on(Task::start(parts)).unwrap()
    }

    fn append(&self, partition: usize, rows: &[Row]) {
        self.append_to("in", partition, rows);
    }

    fn append_to(&self, name: &str, partition: usize, rows: &[Row]) {
        let mut builder = RecordsBuilder::new();
        for (key, value, timestamp) in rows {
            let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
            builder.push(bytes(key).as_deref(), bytes(value).as_deref(), *timestamp);
        }
        self.log.append(&topic(name), partition as u32, &mut builder).unwrap();
    }

    /// Lets a task work for up to `steps` steps. Answers whether it did anything.
    fn work(task: &mut Task, steps: usize) -> bool {
        let step = |_: &usize| pollster::block_on(task.step()).unwrap() == Step::Worked;
        (0..steps).take_while(step).count() > 0
    }

    fn tasks(&mut self) -> impl Iterator<Item = &mut Task> {
        self.first.iter_mut().chain(&mut self.second)
    }

    /// Lets all work until nothing is left to do, and time has passed after that.
    fn settle(&mut self, ms: i64) {
        let end = self.clock.now_ms() + ms;
        while self.clock.now_ms() < end {
            while self.tasks().fold(false, |any, task| Self::work(task, 1_000) | any) {}
            self.clock.advance(100);
        }
    }

    /// Repeats what the only task of the second function has committed, by a task that writes elsewhere.
    fn repeat(&self) -> Task {
        let mut sink = self.log.sink();
        let id = &self.second[0].config().id;
        let recovered = pollster::block_on(sink.load(id)).unwrap();
        let mut repeated = self.start(2, 0, &Peers::new(1));
        for TaskRecord { meta, .. } in recovered.tail {
            self.clock.set(meta.time_ms);
            repeated.begin_repeat(Repeat::Commit(&meta));
            while !pollster::block_on(repeated.repeat_step(Repeat::Commit(&meta))).unwrap() {}
        }
        repeated
    }

    fn rows(&self, name: &str) -> Vec<Row> {
        let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        let mut rows = Vec::new();
        for bytes in self.log.batches(&topic(name), 0) {
            for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                rows.push((text(record.key()), text(record.value()), record.timestamp()));
            }
        }
        rows
    }
}

/// Records of a partition: in order but for [`BOUND_MS`], and one at the end that closes all windows.
fn rows(gaps: &[(i64, i64, u8)], end: i64) -> Vec<Row> {
    let mut at = 0;
    let mut rows: Vec<Row> = gaps
        .iter()
        .map(|(gap, early, key)| {
            at += gap;
            row(&format!("k{key}"), &(at % 7).to_string(), (at - early).max(0))
        })
        .collect();
    if !rows.is_empty() {
        rows.push(row("end", "0", end));
    }
    rows
}

/// Count and sum by window and key, of windows that are over.
fn sums(rows: &[Row], size_ms: i64, over: i64) -> Vec<Row> {
    let mut sums: BTreeMap<(i64, String), (i64, i64)> = BTreeMap::new();
    for (key, value, timestamp) in rows {
        let start = timestamp.div_euclid(size_ms) * size_ms;
        if start + size_ms <= over {
            let sum = sums.entry((start, key.clone().unwrap())).or_default();
            *sum = (sum.0 + 1, sum.1 + value_of(value));
        }
    }
    let line = |((start, key), (count, sum)): ((i64, String), (i64, i64))| {
        row(&key, &format!("{start}: {count} {sum}"), start + size_ms - 1)
    };
    sums.into_iter().map(line).collect()
}

/// A value as the functions read it.
fn value_of(value: &Option<String>) -> i64 {
    value.as_ref().unwrap().parse().unwrap_or(0)
}

#[derive(Debug, Clone, Copy)]
enum First {
    All,
    Even,
    Sums,
}

impl First {
    fn function(self) -> Native {
        match self {
            Self::All => all(),
            Self::Even => even(),
            Self::Sums => window_sums(Assigner::Tumbling { size_ms: SIZE_MS / 5 }, 0),
        }
    }

    /// What it makes of the records of one partition, as far as time has come to an end there.
    fn results(self, rows: &[Row], end: i64) -> Vec<Row> {
        match self {
            Self::All => rows.to_vec(),
            Self::Even => rows.iter().filter(|row| value_of(&row.1) % 2 == 0).cloned().collect(),
            Self::Sums => sums(rows, SIZE_MS / 5, end),
        }
    }
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|(key, value, at)| (*at, value.clone(), key.clone()));
    rows
}

#[derive(Debug, Clone)]
enum Act {
    Append { partition: usize, rows: usize },
    Work { task: usize, steps: usize },
    Pass { ms: i64 },
    Restart { task: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..3_usize, 1..20_usize).prop_map(|(partition, rows)| Act::Append { partition, rows }),
        8 => (0..6_usize, 1..8_usize).prop_map(|(task, steps)| Act::Work { task, steps }),
        2 => (1..200_i64).prop_map(|ms| Act::Pass { ms }),
        1 => (0..6_usize).prop_map(|task| Act::Restart { task }),
    ];
    proptest::collection::vec(act, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However far the partitions of the first function are apart, and however rarely it writes: no
    /// record is late for the second one, and each of its windows fires once, when it is complete.
    #[test]
    fn what_one_function_has_not_written_yet_is_not_late_for_the_next(
        gaps in proptest::collection::vec(
            proptest::collection::vec((0..60_i64, 0..BOUND_MS, 0..4_u8), 0..60), 3),
        acts in acts(),
        mid in 1..4_u32,
        first in prop_oneof![Just(First::All), Just(First::Even), Just(First::Sums)],
    ) {
        let end = 100_000;
        let inputs: Vec<Vec<Row>> = gaps.iter().map(|gaps| rows(gaps, end)).collect();
        let mut chain = Chain::new(first.function(), [3, mid]);
        let mut appended = [0; 3];
        for act in acts {
            match act {
                Act::Append { partition, rows } => {
                    let at = &mut appended[partition];
                    let to = (*at + rows).min(inputs[partition].len());
                    chain.append(partition, &inputs[partition][*at..to]);
                    *at = to;
                }
                Act::Work { task, steps } => {
                    let count = 3 + mid as usize;
                    Chain::work(chain.tasks().nth(task % count).unwrap(), steps);
                }
                Act::Pass { ms } => { chain.clock.advance(ms); }
                Act::Restart { task } => {
                    let (stage, at) = if task < 3 { (0, task) } else { (1, task % mid as usize) };
                    let peers = Peers::new(chain.partitions[stage] as usize);
                    let task = chain.start(stage, at as u32, &peers);
                    [&mut chain.first, &mut chain.second][stage][at] = task;
                }
            }
        }
        for (partition, at) in appended.into_iter().enumerate() {
            chain.append(partition, &inputs[partition][at..]);
        }
        chain.settle(60_000);
        prop_assert_eq!(chain.rows("late"), vec![]);
        let over = end - BOUND_MS;
        let results: Vec<Row> = inputs.iter().flat_map(|rows| first.results(rows, over)).collect();
        prop_assert_eq!(sorted(chain.rows("out")), sorted(sums(&results, SIZE_MS, over)));
        if mid == 1 {
            chain.repeat();
            prop_assert_eq!(chain.rows("again"), chain.rows("out"));
        }
    }
}

#[test]
fn keys_of_the_tests_are_in_more_than_one_partition() {
    let of = |key: u8| partition_for_key(format!("k{key}").as_bytes(), 2);
    assert!((0..4).any(|key| of(key) != of(0)));
}

#[test]
fn a_function_that_lets_nothing_through_holds_up_no_other_input_of_the_next() {
    let mut chain = Chain::new(even(), [1, 1]);
    chain.functions[1] = all();
    chain.second = vec![chain.start_with(1, 0, &Peers::new(1), &["other"])];
    let timed = |values: &[i64]| -> Vec<Row> {
        values.iter().map(|at| row("k", &at.to_string(), *at)).collect()
    };
    chain.append(0, &timed(&[10]));
    chain.settle(1_000);
    assert_eq!(chain.rows("out"), [], "the other input may still bring what is earlier");
    chain.append_to("other", 0, &timed(&[5, 20, 948, 955]));
    chain.settle(1_000);
    assert_eq!(chain.rows("out"), timed(&[5, 10]), "what is to come through may be earlier");
    chain.append(0, &timed(&[1_001]));
    chain.settle(1_000);
    assert_eq!(chain.rows("out"), timed(&[5, 10, 20, 948]), "nothing before 951 is to come");
    chain.settle(20_000);
    assert_eq!(chain.rows("out"), timed(&[5, 10, 20, 948, 955]), "nobody is waited for for ever");
}

#[test]
fn a_task_that_is_down_is_waited_for_for_a_while() {
    let mut chain = Chain::new(all(), [2, 1]);
    let rows = |end| vec![row("k", "1", 10), row("end", "1", end)];
    chain.append(0, &rows(5_000));
    chain.append(1, &rows(900));
    chain.settle(1_000);
    let sums = |end: i64| row("k", &format!("{}: 2 2", end - SIZE_MS), end - 1);
    assert_eq!(chain.rows("out")[..1], [sums(500)]);
    assert_eq!(chain.second[0].watermark(), 900 - BOUND_MS);
    // Nobody runs it; it has told nothing since it was taken over.
    let taken = pollster::block_on(chain.log.sink().load(&chain.first[1].config().id));
    taken.unwrap();
    chain.first.truncate(1);
    chain.settle(8_000);
    assert_eq!(chain.second[0].watermark(), 900 - BOUND_MS);
    chain.settle(4_000);
    assert_eq!(chain.second[0].watermark(), 5_000 - BOUND_MS);
}

#[test]
fn one_who_writes_nothing_is_not_waited_for_by_those_who_never_come_to_the_end() {
    let mut chain = Chain::new(all(), [2, 1]);
    let values: Vec<Row> = (0..4_000).map(|at| row("k", "1", at * 10)).collect();
    for rows in values.chunks(10) {
        chain.append(0, rows);
    }
    // The first function has done all; its other task has had nothing to do for long.
    for _ in 0..200 {
        for task in &mut chain.first {
            Chain::work(task, 1_000);
        }
        chain.clock.advance(100);
    }
    let Chain { second, clock, .. } = &mut chain;
    let task = &mut second[0];
    let mut seen = Vec::new();
    while task.lag().unwrap() > 0 {
        pollster::block_on(task.step()).unwrap();
        clock.advance(300);
        seen.push((task.lag().unwrap(), task.watermark()));
    }
    let behind = seen.iter().find(|(lag, watermark)| *lag > 0 && *watermark > i64::MIN);
    assert!(behind.is_some(), "time goes on before all is read: {seen:?}");
    let rises = seen.windows(2).all(|pair| pair[0].1 <= pair[1].1);
    assert!(rises && seen.iter().all(|(_, watermark)| *watermark < 40_000), "{seen:?}");
}
