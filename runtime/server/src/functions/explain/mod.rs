//! Why windows have fired or not, what holds the watermark back, and what became of a record.

mod letters;
mod record;
mod why;

use pelton_core::{Domain, Error, FunctionId, Result, TopicName, partition_for_key};
use pelton_engine::{InputSeen, Task};
use pelton_journal::{Journal, Partition, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::travel::RecordPlace;
use super::{FunctionState, Functions};
use crate::data::of;

pub use record::{Fate, RecordExplained};

/// Windows that are shown of a key in one task at most.
const WINDOWS_MAX: usize = 1_000;

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// The windows of this key.
    pub key: Option<Vec<u8>>,
    /// Only those that this time (ms) belongs to.
    pub at_ms: Option<i64>,
    /// What became of this record, and the windows of its key at its time.
    pub record: Option<RecordPlace>,
}

/// A task that writes to an input, where its watermark counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProducerExplained {
    /// The task, `TENANT/FUNCTION#PARTITION`.
    pub task: String,
    /// How far it has come, ms; absent where it has said nothing yet.
    pub watermark_ms: Option<i64>,
    /// It has nothing to do, and is not waited for.
    pub idle: bool,
}

/// An input of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputExplained {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset that is read next.
    pub next: u64,
    /// The offset behind its last record.
    pub end: u64,
    /// Highest event time so far, ms; absent before the first record.
    pub highest_ms: Option<i64>,
    /// Everything before it has arrived, ms; absent before the first record.
    pub watermark_ms: Option<i64>,
    /// Whether it has been empty for so long that it is not waited for.
    pub idle: bool,
    /// Whether it is what holds the watermark of the task back.
    pub holds: bool,
    /// The tasks that write to it, where their watermarks count.
    pub producers: Vec<ProducerExplained>,
}

/// A window of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowExplained {
    /// Its start, inclusive, ms; absent where it has none.
    pub start_ms: Option<i64>,
    /// Its end, exclusive, ms; absent where it has none.
    pub end_ms: Option<i64>,
    /// Records in it.
    pub records: u64,
    /// Bytes of what it keeps of them.
    pub bytes: u64,
    /// How often it has fired.
    pub fired: u32,
    /// Whether it has something to tell.
    pub pending: bool,
    /// Why it has fired, or has not.
    pub why: String,
}

/// A task: the function on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskExplained {
    /// The partition.
    pub partition: u32,
    /// Everything before it has arrived, ms; absent before the first record.
    pub watermark_ms: Option<i64>,
    /// What holds the watermark back.
    pub held: String,
    /// Its inputs.
    pub inputs: Vec<InputExplained>,
    /// The windows that were asked for.
    pub windows: Vec<WindowExplained>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// Whether it runs.
    pub state: FunctionState,
    /// Its windows, as the manifest would say; absent where it has none.
    pub windows: Option<String>,
    /// The record that was asked for.
    pub record: Option<RecordExplained>,
    /// The tasks that have to do with it, or all where nothing was asked for.
    pub tasks: Vec<TaskExplained>,
}

/// What one task tells.
struct Told {
    windows: Option<String>,
    task: TaskExplained,
}

