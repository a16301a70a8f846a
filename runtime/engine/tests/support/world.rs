//! Functions in native code, and a small world to run them in.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::sync::Arc;

use pelton_batch::{Batch, OperationsBuilder, RecordsBuilder};
use pelton_core::{
    BoxFuture, Clock, Declaration, Environment, Fault, FunctionId, Guest, GuestFactory,
    ManualClock, Result, SharedEnvironment, StoreDeclaration, StoreKind, TaskId, TimeDomain,
    TimerDeclaration, TopicName, TopicPartition,
};
use pelton_engine::memory::MemoryLog;
use pelton_engine::{
    GuestPool, InputConfig, NoTelemetry, OnPoison, OutputTopic, Parts, Step, Task, TaskConfig,
};

pub type Body =
    dyn Fn(Batch<'_>, &dyn Environment, &mut OperationsBuilder) -> Result<(), Fault> + Send + Sync;

/// A function in native code.
#[derive(Clone)]
pub struct Native {
    pub declaration: Declaration,
    pub body: Arc<Body>,
}

struct NativeGuest(Arc<Body>);

impl Guest for NativeGuest {
    fn call<'a>(
        &'a mut self,
        input: &'a [u8],
        environment: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Vec<u8>, Fault>> {
        let mut operations = OperationsBuilder::new();
        let batch = Batch::parse(input).unwrap();
        batch.validate().unwrap();
        let result = (self.0)(batch, &*environment, &mut operations);
        Box::pin(std::future::ready(result.map(|()| operations.finish())))
    }

    fn save<'a>(
        &'a mut self,
        _: SharedEnvironment,
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, Fault>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn restore<'a>(
        &'a mut self,
        _: &'a [u8],
        _: SharedEnvironment,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl GuestFactory for Native {
    fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    fn instantiate(&self, _: SharedEnvironment) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        let guest = NativeGuest(Arc::clone(&self.body));
        Box::pin(std::future::ready(Ok(Box::new(guest) as Box<dyn Guest>)))
    }
}

pub fn native(
    declaration: Declaration,
    body: impl Fn(Batch<'_>, &dyn Environment, &mut OperationsBuilder) -> Result<(), Fault>
    + Send
    + Sync
    + 'static,
) -> Native {
    Native { declaration, body: Arc::new(body) }
}

pub fn declare(outputs: &[&str]) -> Declaration {
    Declaration {
        outputs: outputs.iter().map(ToString::to_string).collect(),
        ..Declaration::default()
    }
}

pub fn kv(name: &str) -> StoreDeclaration {
    StoreDeclaration { name: name.into(), kind: StoreKind::Kv, schema: 0 }
}

pub fn timer(name: &str, domain: TimeDomain) -> TimerDeclaration {
    TimerDeclaration { name: name.into(), domain }
}

/// A record: key, value, timestamp.
pub type Row = (Option<String>, Option<String>, i64);

pub fn row(key: &str, value: &str, timestamp: i64) -> Row {
    (Some(key.into()), Some(value.into()), timestamp)
}

pub fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

/// The header of records with the value [`MARKED`].
pub const MARKER: &str = "closes";
/// The value of records that are markers, for functions that know any.
pub const MARKED: &str = "19";

/// A log with an input topic `in`, outputs `out` and `late`, dead letters `dead`, one partition
/// each.
pub struct World {
    pub log: MemoryLog,
    pub clock: Arc<ManualClock>,
}

impl World {
    pub fn new() -> Self {
        let log = MemoryLog::new();
        for name in ["in", "in2", "out", "late", "dead"] {
            log.create(&topic(name), 1);
        }
        Self { log, clock: Arc::new(ManualClock::new(1_000_000_000_000)) }
    }

    /// Appends rows to a topic in batches of these sizes, over and over.
    pub fn append(&self, name: &str, rows: &[Row], sizes: &[usize]) {
        let mut rest = rows;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                return;
            }
            let (now, later) = rest.split_at((*size).clamp(1, rest.len()));
            let mut builder = RecordsBuilder::new();
            for (key, value, timestamp) in now {
                let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
                builder.push(bytes(key).as_deref(), bytes(value).as_deref(), *timestamp);
                if value.as_deref() == Some(MARKED) {
                    builder.header(MARKER, None);
                }
            }
            self.log.append(&topic(name), 0, &mut builder).unwrap();
            rest = later;
        }
    }

    /// All records of a topic.
    pub fn rows(&self, name: &str) -> Vec<Row> {
        let text = |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned());
        let mut rows = Vec::new();
        for bytes in self.log.batches(&topic(name), 0) {
            let batch = Batch::parse(&bytes).unwrap();
            batch.validate().unwrap();
            for record in batch.records().unwrap().iter() {
                rows.push((text(record.key()), text(record.value()), record.timestamp()));
            }
        }
        rows
    }

    /// The value of a header of each record of a topic.
    pub fn headers(&self, name: &str, header: &str) -> Vec<String> {
        let mut values = Vec::new();
        for bytes in self.log.batches(&topic(name), 0) {
            for record in Batch::parse(&bytes).unwrap().records().unwrap().iter() {
                let value = record.header(header).unwrap_or_default();
                values.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        values
    }

    /// A bounded task that reads `inputs` and sends poison to `dead`.
    pub fn config(&self, function: &Native, inputs: &[(&str, i64)]) -> TaskConfig {
        let id = TaskId { function: FunctionId::parse("f").unwrap(), partition: 0 };
        let inputs = inputs.iter().map(|(name, out_of_orderness_ms)| InputConfig {
            out_of_orderness_ms: *out_of_orderness_ms,
            ..InputConfig::new(TopicPartition::local(topic(name), 0))
        });
        let mut config = TaskConfig::new(id, inputs.collect(), function.declaration.clone());
        let output =
            |name: &String| OutputTopic { topic: topic(name), partitions: 1, compacted: false };
        config.outputs = function.declaration.outputs.iter().map(output).collect();
        config.on_poison = OnPoison::DeadLetter(output(&"dead".to_string()));
        config.bounded = true;
        config
    }

    pub fn start(&self, function: &Native, config: TaskConfig) -> Task {
        let parts = Parts {
            config,
            source: self.log.source(),
            sink: self.log.sink(),
            pool: GuestPool::new(Arc::new(function.clone())),
            clock: self.clock.clone(),
            telemetry: Arc::new(NoTelemetry),
            peers: None,
        };
        pollster::block_on(Task::start(parts)).unwrap()
    }

    /// Runs a task to the end of its inputs.
    pub fn finish(&self, task: &mut Task) -> Result<()> {
        for _ in 0..1_000_000 {
            match pollster::block_on(task.step())? {
                Step::Finished => return Ok(()),
                Step::Wait { until_ms } => self.clock.set(until_ms.max(self.clock.now_ms())),
                Step::Idle { wake_at_ms } => panic!("idle until {wake_at_ms:?}"),
                Step::Worked => {}
            }
        }
        panic!("the task does not end");
    }

    /// Runs a function from start to end.
    pub fn run(&self, function: &Native, inputs: &[(&str, i64)]) -> Task {
        let mut task = self.start(function, self.config(function, inputs));
        self.finish(&mut task).unwrap();
        task
    }
}
