//! Rewinding a function to a savepoint.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{Domain, Error, FunctionId, Result, TaskId, TopicName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::savepoint::{self, Savepoint};
use crate::data::of;
use crate::functions::record::{EventKind, FunctionRecord, RewindMark};
use crate::functions::{Functions, Loaded, Versions, blocking, lock};
use crate::node::Node;

/// How a function is to be rewound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Whether the code goes back too, to the version that the savepoint was made by.
    pub with_code: bool,
    /// Whether to check only, and to tell what would happen.
    pub dry_run: bool,
}

/// What rewinding did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RestoreReport {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The savepoint.
    pub savepoint: String,
    /// The version that goes on from there.
    pub version: u64,
    /// The version that was active.
    pub before: u64,
    /// Records that were emitted since the savepoint and are still kept: as many repeat.
    pub outputs_repeated: u64,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// A savepoint, ready to go back to.
struct Prepared {
    tasks: Vec<(u32, Bytes)>,
    outputs_repeated: u64,
}

impl Functions {
    /// Rewinds a function: positions, state, timers and panes of all its tasks become those of the
    /// savepoint, in one commit. A function that is paused stays so.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-FUNCTION-BUSY`, `E-SAVEPOINT-UNKNOWN`, `E-VERSION-UNKNOWN`;
    /// `E-SAVEPOINT-INPUT` where records that would be read again are gone,
    /// `E-SAVEPOINT-PARTITIONS`, `E-SWAP-WINDOW`, or state that cannot be read: then nothing has
    /// changed.
    pub async fn restore(
        self: &Arc<Self>,
        function: &FunctionId,
        name: &str,
        request: RestoreRequest,
    ) -> Result<RestoreReport> {
        let turn = self.turn_soon(function).await?;
        let record = self.registry.get(function)?;
        let wanted = savepoint::get(self.node.journal(), function, name)?;
        let number = if request.with_code { wanted.version } else { record.active };
        if number != record.active {
            self.check_free(&record, None)?;
        }
        let loaded = self.load(&record, number).await?;
        let topics = self.written_by(&record, &[number, record.active])?;
        let made_by = match (wanted.version == number, record.version(wanted.version)) {
            (false, Some(_)) => Some(self.load(&record, wanted.version).await?),
            _ => None,
        };
        let (node, saved, target) = (Arc::clone(&self.node), wanted.clone(), loaded.clone());
        let known = record.clone();
        let prepared =
            blocking(move || prepare(&node, &known, &saved, &target, made_by.as_ref(), &topics))
                .await?;
        let report = RestoreReport {
            function: function.clone(),
            savepoint: wanted.name.clone(),
            version: number,
            before: record.active,
            outputs_repeated: prepared.outputs_repeated,
            dry_run: request.dry_run,
        };
        if !request.dry_run {
            // Whoever asked may go away: what has begun is finished all the same.
            let functions = Arc::clone(self);
            let rewinding = async move {
                let _turn = turn;
                functions.rewind(record, loaded, prepared, &wanted).await
            };
            self.to_its_end(rewinding).await?;
        }
        Ok(report)
    }

    /// Stops the tasks, puts them back in one commit, and starts them.
    async fn rewind(
        self: &Arc<Self>,
        record: FunctionRecord,
        loaded: Loaded,
        prepared: Prepared,
        to: &Savepoint,
    ) -> Result<()> {
        let function = record.function.clone();
        let mut rewound = record;
        let old = self.stop_running(&function).await;
        (rewound.active, rewound.before, rewound.canary) = (loaded.number, None, None);
        let message = Some(format!("to savepoint {}", to.name));
        rewound.note(self.now_ms(), EventKind::Rewound, loaded.number, message);
        let (node, registry, now) = (Arc::clone(&self.node), self.registry.clone(), self.now_ms());
        let (kept, id) = (rewound.clone(), function.clone());
        let done = blocking(move || {
            let journal = node.journal();
            let mut tasks = Vec::with_capacity(prepared.tasks.len());
            for (partition, bytes) in prepared.tasks {
                let key = TaskId { function: id.clone(), partition }.to_string();
                tasks.push((journal.register_task(&key, now).map_err(of)?, bytes));
            }
            let (key, value) = registry.entry_of(&kept)?;
            let sequence = journal.rewind(&tasks, &[(&key, Some(&value))], now).map_err(of)?;
            journal.wait_durable(sequence).map_err(of)?;
            Ok(sequence)
        })
        .await;
        let done = match done {
            Ok(at) => {
                let tasks = to.tasks.iter().map(|task| (task.partition, task.sequence)).collect();
                rewound.note_rewind(RewindMark { at, tasks });
                self.write(rewound.clone()).await
            }
            Err(error) => Err(error),
        };
        let versions = match (&done, old) {
            (Ok(()), _) if rewound.paused => None,
            (Ok(()), _) => Some(Versions { active: loaded, before: None }),
            (Err(_), old) => old,
        };
        let started =
            versions.map_or(Ok(()), |versions| self.start_again(&function, versions, false));
        match &started {
            Ok(()) => self.attach_recorded(&rewound).await,
            Err(error) => drop(self.failed.insert(function, error.to_string())),
        }
        done.and(started)
    }