impl Functions {
    /// Explains where a function stands, durably.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`; `E-EXPLAIN-TOPIC` and `E-EXPLAIN-RECORD` for a record that it does not read
    /// or that is not there.
    pub async fn explain(&self, function: &FunctionId, question: Question) -> Result<Explanation> {
        let record = match &question.record {
            Some(place) => Some(self.explain_record(function, place).await?),
            None => None,
        };
        let (key, at_ms) = match &record {
            Some(record) => (record.key_bytes.clone(), record.event_time_ms),
            None => (question.key, question.at_ms),
        };
        let asks = question.record.is_some() || key.is_some();
        let owner = record.as_ref().map(|record| record.task);
        let of_key = key.clone();
        let told = self
            .look(function, move |task| {
                Ok(vec![Told {
                    windows: task.config().declaration.window.as_ref().map(ToString::to_string),
                    task: explain_task(task, asks.then_some(of_key.as_deref()), at_ms),
                }])
            })
            .await?;
        let windows = told.first().and_then(|told| told.windows.clone());
        let mut tasks: Vec<_> = told.into_iter().map(|told| told.task).collect();
        self.complete(&mut tasks);
        if asks {
            let partitions = tasks.len() as u32;
            let home = key.as_ref().map(|key| partition_for_key(key, partitions.max(1)));
            let owner = owner.or(home);
            let has = |task: &TaskExplained| task.windows.iter().any(|window| window.records > 0);
            tasks.retain(|task| Some(task.partition) == owner || (record.is_none() && has(task)));
        }
        let record = record.map(|found| found.record);
        let state = self.status(function).await?.state;
        Ok(Explanation { function: function.clone(), state, windows, record, tasks })
    }

    /// Fills in what the journal knows and a task does not: where its inputs end, and the names of the
    /// tasks that write to them, in place of their numbers.
    fn complete(&self, tasks: &mut [TaskExplained]) {
        let journal = self.node.journal();
        for input in tasks.iter_mut().flat_map(|task| &mut task.inputs) {
            let topic = journal.topic(&input.topic);
            let partition = topic.as_ref().map(|topic| topic.partition(input.partition));
            if let Ok(Ok(partition)) = partition {
                input.end = partition.end(Visibility::Durable).max(input.next);
            }
        }
        let name = |number: &str| -> Option<String> {
            let id = pelton_journal::TaskId(number.parse().ok()?);
            Some(journal.task_by_id(id)?.key().to_owned())
        };
        for task in tasks {
            let inputs = task.inputs.iter_mut();
            for producer in inputs.flat_map(|input| &mut input.producers) {
                producer.task =
                    name(&producer.task).unwrap_or_else(|| "a task that is gone".into());
            }
            task.held = why::held(task);
        }
    }
}

/// What a task tells of its inputs, and of the windows of a key where one is asked for.
fn explain_task(task: &Task, key: Option<Option<&[u8]>>, at_ms: Option<i64>) -> TaskExplained {
    let watermark = task.watermark();
    let mut inputs: Vec<_> = task.inputs_seen().map(|input| explain_input(&input)).collect();
    let active = inputs.iter().filter(|input| !input.idle);
    let lowest = active.map(|input| input.watermark_ms).min();
    for input in &mut inputs {
        input.holds = !input.idle && Some(input.watermark_ms) == lowest;
    }
    let windows = key.map_or_else(Vec::new, |key| why::windows(task, key, at_ms));
    TaskExplained {
        partition: task.config().id.partition,
        watermark_ms: known(watermark),
        held: String::new(),
        inputs,
        windows,
    }
}

fn explain_input(input: &InputSeen<'_>) -> InputExplained {
    let producer = |known_task: &pelton_core::Carried| ProducerExplained {
        task: known_task.task.to_string(),
        watermark_ms: known(known_task.watermark),
        idle: known_task.idle,
    };
    InputExplained {
        topic: input.config.partition.topic.to_string(),
        partition: input.config.partition.partition,
        next: input.next,
        end: input.next,
        highest_ms: known(input.progress.highest),
        watermark_ms: known(input.progress.watermark),
        idle: input.progress.idle,
        holds: false,
        producers: input.producers.iter().map(producer).collect(),
    }
}

/// A time that may not be known yet.
fn known(ms: i64) -> Option<i64> {
    (ms > i64::MIN).then_some(ms)
}

/// The partitions of a topic, durably readable.
fn partitions(journal: &Journal, topic: &TopicName) -> Result<Vec<Partition>> {
    let topic = journal.topic(&topic.to_string()).map_err(of)?;
    Ok(topic.partitions().to_vec())
}

fn user(code: &'static str, text: String) -> Error {
    Error::new(code, Domain::User, text)
}
