//! Replays: a function is run again over records that it has seen, beside the live one and without
//! touching it, to another topic or against what was emitted.
//!
//! A replay repeats the decisions that the commits of the live tasks recorded: where calls were
//! cut, wall time, idle inputs. They are kept since a task's last snapshot; what lies before is cut
//! anew. It works on a copy of the state in memory, on the workers, as a task of its tenant's.

mod compare;
mod job;
mod kept;
mod plan;
mod run;
mod sink;

pub use compare::{DIFFERENCES_SHOWN, Difference, Differences, UNMATCHED_MAX};
pub use job::{REPLAYS_KEPT, REPLAYS_RUNNING_MAX, ReplayState, ReplayStatus};
pub use plan::{ReplayStart, StartKind};

pub(super) use compare::hash_of as record_hash;
pub(in crate::functions) use job::Replays;
pub(in crate::functions) use kept::replay_keys;
pub(in crate::functions) use plan::{Live, read as live};

use std::sync::Arc;

use pelton_core::{Domain, Error, FunctionId, Result, Start, TopicName};
use pelton_journal::TopicConfig;

use crate::functions::loaded::no_version;
use crate::functions::{EventKind, FunctionRecord, Functions, Loaded, blocking};
use job::Job;
use plan::TaskPlan;
use sink::Target;

/// What is to be run again.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// Where to begin, in each input.
    pub from: Start,
    /// Where to end; else where the live function stands.
    pub until: Option<Start>,
    /// The topic that takes the results, which must be new; without one, they are compared with
    /// what was emitted.
    pub to: Option<TopicName>,
    /// The version to run; else the active one.
    pub version: Option<u64>,
    /// A module to run in place of that version's, by digest.
    pub digest: Option<String>,
}

impl ReplayRequest {
    /// A comparison of what the active version does from `from` on with what was emitted.
    #[must_use]
    pub fn new(from: Start) -> Self {
        Self { from, until: None, to: None, version: None, digest: None }
    }
}

impl Functions {
    /// Starts a replay.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-VERSION-UNKNOWN`, `E-REPLAY-LIMIT`; `E-REPLAY-TOPIC` where the
    /// target is there already; `E-REPLAY-EMPTY` where nothing lies between begin and end;
    /// `E-REPLAY-DECISIONS` or `E-REPLAY-OUTPUTS` where what was emitted cannot be compared;
    /// what is wrong with the module.
    pub async fn replay(
        self: &Arc<Self>,
        function: &FunctionId,
        request: ReplayRequest,
    ) -> Result<ReplayStatus> {
        let record = self.registry.get(function)?;
        let rewound = record.events.iter().rev().find(|event| event.kind == EventKind::Rewound);
        let rewound_ms = rewound.map_or(i64::MIN, |event| event.time_ms);
        self.replays.check_room(function)?;
        let number = request.version.unwrap_or(record.active);
        let loaded = self.replayed(&record, number, request.digest.as_deref()).await?;
        let outputs = self.written_by(&record, &[number, record.active])?;
        let node = Arc::clone(&self.node);
        let (asked, version, id) = (request.clone(), loaded.clone(), function.clone());
        let (plans, target) = blocking(move || {
            let plans = plan::plan(&node, &version, &asked, rewound_ms)?;
            let target = match &asked.to {
                None => Target::compare(&node, &plans, &outputs)?,
                Some(topic) => {
                    check_target(&id, topic)?;
                    let partitions = plans.len() as u32;
                    let config = TopicConfig::new(partitions);
                    let name = topic.to_string();
                    if node.journal().topic(&name).is_ok() {
                        return Err(topic_there(topic));
                    }
                    let now = node.clock().now_ms();
                    let made = node.journal().create_topic(&name, config, now);
                    Target::topic(&node, &version, made.map_err(Error::from_coded)?)
                }
            };
            Ok((plans, target))
        })
        .await?;
        let job = Job::new(function, number, request.to.as_ref(), &plans, target);
        self.replays.add(&job)?;
        if request.to.is_some() {
            let (node, status) = (Arc::clone(&self.node), job.status());
            blocking(move || {
                let kept = kept::keep(node.journal(), &status, node.clock().now_ms())?;
                node.journal().wait_durable(kept).map_err(Error::from_coded)
            })
            .await
            .inspect_err(|error| job.abandon(error))?;
        }
        self.run_replay(&job, &loaded, plans);
        Ok(job.status())
    }

    /// Puts a replay's tasks on the workers.
    fn run_replay(&self, job: &Arc<Job>, loaded: &Loaded, plans: Vec<TaskPlan>) {
        for plan in plans {
            let (job, journal) = (Arc::clone(job), Arc::clone(self.node.journal()));
            let tenant = loaded.spec.function.tenant().clone();
            self.node.spawn(tenant, loaded.spec.weight, |permits| {
                Box::pin(run::run(job, journal, plan, permits))
            });
        }
    }

    /// The version that is to be run again, perhaps with another module.
    async fn replayed(
        &self,
        record: &FunctionRecord,
        number: u64,
        digest: Option<&str>,
    ) -> Result<Loaded> {
        let Some(digest) = digest else { return self.load(record, number).await };
        let version = record.version(number);
        let version = version.ok_or_else(|| no_version(record, number))?;
        let manifest = version.manifest(&record.function)?;
        let wasm = self.module(digest).await?;
        let node = Arc::clone(&self.node);
        blocking(move || Loaded::new(&node, number, manifest, &wasm)).await
    }

    /// The replays of a function, oldest first.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`.
    pub fn replays(&self, function: &FunctionId) -> Result<Vec<ReplayStatus>> {
        self.registry.get(function)?;
        Ok(self.replays.statuses(function))
    }

    /// A replay.
    ///
    /// # Errors
    /// `E-REPLAY-UNKNOWN`.
    pub fn replay_status(&self, function: &FunctionId, id: u64) -> Result<ReplayStatus> {
        self.replays.status(function, id)
    }

    /// Cancels a replay that runs: it ends behind the call that is under way. What it has written
    /// stays.
    ///
    /// # Errors
    /// `E-REPLAY-UNKNOWN`.
    pub fn cancel_replay(&self, function: &FunctionId, id: u64) -> Result<ReplayStatus> {
        let job = self.replays.get(function, id)?;
        job.cancel();
        Ok(job.status())
    }
}

fn check_target(function: &FunctionId, topic: &TopicName) -> Result<()> {
    if topic.tenant() == function.tenant() {
        return Ok(());
    }
    let text = format!("{topic} is not of the tenant of {function}");
    Err(Error::new("E-TENANT-OTHER", Domain::User, text))
}

fn topic_there(topic: &TopicName) -> Error {
    let text = format!(
        "topic {topic} is there already: a replay writes to a topic of its own, so that nothing is \
         in it twice; choose another name, or remove it"
    );
    Error::new("E-REPLAY-TOPIC", Domain::User, text)
}
