//! The harness.

use std::sync::Arc;

use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{
    Declaration, EventTime, FunctionId, GuestFactory, ManualClock, TaskId, TimeDomain, TopicName,
    TopicPartition,
};
use pelton_engine::memory::MemoryLog;
use pelton_engine::{
    GuestPool, InputConfig, OnPoison, OpenEnvironment, OutputTopic, Parts, Peers, Replacement,
    Settings, Step, Task, TaskConfig, Verdict,
};

use super::native::NativeFunction;
use super::observed::{Emitted, Lines, LogLine, Rejected};
use crate::function::Function;
use crate::key::{AsKey, StoreKey};
use crate::payload::Payload;
use crate::store::StoreValue;

/// Steps after which a function is taken to make no progress.
const STEPS_MAX: usize = 10_000_000;
const DEAD_LETTERS: &str = "dead-letters";

type Make = Arc<dyn Fn() -> Box<dyn Function> + Send + Sync>;

/// Runs a function over records that a test pushes, with a clock and a watermark that a test
/// controls.
///
/// Settings come first ([`Harness::config`], [`Harness::input`], ...), then records; what is
/// observed ([`Harness::outputs`], [`Harness::stored`], ...) is as after all records that were
/// pushed. Records that a function rejects go to the dead letters. A retry moves the clock.
///
/// # Panics
/// The methods panic where the function cannot be opened, a topic or store is not declared, or the
/// engine reports an error: a test is to fail then.
pub struct Harness {
    make: Make,
    inputs: Vec<String>,
    settings: Settings,
    out_of_orderness_ms: i64,
    event_time: Option<EventTime>,
    batch_records: Option<u64>,
    fresh: bool,
    clock: Arc<ManualClock>,
    log: MemoryLog,
    peers: Peers,
    lines: Arc<Lines>,
    running: Option<(Task, Declaration)>,
    /// What a swap has replaced, as long as it may come back, and why the last one did.
    before: Option<(Make, Declaration)>,
    swap_failed: Option<String>,
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap_or_else(|error| panic!("{error}"))
}

fn input_topic(name: &str) -> TopicName {
    topic(&format!("input.{name}"))
}

impl Harness {
    /// A harness for the function that `make` makes: the `function` that the macros of this crate
    /// define. It has one input, called `in`.
    #[must_use]
    pub fn new(make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) -> Self {
        Self {
            make: Arc::new(make),
            inputs: Vec::new(),
            settings: Settings::default(),
            out_of_orderness_ms: 0,
            event_time: None,
            batch_records: None,
            fresh: false,
            clock: Arc::new(ManualClock::new(0)),
            log: MemoryLog::new(),
            peers: Peers::new(2),
            lines: Arc::default(),
            running: None,
            before: None,
            swap_failed: None,
        }
    }

    /// Adds an input of this name. The first one takes the place of `in`.
    #[must_use]
    pub fn input(mut self, name: &str) -> Self {
        self.inputs.push(name.to_owned());
        self
    }

    /// Sets a configuration entry.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.settings.entries.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a secret.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.settings.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How far behind the newest a record may be, ms, before it counts as late; 0 by default.
    #[must_use]
    pub fn out_of_orderness_ms(mut self, ms: i64) -> Self {
        self.out_of_orderness_ms = ms;
        self
    }

    /// Takes the time of records from a field, as `event_time` and `event_time_format` of an input do in
    /// `pelton.toml`: a JSON pointer into the value or `header:NAME`; `auto`, `ms`, `s`, `rfc3339` or a
    /// pattern. By default records happened at their timestamps, or where the function says that they did
    /// ([`event_time`](crate::event_time())).
    ///
    /// # Panics
    /// Where that is no field or no format.
    #[must_use]
    pub fn event_time(mut self, field: &str, format: &str) -> Self {
        let field = field.parse().unwrap_or_else(|error| panic!("{error}"));
        let format = format.parse().unwrap_or_else(|error| panic!("{format:?}: {error}"));
        self.event_time = Some(EventTime { field, format });
        self
    }

