//! Replays under way, and how they ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use pelton_core::{Clock as _, Domain, Error, FunctionId, Result, TopicName};
use pelton_engine::Counters;
use pelton_journal::Journal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::compare::Differences;
use super::kept;
use super::plan::{ReplayStart, TaskPlan};
use super::sink::Target;
use crate::clock::SystemClock;
use crate::functions::lock;

/// Replays of a function that may run at once.
pub const REPLAYS_RUNNING_MAX: usize = 2;
/// Replays that a node remembers; one more forgets the oldest that has ended.
pub const REPLAYS_KEPT: usize = 100;

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayState {
    /// It runs.
    Running,
    /// It has come to its end.
    Done,
    /// It was cancelled.
    Cancelled,
    /// It failed: `error` tells why.
    Failed,
    /// The server was stopped while it ran: `error` tells what to do.
    Interrupted,
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayStatus {
    /// Its number on this server.
    pub id: u64,
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The version that is run.
    pub version: u64,
    /// The topic that takes the results; absent for a comparison.
    pub to: Option<String>,
    /// How far it has come.
    pub state: ReplayState,
    /// Why it failed.
    pub error: Option<String>,
    /// Where its tasks began.
    pub began: Vec<ReplayStart>,
    /// Records to be read.
    pub records: u64,
    /// Records that were read.
    pub records_in: u64,
    /// Records that were emitted.
    pub records_out: u64,
    /// Calls that failed.
    pub faults: u64,
    /// What differs, once it has ended.
    pub differences: Option<Differences>,
}

struct Ended {
    running: usize,
    error: Option<Error>,
    differences: Option<Differences>,
}

/// A replay under way.
pub(in crate::functions) struct Job {
    id: AtomicU64,
    function: FunctionId,
    version: u64,
    to: Option<String>,
    began: Vec<ReplayStart>,
    records: u64,
    records_in: AtomicU64,
    records_out: AtomicU64,
    faults: AtomicU64,
    cancelled: AtomicBool,
    /// It is cancelled since the server ends.
    stopping: AtomicBool,
    target: Target,
    ended: Mutex<Ended>,
}

impl Job {
    pub(super) fn new(
        function: &FunctionId,
        version: u64,
        to: Option<&TopicName>,
        plans: &[TaskPlan],
        target: Target,
    ) -> Arc<Self> {
        Arc::new(Self {
            id: AtomicU64::new(0),
            function: function.clone(),
            version,
            to: to.map(ToString::to_string),
            began: plans.iter().map(|plan| plan.began.clone()).collect(),
            records: plans.iter().map(|plan| plan.records).sum(),
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            target,
            ended: Mutex::new(Ended { running: plans.len(), error: None, differences: None }),
        })
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(super) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn is_running(&self) -> bool {
        lock(&self.ended).running > 0
    }

    pub(super) fn emitted(&self, rows: u64) {
        self.records_out.fetch_add(rows, Ordering::Relaxed);
    }

    /// Takes note of what a task has done beyond what it has `told`; answers what it has told now.
    pub(super) fn progress(&self, counters: &Counters, told: (u64, u64)) -> (u64, u64) {
        let now =
            (counters.records_in.load(Ordering::Relaxed), counters.faults.load(Ordering::Relaxed));
        self.records_in.fetch_add(now.0 - told.0, Ordering::Relaxed);
        self.faults.fetch_add(now.1 - told.1, Ordering::Relaxed);
        now
    }

    /// It does not begin at all.
    pub(super) fn abandon(&self, error: &Error) {
        let mut ended = lock(&self.ended);
        ended.running = 0;
        ended.error = Some(Error::new(error.code, error.domain, error.to_string()));
    }

    /// Takes note that a task has ended. The first that fails ends the others.
    pub(super) fn ended(&self, result: Result<()>) {
        let mut ended = lock(&self.ended);
        if let Err(error) = result {
            self.cancel();
            ended.error.get_or_insert(error);
        }
        ended.running -= 1;
        if ended.running > 0 {
            return;
        }
        if let Target::Compare(compare) = &self.target
            && ended.error.is_none()
            && !self.is_cancelled()
        {
            match lock(compare).finish() {
                Ok(differences) => ended.differences = Some(differences),
                Err(error) => ended.error = Some(error),
            }
        }
        drop(ended);
        self.keep_end();
    }

    /// Keeps how a replay into a topic has ended, but for one that ends with the server.
    fn keep_end(&self) {
        let Target::Topic { journal, .. } = &self.target else { return };
        if self.stopping.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = kept::keep(journal, &self.status(), SystemClock.now_ms()) {
            tracing::warn!(function = %self.function, %error, "the end of a replay is not kept");
        }
    }

    pub(super) fn status(&self) -> ReplayStatus {
        let ended = lock(&self.ended);
        let state = match &ended.error {
            _ if ended.running > 0 => ReplayState::Running,
            Some(_) => ReplayState::Failed,
            None if self.is_cancelled() => ReplayState::Cancelled,
            None => ReplayState::Done,
        };
        ReplayStatus {
            id: self.id.load(Ordering::Relaxed),
            function: self.function.clone(),
            version: self.version,
            to: self.to.clone(),
            state,
            error: ended.error.as_ref().map(ToString::to_string),
            began: self.began.clone(),
            records: self.records,
            records_in: self.records_in.load(Ordering::Relaxed),
            records_out: self.records_out.load(Ordering::Relaxed),
            faults: self.faults.load(Ordering::Relaxed),
            differences: ended.differences.clone(),
        }
    }
}

#[derive(Default)]
struct All {
    jobs: VecDeque<Arc<Job>>,
    /// Those of earlier runs of the server, oldest first.
    past: Vec<ReplayStatus>,
    last: u64,
}

/// The replays of a node.
#[derive(Default)]
pub(in crate::functions) struct Replays(Mutex<All>);

impl Replays {
    /// Whether one more may be started.
    pub(super) fn check_room(&self, function: &FunctionId) -> Result<()> {
        check(&lock(&self.0), function)
    }

    /// Takes a replay up and numbers it.
    pub(super) fn add(&self, job: &Arc<Job>) -> Result<()> {
        let mut all = lock(&self.0);
        check(&all, &job.function)?;
        all.last += 1;
        job.id.store(all.last, Ordering::Relaxed);
        all.jobs.push_back(Arc::clone(job));
        while all.jobs.len() > REPLAYS_KEPT {
            let Some(oldest) = all.jobs.iter().position(|job| !job.is_running()) else { break };
            all.jobs.remove(oldest);
        }
        Ok(())
    }

    /// Remembers what is kept of earlier runs of the server.
    pub(in crate::functions) fn recall(&self, journal: &Journal, now_ms: i64) -> Result<()> {
        let past = kept::recall(journal, now_ms)?;
        let mut all = lock(&self.0);
        all.last = all.last.max(past.last().map_or(0, |replay| replay.id));
        all.past = past;
        Ok(())
    }

    /// Forgets those of a function that is removed.
    pub(in crate::functions) fn forget(&self, function: &FunctionId) {
        lock(&self.0).past.retain(|replay| replay.function != *function);
    }

    /// Those of a function, oldest first.
    pub(super) fn statuses(&self, function: &FunctionId) -> Vec<ReplayStatus> {
        let past = lock(&self.0).past.clone();
        let past = past.into_iter().filter(|replay| replay.function == *function);
        past.chain(self.of(function).iter().map(|job| job.status())).collect()
    }

    /// One of a function.
    pub(super) fn status(&self, function: &FunctionId, id: u64) -> Result<ReplayStatus> {
        let found = self.statuses(function).into_iter().find(|replay| replay.id == id);
        found.ok_or_else(|| unknown(function, id))
    }

    fn of(&self, function: &FunctionId) -> Vec<Arc<Job>> {
        let all = lock(&self.0);
        all.jobs.iter().filter(|job| job.function == *function).cloned().collect()
    }

    pub(super) fn get(&self, function: &FunctionId, id: u64) -> Result<Arc<Job>> {
        let found = self.of(function).into_iter().find(|job| job.id.load(Ordering::Relaxed) == id);
        found.ok_or_else(|| unknown(function, id))
    }

    /// Ends all that run, with the server.
    pub(in crate::functions) fn cancel_all(&self) {
        for job in &lock(&self.0).jobs {
            job.stopping.store(true, Ordering::Relaxed);
            job.cancel();
        }
    }
}

fn unknown(function: &FunctionId, id: u64) -> Error {
    let text = format!(
        "{function} has no replay {id} that runs or is remembered: the last {REPLAYS_KEPT} are, and \
         over a restart those into a topic"
    );
    Error::new("E-REPLAY-UNKNOWN", Domain::User, text)
}

fn check(all: &All, function: &FunctionId) -> Result<()> {
    let jobs = all.jobs.iter().filter(|job| job.function == *function && job.is_running());
    if jobs.count() < REPLAYS_RUNNING_MAX {
        return Ok(());
    }
    let text = format!(
        "{REPLAYS_RUNNING_MAX} replays of {function} run already, the limit; wait for one, or \
         cancel it"
    );
    Err(Error::new("E-REPLAY-LIMIT", Domain::User, text).retry())
}