    /// The topics that these versions of a function write to, dead letters included.
    pub(super) fn written_by(
        &self,
        record: &FunctionRecord,
        versions: &[u64],
    ) -> Result<Vec<TopicName>> {
        let mut topics = BTreeSet::new();
        for version in record.versions.iter().filter(|v| versions.contains(&v.number)) {
            let manifest = version.manifest(&record.function)?;
            topics.insert(manifest.dead_letter_topic());
            topics.extend(manifest.outputs.into_iter().map(|output| output.topic));
        }
        if let Some(running) = self.running(&record.function) {
            topics.extend(lock(&running.versions).active.spec.outputs.values().cloned());
        }
        Ok(topics.into_iter().collect())
    }
}

/// Reads a savepoint whole under the version that is to go on from it, and checks that its inputs
/// are still there.
fn prepare(
    node: &Node,
    record: &FunctionRecord,
    savepoint: &Savepoint,
    loaded: &Loaded,
    made_by: Option<&Loaded>,
    outputs: &[TopicName],
) -> Result<Prepared> {
    let configs = node.task_configs(&loaded.spec, &loaded.factory)?;
    if configs.len() != savepoint.tasks.len() {
        let text = format!(
            "savepoint {} has {} tasks, but the inputs of version {} have {} partitions",
            savepoint.name,
            savepoint.tasks.len(),
            loaded.number,
            configs.len()
        );
        return Err(Error::new("E-SAVEPOINT-PARTITIONS", Domain::User, text));
    }
    check_inputs(node, savepoint)?;
    let shape = |l: &Loaded| l.factory.declaration().window.as_ref().map(|window| window.shape);
    let mut prepared = Prepared { tasks: Vec::new(), outputs_repeated: 0 };
    for (config, task) in configs.iter().zip(&savepoint.tasks) {
        let bytes = savepoint::bytes_of(node.journal(), task)?;
        let (_, panes) = pelton_engine::check_savepoint(bytes.clone(), config)?;
        if panes > 0 && made_by.is_some_and(|by| shape(by) != shape(loaded)) {
            let text = format!(
                "savepoint {} has {panes} open window panes on partition {} that version {} cannot \
                 read, since it handles windows in another way; take the code of version {} back \
                 with it",
                savepoint.name, task.partition, loaded.number, savepoint.version
            );
            return Err(Error::new("E-SWAP-WINDOW", Domain::User, text));
        }
        let id = node.journal().task(&config.id.to_string());
        for topic in outputs.iter().filter_map(|name| node.journal().topic(&name.to_string()).ok())
        {
            let rows = topic.partitions().iter().map(|partition| {
                let sent = |behind| id.as_ref().map_or(0, |id| partition.rows_by(id.id(), behind));
                record.sent_since(task.partition, task.sequence, sent)
            });
            prepared.outputs_repeated += rows.sum::<u64>();
        }
        prepared.tasks.push((task.partition, bytes));
    }
    Ok(prepared)
}

/// Whether every record behind the savepoint can be read again.
fn check_inputs(node: &Node, savepoint: &Savepoint) -> Result<()> {
    for position in savepoint.tasks.iter().flat_map(|task| &task.positions) {
        let (topic, number, next) = (&position.topic, position.partition, position.next);
        let gone = |what: String| {
            let text = format!(
                "savepoint {} goes on at {topic} {number}:{next}, but {what}; choose a younger \
                 savepoint",
                savepoint.name
            );
            Err(Error::new("E-SAVEPOINT-INPUT", Domain::User, text))
        };
        let found = match node.journal().topic(topic) {
            Ok(found) if found.id().0 == position.topic_id => found,
            Ok(_) => return gone("the topic was removed, and this is another one".into()),
            Err(error) if error.code() == "E-TOPIC-UNKNOWN" => {
                return gone("the topic was removed".into());
            }
            Err(error) => return Err(of(error)),
        };
        if found.partition(number).map_err(of)?.has_passed_behind(next) {
            return gone("records behind it were handed on without being kept".into());
        }
        let held = found.partition(number).map_err(of)?.offsets();
        if next < held.start {
            return gone(format!("retention has removed what was before {}", held.start));
        }
    }
    Ok(())
}
