//! The function as a task of the engine's, over a log in memory.

use std::sync::Arc;

use pelton_core::{
    Declaration, EventTime, FunctionId, GuestFactory, TaskId, TopicName, TopicPartition,
};
use pelton_engine::{
    GuestPool, InputConfig, OnPoison, OpenEnvironment, OutputTopic, Parts, Task, TaskConfig,
};

use super::Harness;
use crate::testing::native::NativeFunction;

/// The topic of dead letters.
pub(super) const DEAD_LETTERS: &str = "dead-letters";

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn input_topic(name: &str) -> TopicName {
    topic(&format!("input.{name}"))
}

impl Harness {
    pub(super) fn started(&self) -> (&Task, &Declaration) {
        let (task, declared) = self.running.as_ref().expect("every caller has started it");
        (task, declared)
    }

    pub(super) fn start(&mut self) {
        if self.running.is_none() {
            self.restart(false);
        }
    }

    /// The function as a deployment of its one task.
    pub(super) fn deployment(&self, bounded: bool) -> (TaskConfig, GuestPool, Declaration) {
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

    pub(super) fn restart(&mut self, bounded: bool) {
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
}
