//! Engine, state and journal in one thread on a simulated disk: crashes, power cuts, torn and late
//! writes, all from one seed. The same seed gives the same trace, and every seed the same output.
//!
//! `PELTON_SIM_SEEDS=N` runs N seeds (200 without it) from `PELTON_SIM_FROM` on; a single one prints its
//! trace. `cargo xtask sim` sets them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fmt::Write;
use std::sync::Arc;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::window::Assigner;
use pelton_core::{Clock, ManualClock};
use pelton_engine::{GuestPool, NoTelemetry, Parts, Step, Task, random};
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::sim::{Faults, SimDisk};
use pelton_journal::{Commit, Config, Journal, SyncDriver, TopicConfig, Visibility};
use support::functions::*;
use support::{Native, Row, World, row};

const TOPICS: [&str; 4] = ["default/in", "default/out", "default/late", "default/dead"];

struct Dice {
    seed: u64,
    rolls: u64,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.rolls += 1;
        random(self.seed, self.rolls, 0) % sides
    }
}

fn input(seed: u64) -> Vec<Row> {
    let mut dice = Dice { seed: seed ^ 0x5eed, rolls: 0 };
    let mut now = 10_000;
    let count = 40 + dice.roll(160);
    (0..count)
        .map(|_| {
            now += dice.roll(20) as i64;
            let key = format!("k{}", dice.roll(5));
            row(&key, &dice.roll(9).to_string(), now - dice.roll(25) as i64)
        })
        .collect()
}

fn function(seed: u64) -> Native {
    let tumbling = Assigner::Tumbling { size_ms: 60 };
    let session = Assigner::Session { gap_ms: 30 };
    match seed % 8 {
        0 => even(),
        1 => sums(),
        2 => sessions(40),
        3 => distinct(50),
        4 => window_sums(tumbling, 20),
        5 => window_histories(session, 20),
        6 => window_contents(session, 0),
        _ => window_contents(tumbling, 0),
    }
}

/// A process: its journal and its task. A crash drops it.
struct Process {
    journal: Arc<Journal>,
    task: Task,
}