    /// Calls the function with at most this many records. What it does must not depend on it.
    #[must_use]
    pub fn batch(mut self, records: u64) -> Self {
        self.batch_records = Some(records);
        self
    }

    /// Opens a fresh instance for each call, which takes up what the last one saved. What the
    /// function does must not depend on it.
    #[must_use]
    pub fn fresh_instances(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Pushes a record to the first input.
    pub fn push(&mut self, key: impl Payload, value: impl Payload, timestamp: i64) {
        let first = self.inputs.first().map_or("in", String::as_str).to_owned();
        self.push_to(&first, key, value, timestamp);
    }

    /// Pushes a record to an input.
    pub fn push_to(&mut self, input: &str, key: impl Payload, value: impl Payload, timestamp: i64) {
        self.push_with_headers(input, key, value, timestamp, &[]);
    }

    /// Pushes a record with headers to an input.
    pub fn push_with_headers(
        &mut self,
        input: &str,
        key: impl Payload,
        value: impl Payload,
        timestamp: i64,
        headers: &[(&str, &str)],
    ) {
        self.start();
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let key = key.bytes(&mut key_bytes).unwrap_or_else(|error| panic!("the key: {error}"));
        let value =
            value.bytes(&mut value_bytes).unwrap_or_else(|error| panic!("the value: {error}"));
        let mut record = RecordsBuilder::new();
        record.push(key, value, timestamp);
        for (name, value) in headers {
            record.header(name, Some(value.as_bytes()));
        }
        let appended = self.log.append(&input_topic(input), 0, &mut record);
        appended.unwrap_or_else(|error| panic!("pushing to input `{input}`: {error}"));
    }

    /// Moves the wall clock forward; processing-time timers fire by it.
    pub fn advance_clock(&mut self, ms: i64) {
        self.run();
        self.clock.advance(ms);
        self.run();
    }

    /// Moves the watermark to `time`, as if records up to there had come for other keys. It never
    /// goes back.
    pub fn advance_watermark(&mut self, time: i64) {
        self.run();
        self.peers.publish(1, Some(time));
        self.run();
    }

    /// Ends the inputs: the watermark goes to infinity, all windows and event-time timers fire.
    /// Nothing can be pushed after it.
    pub fn finish(&mut self) {
        self.run();
        self.restart(true);
        self.run();
    }

    /// Drops the function and what it holds in memory, and starts it again from what it has
    /// committed, as after a crash.
    pub fn crash(&mut self) {
        self.run();
        self.restart(false);
    }

    /// Hands over to another version of the function, as a deployment does: between two calls, with
    /// state, timers, open windows and position as they are. Until the first record of the new
    /// version is committed it is on trial: where it fails before that, the version before goes on,
    /// and [`Harness::swap_failed`] says why. [`Harness::stored`] reads values as they are, of the
    /// old version until then.
    ///
    /// ```
    /// use pelton_sdk::testing::Harness;
    ///
    /// # mod old { pelton_sdk::filter!(|record| record.value_bytes().len() > 3); }
    /// # mod new { pelton_sdk::filter!(|record| record.value_bytes().len() > 2); }
    /// # fn main() {
    /// let mut test = Harness::new(old::function);
    /// test.push("a", "one", 1_000);
    /// test.swap(new::function);
    /// test.push("a", "two", 2_000);
    /// assert_eq!(test.texts("out"), ["two"]);
    /// # }
    /// ```
    pub fn swap(&mut self, make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) {
        self.run();
        let old = std::mem::replace(&mut self.make, Arc::new(make));
        let (config, pool, declared) = self.deployment(false);
        let Some((task, running)) = &mut self.running else { return };
        let replacement = Replacement { config: Arc::new(config), pool };
        task.replace(replacement).unwrap_or_else(|error| panic!("{error}"));
        self.before = Some((old, std::mem::replace(running, declared)));
        self.swap_failed = None;
    }

    /// Why the last [`Harness::swap`] was taken back, if it was.
    pub fn swap_failed(&mut self) -> Option<String> {
        self.run();
        self.swap_failed.clone()
    }

    /// Values in stores that are of another schema version than the function's: none, but on the
    /// trial of a swap.
    pub fn unmigrated(&mut self) -> u64 {
        self.run();
        self.started().0.unmigrated()
    }

    /// Drops the function and starts another version of it from what was committed, as a process
    /// that was stopped and comes back with other code: there is no trial.
    pub fn restart_as(&mut self, make: impl Fn() -> Box<dyn Function> + Send + Sync + 'static) {
        self.run();
        self.make = Arc::new(make);
        self.before = None;
        self.restart(false);
    }

    /// What was sent to an output, in order.
    pub fn outputs(&mut self, output: &str) -> Vec<Emitted> {
        self.run();
        let (_, declared) = self.started();
        let known = &declared.outputs;
        assert!(known.iter().any(|name| name == output), "no output `{output}` among {known:?}");
        self.read(&topic(&format!("output.{output}")))
    }

    /// The values that were sent to an output, as text.
    pub fn texts(&mut self, output: &str) -> Vec<String> {
        self.outputs(output).iter().map(Emitted::text).collect()
    }

    /// What went to the dead letters.
    pub fn rejected(&mut self) -> Vec<Rejected> {
        self.run();
        let letters = self.read(&topic(DEAD_LETTERS)).into_iter();
        letters
            .map(|record| Rejected {
                reason: record.header("pelton-message").unwrap_or_default(),
                record,
            })
            .collect()
    }

    /// The value under a key of a store.
    pub fn stored<K: StoreKey, V: StoreValue>(
        &mut self,
        store: &str,
        key: impl AsKey<K>,
    ) -> Option<V> {
        self.run();
        let mut bytes = Vec::new();
        key.write_key(true, &mut bytes);
        let (task, declared) = self.started();
        let index = declared.stores.iter().position(|declared| declared.name == store);
        let index = index.unwrap_or_else(|| panic!("no store `{store}` is declared"));
        let entry = task.state().get(index as u16, &bytes)?;
        let value = rmp_serde::from_slice(entry.value);
        Some(value.unwrap_or_else(|error| panic!("a value of store `{store}`: {error}")))
    }

    /// The timers that are set: their name, key and time.
    pub fn timers(&mut self) -> Vec<(String, Option<Vec<u8>>, i64)> {
        self.run();
        let (task, declared) = self.started();
        let both = [TimeDomain::Event, TimeDomain::Processing];
        let due = both.iter().flat_map(|d| task.state().due_timers(*d, i64::MAX, usize::MAX));
        due.map(|timer| {
            let name = declared.timers[usize::from(timer.target)].name.clone();
            (name, timer.key.map(Vec::from), timer.due)
        })
        .collect()
    }

    /// The watermark: `i64::MIN` before the first record, `i64::MAX` after [`Harness::finish`].
    pub fn watermark(&mut self) -> i64 {
        self.run();
        self.started().0.watermark()
    }

    /// The function's log lines.
    pub fn log_lines(&mut self) -> Vec<LogLine> {
        self.run();
        self.lines.all()
    }

    /// Processes all records that were pushed. Everything that observes does so first.
    ///
    /// # Panics
    /// Where the function is stopped, with the error that says why: see [`Harness::try_run`].
    pub fn run(&mut self) {
        self.try_run().unwrap_or_else(|error| panic!("{error}"));
    }

    /// As [`Harness::run`], for a test that expects that the function is stopped.
    ///
    /// # Errors
    /// The error that stops it, such as `E-STATE-MIGRATE`.
    pub fn try_run(&mut self) -> Result<(), String> {
        self.start();
        let clock = Arc::clone(&self.clock);
        let Some((task, declared)) = &mut self.running else { return Ok(()) };
        for _ in 0..STEPS_MAX {
            let step = pollster::block_on(task.step()).map_err(|error| error.to_string())?;
            match (task.take_verdict(), self.before.take()) {
                (Some(Verdict::Failed(fault)), Some(before)) => {
                    (self.make, *declared) = before;
                    self.swap_failed = Some(fault.to_string());
                }
                (None, before) => self.before = before,
                _ => {}
            }
            match step {
                Step::Worked => {}
                Step::Wait { until_ms } => clock.set(until_ms),
                Step::Idle { .. } | Step::Finished => return Ok(()),
            }
        }
        panic!("the function made no progress in {STEPS_MAX} steps");
    }

    fn started(&self) -> (&Task, &Declaration) {
        let (task, declared) = self.running.as_ref().expect("every caller has started it");
        (task, declared)
    }

    fn start(&mut self) {
        if self.running.is_none() {
            self.restart(false);
        }
    }

    /// The function as a deployment of its one task.
    fn deployment(&self, bounded: bool) -> (TaskConfig, GuestPool, Declaration) {
        let function = FunctionId::parse("under-test").unwrap_or_else(|e| panic!("{e}"));
        let id = TaskId { function, partition: 0 };
        let factory = self.open(&id);
        let declared = factory.declaration().clone();
        let config = self.task_config(id, &declared, bounded);
        let pool = match self.fresh {
            true => GuestPool::fresh_each_call(Arc::new(factory)),
            false => GuestPool::new(Arc::new(factory)),
        };
        (config, pool, declared)
    }

    fn restart(&mut self, bounded: bool) {
        self.running = None;
        if self.inputs.is_empty() {
            self.inputs.push("in".to_owned());
        }
        let (config, pool, declared) = self.deployment(bounded);
        let parts = Parts {
            config,
            source: self.log.source(),
            sink: self.log.sink(),
            pool,
            clock: self.clock.clone(),
            telemetry: self.lines.clone(),
            peers: Some((self.peers.clone(), 0)),
        };
        let task = pollster::block_on(Task::start(parts)).unwrap_or_else(|e| panic!("{e}"));
        self.running = Some((task, declared));
    }

    fn open(&self, task: &TaskId) -> NativeFunction {
        let make = Arc::clone(&self.make);
        let environment = OpenEnvironment {
            task: task.clone(),
            settings: self.settings.clone(),
            telemetry: self.lines.clone(),
            time_ms: 0,
        };
        let name = task.function.to_string();
        NativeFunction::open(move || make(), &name, &self.inputs, Arc::new(environment))
            .unwrap_or_else(|fault| panic!("opening the function: {fault}"))
    }

    fn task_config(&self, id: TaskId, declared: &Declaration, bounded: bool) -> TaskConfig {
        let told = || declared.tells_time.then(EventTime::guest);
        let inputs = self.inputs.iter().map(|name| {
            let topic = input_topic(name);
            self.log.create(&topic, 1);
            InputConfig {
                out_of_orderness_ms: self.out_of_orderness_ms,
                event_time: self.event_time.clone().or_else(told),
                ..InputConfig::new(TopicPartition::local(topic, 0))
            }
        });
        let mut config = TaskConfig::new(id, inputs.collect(), declared.clone());
        let output = |topic: TopicName| {
            self.log.create(&topic, 1);
            OutputTopic { topic, partitions: 1, compacted: false }
        };
        let outputs = declared.outputs.iter().map(|name| output(topic(&format!("output.{name}"))));
        config.outputs = outputs.collect();
        config.on_poison = OnPoison::DeadLetter(output(topic(DEAD_LETTERS)));
        config.settings = self.settings.clone();
        config.bounded = bounded;
        // An input without records holds nobody back, and the clock no record.
        config.idle_timeout_ms = 0;
        let limits = &mut config.limits;
        let unbound = limits.set("ahead_ms", limits.ahead_ms.ceiling);
        let cut = self.batch_records.map(|records| limits.set("batch_records", records));
        unbound.and(cut.unwrap_or(Ok(()))).unwrap_or_else(|error| panic!("{error}"));
        config
    }

    fn read(&self, topic: &TopicName) -> Vec<Emitted> {
        let mut all = Vec::new();
        for batch in self.log.batches(topic, 0) {
            let records = Batch::parse(&batch).and_then(Batch::records);
            let records = records.unwrap_or_else(|error| panic!("{error}"));
            all.extend(records.iter().map(|record| Emitted::of(&record)));
        }
        all
    }
}
