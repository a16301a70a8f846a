//! A function in WebAssembly between source and sink, as the engine runs it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use pelton_batch::RecordsBuilder;
use pelton_core::{GuestFactory, ManualClock, Start, TaskId, TopicName, TopicPartition};
use pelton_engine::{
    GuestPool, InputConfig, NoTelemetry, OutputTopic, Parts, Step, Task, TaskConfig,
};
use pelton_server::{DeploymentSpec, InputSpec, LoadOptions, Node, NodeConfig};

use super::tools::{at, block_on, function, read, reader, topic};
use super::{Side, World};

const WINDOWED_COUNT: &[u8] =
    include_bytes!("../../../guest-examples/prebuilt/windowed_count.wasm");
const MINUTE_MS: i64 = 60_000;
/// A record each minute.
const RECORDS: i64 = 600;
const KEYS: i64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts by key and hour, in two lives: the second finds open windows in the state that it restores.
pub(super) fn goes_on(world: &mut dyn World) {
    let input = topic(world, Side::Input, 1);
    let outputs = [topic(world, Side::Output, 1), topic(world, Side::Output, 1)];
    let task = TaskId { function: function(world), partition: 0 };
    let factory = load();
    let from = at(world, Side::Input, &input, 0);
    for half in [0..RECORDS / 2, RECORDS / 2..RECORDS] {
        let mut builder = RecordsBuilder::new();
        let count = (half.end - half.start) as u64;
        for minute in half {
            let key = format!("k{}", minute % KEYS);
            builder.push(Some(key.as_bytes()), Some(b"x"), minute * MINUTE_MS);
        }
        world.write(&input, 0, &mut builder);
        let mut life = start(world, &task, &from, &outputs, &factory);
        let started = Instant::now();
        while life.counters().records_in.load(Ordering::Acquire) < count {
            assert!(started.elapsed() < PATIENCE, "the function does not get its records");
            match block_on(life.step()).expect("a step") {
                Step::Worked => {}
                _ => std::thread::park_timeout(Duration::from_millis(1)),
            }
        }
    }
    // The last hour has not ended.
    let hours = RECORDS / 60 - 1;
    let mut source = reader(world, Side::Output, &outputs[0], 0, Start::Earliest);
    let rows = read(&mut *source, 0, (hours * KEYS) as usize);
    for (at, row) in (0..).zip(&rows) {
        let (hour, key) = (at / KEYS, at % KEYS);
        assert_eq!(row.key.as_deref(), Some(format!("k{key}").as_bytes()), "row {at}");
        let count: serde_json::Value =
            serde_json::from_slice(row.value.as_deref().expect("a value")).expect("JSON");
        assert_eq!(
            (&count["start"], &count["count"]),
            (&(hour * 60 * MINUTE_MS).into(), &12.into())
        );
    }
}

/// The function, compiled by a node that does nothing else.
fn load() -> Arc<dyn GuestFactory> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = NodeConfig::new(directory.path(), LoadOptions::in_process());
    config.load.engine.pooled_instances = 0;
    let node = Node::open(config).expect("a node");
    let input = InputSpec::new(TopicName::parse("in").expect("a name"));
    let function = pelton_core::FunctionId::parse("count").expect("a name");
    node.load(WINDOWED_COUNT, &DeploymentSpec::new(function, vec![input])).expect("a module")
}

/// A new owner of the task.
fn start(
    world: &mut dyn World,
    task: &TaskId,
    from: &TopicPartition,
    outputs: &[TopicName; 2],
    factory: &Arc<dyn GuestFactory>,
) -> Task {
    let input = InputConfig::new(from.clone());
    let mut config = TaskConfig::new(task.clone(), vec![input], factory.declaration().clone());
    let output =
        |topic: &TopicName| OutputTopic { topic: topic.clone(), partitions: 1, compacted: false };
    config.outputs = outputs.iter().map(output).collect();
    let parts = Parts {
        source: world.source(Side::Input),
        sink: world.sink(&task.function, 1),
        pool: GuestPool::new(Arc::clone(factory)),
        clock: Arc::new(ManualClock::new(RECORDS * MINUTE_MS)),
        telemetry: Arc::new(NoTelemetry),
        peers: None,
        config,
    };
    block_on(Task::start(parts)).expect("a task")
}