struct Simulation {
    disk: SimDisk,
    dice: Dice,
    clock: Arc<ManualClock>,
    rows: Vec<Row>,
    function: Native,
    trace: String,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        Self {
            disk: SimDisk::new(),
            dice: Dice { seed, rolls: 0 },
            clock: Arc::new(ManualClock::new(1_000_000)),
            rows: input(seed),
            function: function(seed),
            trace: String::new(),
        }
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        writeln!(self.trace, "{what}").unwrap();
    }

    fn open(&mut self) -> Result<Process, pelton_journal::Error> {
        let config = Config {
            sync_driver: SyncDriver::Manual,
            segment_bytes: 16 << 10,
            ..Config::default()
        };
        let journal = Arc::new(Journal::open_on(Arc::new(self.disk.clone()), config)?);
        for name in TOPICS {
            if journal.topic(name).is_err() {
                journal.create_topic(name, TopicConfig::new(1), self.clock.now_ms())?;
            }
        }
        let world = World::new();
        let mut config = world.config(&self.function, &[("in", 5)]);
        config.bounded = false;
        config.idle_timeout_ms = i64::MAX;
        config.snapshot_after_bytes = 4 << 10;
        config.limits.set("batch_records", 1 + self.dice.roll(40)).unwrap();
        let parts = Parts {
            config,
            source: Box::new(JournalSource::new(Arc::clone(&journal), Visibility::Appended)),
            sink: Box::new(JournalSink::new(Arc::clone(&journal), self.clock.clone())),
            pool: GuestPool::new(Arc::new(self.function.clone())),
            clock: self.clock.clone(),
            telemetry: Arc::new(NoTelemetry),
            peers: None,
        };
        let task = pollster::block_on(Task::start(parts)).expect("the task starts");
        self.note(format_args!("open at {}", journal.appended()));
        Ok(Process { journal, task })
    }

    /// Appends the next rows of the input, behind what the journal has of it.
    fn produce(&mut self, process: &Process) -> bool {
        let topic = process.journal.topic(TOPICS[0]).unwrap();
        let partition = topic.partition(0).unwrap();
        let have = partition.offsets().end as usize;
        let count = (1 + self.dice.roll(15) as usize).min(self.rows.len() - have);
        if count == 0 {
            return false;
        }
        let mut builder = RecordsBuilder::new();
        for (key, value, timestamp) in &self.rows[have..have + count] {
            let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
            builder.push(bytes(key).as_deref(), bytes(value).as_deref(), *timestamp);
        }
        let batch = builder.finish();
        let mut commit = Commit::new(self.clock.now_ms());
        commit.batch(partition, count as u32, 0, [&batch[..]]);
        let appended = process.journal.append(&mut commit);
        self.note(format_args!("produce {count} at {have}: {}", appended.is_ok()));
        appended.is_ok()
    }

    fn step(&mut self, process: &mut Process) -> bool {
        match pollster::block_on(process.task.step()) {
            Ok(step) => {
                if let Step::Wait { until_ms } = step {
                    self.clock.set(until_ms);
                }
                self.note(format_args!("{step:?} at {}", process.task.sequence()));
                true
            }
            Err(error) => {
                self.note(format_args!("step: {}", error.code));
                false
            }
        }
    }

    /// One random thing; answers whether the process lives on.
    fn act(&mut self, process: &mut Process) -> bool {
        match self.dice.roll(100) {
            0..25 => {
                self.produce(process);
            }
            25..75 => return self.step(process),
            75..88 => {
                let synced = process.journal.sync_step().is_ok();
                self.note(format_args!("sync {synced} to {}", process.journal.durable()));
                return synced;
            }
            88..92 => self.clock.advance(self.dice.roll(50) as i64),
            92..95 => {
                let cleaned = process.journal.clean(self.clock.now_ms());
                self.note(format_args!("clean {}", cleaned.is_ok()));
            }
            _ => return false,
        }
        true
    }

    fn crash(&mut self, process: Process) {
        let durable = process.journal.durable();
        let power = self.dice.roll(2) == 0;
        if power {
            let seed = self.dice.roll(u64::MAX);
            self.disk.power_cut(seed);
        } else {
            self.disk.kill();
        }
        drop(process);
        self.disk.set_faults(Faults::default());
        self.note(format_args!("crash, power cut {power}, durable {durable}"));
    }

    /// Lives of random length, then one to the end; answers the outputs.
    fn run(&mut self) -> [Vec<Row>; 3] {
        for _ in 0..2 + self.dice.roll(8) {
            let mut process = self.open().expect("the journal opens after a crash");
            for _ in 0..self.dice.roll(60) {
                if !self.act(&mut process) {
                    break;
                }
            }
            self.crash(process);
        }
        let mut process = self.open().expect("the journal opens after a crash");
        while self.produce(&process) {}
        for _ in 0..100_000 {
            assert!(self.step(&mut process), "{}", self.trace);
            if self.trace.ends_with(&format!(
                "Idle {{ wake_at_ms: Some({}) }} at {}\n",
                i64::MAX,
                process.task.sequence()
            )) {
                break;
            }
        }
        process.journal.sync_step().unwrap();
        ["default/out", "default/late", "default/dead"].map(|name| read(&process.journal, name))
    }
}

fn read(journal: &Journal, topic: &str) -> Vec<Row> {
    let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
    let topic = journal.topic(topic).unwrap();
    let partition = topic.partition(0).unwrap();
    let mut rows = Vec::new();
    let mut offset = partition.offsets().start;
    while let Some(batch) = partition.read(offset, Visibility::Durable).unwrap() {
        for record in Batch::parse(&batch.bytes).unwrap().records().unwrap().iter() {
            rows.push((text(record.key()), text(record.value()), record.timestamp()));
        }
        offset = batch.next_offset();
    }
    rows
}

/// What the same function makes of the same input in memory, where nothing goes wrong.
fn expected(seed: u64) -> [Vec<Row>; 3] {
    let world = World::new();
    let function = function(seed);
    world.append("in", &input(seed), &[1_000]);
    let mut config = world.config(&function, &[("in", 5)]);
    config.bounded = false;
    config.idle_timeout_ms = i64::MAX;
    let mut task = world.start(&function, config);
    while pollster::block_on(task.step()).unwrap() == Step::Worked {}
    ["out", "late", "dead"].map(|name| world.rows(name))
}

#[test]
fn every_seed_ends_with_the_same_output_as_a_calm_run() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let from = number("PELTON_SIM_FROM").unwrap_or(0);
    let seeds = number("PELTON_SIM_SEEDS").unwrap_or(200);
    for seed in from..from + seeds {
        let mut simulation = Simulation::new(seed);
        let outputs = simulation.run();
        if seeds == 1 {
            println!("{}", simulation.trace);
        }
        let again = format!("cargo xtask sim --from {seed} --seeds 1");
        assert_eq!(outputs, expected(seed), "seed {seed}: `{again}` shows its trace");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..12 {
        let trace = || {
            let mut simulation = Simulation::new(seed);
            simulation.run();
            simulation.trace
        };
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}
