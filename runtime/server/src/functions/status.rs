//! What a function is doing.

use std::collections::BTreeMap;
use std::sync::Arc;

use pelton_core::{FunctionId, PipelineId, Result};
use pelton_engine::Task;
use pelton_journal::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::FunctionRecord;
use super::{CanaryStatus, Figures, Functions, Running, ShadowStatus, lock};
use crate::history::Recent;

/// Whether a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionState {
    /// Its tasks run.
    Running,
    /// Its tasks run, and some has not committed under the active version yet.
    OnTrial,
    /// It was paused.
    Paused,
    /// It should run and does not: `error` tells why.
    Stopped,
    /// It runs on the server that this one follows.
    Replica,
}

/// One subscription of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputStatus {
    /// The topic.
    pub topic: String,
    /// The offset that is read next.
    pub next: u64,
    /// Highest event time seen, ms; absent before the first record.
    pub highest_ms: Option<i64>,
    /// Whether it has been empty for so long that it holds nobody back.
    pub idle: bool,
}

/// A store, or the timers or panes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Its name.
    pub name: String,
    /// Entries.
    pub entries: u64,
    /// Bytes, as they count towards the limit.
    pub bytes: u64,
}

/// A task: the function on one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStatus {
    /// The partition.
    pub partition: u32,
    /// The version that it runs.
    pub version: u64,
    /// Whether that one has yet to commit.
    pub on_trial: bool,
    /// Everything before it has arrived, ms; absent before the first record.
    pub watermark_ms: Option<i64>,
    /// Records that wait for it.
    pub lag: u64,
    /// Until when, ms, the function is not called on this partition, since too many records, groups or
    /// timers in a row were given up; absent while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_until_ms: Option<i64>,
    /// Its subscriptions.
    pub inputs: Vec<InputStatus>,
    /// What it keeps.
    pub stores: Vec<StoreStatus>,
}

/// What a function is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionStatus {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The pipeline that it belongs to.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineId>,
    /// Whether it runs.
    pub state: FunctionState,
    /// The version that is active.
    pub version: u64,
    /// While that one is on trial: the one to go back to.
    pub before: Option<u64>,
    /// What follows it, and writes nothing.
    pub shadow: Option<ShadowStatus>,
    /// What a share of its keys goes through.
    pub canary: Option<CanaryStatus>,
    /// Why it does not run.
    pub error: Option<String>,
    /// The topics that it reads.
    pub inputs: Vec<String>,
    /// The topics that it writes to, by output.
    pub outputs: BTreeMap<String, String>,
    /// Where its dead letters go.
    pub dead_letters: Option<String>,
    /// Records that wait for it.
    pub lag: u64,
    /// Since the tasks were started.
    pub records_in: u64,
    /// Since the tasks were started.
    pub records_out: u64,
    /// Records too late for every window.
    pub late: u64,
    /// Records, groups and timers that were given up.
    pub poison: u64,
    /// Calls that failed.
    pub faults: u64,
    /// Guest calls.
    pub calls: u64,
    /// Commits.
    pub commits: u64,
    /// Of `poison`: those that went to the dead letters.
    pub dead_letter_count: u64,
    /// Calls that were made again after a wait.
    pub retries: u64,
    /// CPU time of the calls, µs.
    pub cpu_us: u64,
    /// Values that are of an older schema version, to be migrated.
    pub unmigrated: u64,
    /// Median duration of a call with its commit, µs; absent before the first.
    pub p50_us: Option<u64>,
    /// The duration that 99 of 100 calls do not exceed, µs.
    pub p99_us: Option<u64>,
    /// The latest figures; absent in the first seconds.
    pub recent: Option<Recent>,
    /// Faults by code.
    pub faults_by_code: BTreeMap<String, u64>,
    /// The last fault.
    pub last_fault: Option<String>,
    /// Until when, ms, it is not called on some partition, since too many records, groups or timers in a
    /// row were given up there: the latest of its tasks' `breaker_until_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_until_ms: Option<i64>,
    /// Its tasks; empty where it does not run.
    pub tasks: Vec<TaskStatus>,
}

fn known(time: i64) -> Option<i64> {
    (time != i64::MIN).then_some(time)
}

fn task_status(task: &mut Task) -> TaskStatus {
    let size = task.state().size();
    let parts = size.stores.iter().chain([&size.timers, &size.panes]);
    let parts = parts.filter(|part| part.entries > 0 || !matches!(&*part.name, "timers" | "panes"));
    let stores = parts.map(|part| StoreStatus {
        name: part.name.clone(),
        entries: part.entries,
        bytes: part.bytes,
    });
    TaskStatus {
        partition: task.config().id.partition,
        version: task.config().deployment,
        on_trial: task.is_on_trial(),
        watermark_ms: known(task.watermark()),
        lag: task.lag().unwrap_or_default(),
        breaker_until_ms: task.breaker_until(),
        inputs: task
            .progress()
            .map(|(input, next, progress)| InputStatus {
                topic: input.topic.to_string(),
                next,
                highest_ms: known(progress.highest),
                idle: progress.idle,
            })
            .collect(),
        stores: stores.collect(),
    }
}

impl Functions {
    /// What a function is doing.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`.
    pub async fn status(&self, function: &FunctionId) -> Result<FunctionStatus> {
        Ok(self.status_of(&self.registry.get(function)?).await)
    }

    /// What all functions are doing, by name.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub async fn statuses(&self) -> Result<Vec<FunctionStatus>> {
        let mut all = Vec::new();
        for record in self.registry.all()? {
            all.push(self.status_of(&record).await);
        }
        Ok(all)
    }

    pub(super) async fn status_of(&self, record: &FunctionRecord) -> FunctionStatus {
        let running = self.running(&record.function);
        let mut status = self.status_at_rest(record, running.as_deref());
        if let Some(running) = running {
            for partition in 0..running.deployment.partitions() {
                let task = running.deployment.visit(partition, task_status).await;
                status.tasks.extend(task);
            }
            status.breaker_until_ms =
                status.tasks.iter().filter_map(|task| task.breaker_until_ms).max();
            // Who has stopped tells nothing: then the figures say what waits for it.
            if status.tasks.len() == running.deployment.partitions() as usize {
                status.lag = status.tasks.iter().map(|task| task.lag).sum();
            }
        }
        // Not while a version takes its tasks back, or a canary has them: that is no trial of its own.
        if status.state == FunctionState::Running && record.before.is_some() {
            status.state = FunctionState::OnTrial;
        }
        status
    }

    /// Whether functions run elsewhere.
    fn is_replica(&self) -> bool {
        matches!(self.node.journal().role(), Role::Replica { .. })
    }

    /// All but what the tasks themselves tell.
    pub(super) fn status_at_rest(
        &self,
        record: &FunctionRecord,
        running: Option<&Running>,
    ) -> FunctionStatus {
        let function = &record.function;
        let manifest = record.version(record.active).and_then(|v| v.manifest(function).ok());
        let spec = running.map(|running| Arc::clone(&lock(&running.versions).active.spec));
        let outputs = spec.map_or_else(
            || manifest.iter().flat_map(|m| &m.outputs).map(named_output).collect(),
            |spec| spec.outputs.iter().map(|(name, to)| (name.clone(), to.to_string())).collect(),
        );
        let error = running.map_or_else(
            || self.failed.get(function).map(|error| error.clone()),
            |running| running.deployment.error(),
        );
        let is_running = running.is_some_and(|running| running.deployment.is_running());
        let figures = running.map(|running| self.figures_of(running));
        let lag = figures.map(|figures| figures.lag);
        let at_rest = || manifest.as_ref().map(|manifest| self.lag_at_rest(function, manifest));
        let Figures { progress, durations, .. } = figures.unwrap_or_default();
        let telemetry = self.node.telemetry();
        let faults = telemetry.faults(function).into_iter();
        FunctionStatus {
            function: function.clone(),
            pipeline: record.pipeline.clone(),
            state: match (record.paused, is_running && error.is_none()) {
                (true, _) => FunctionState::Paused,
                (false, true) => FunctionState::Running,
                (false, false) if self.is_replica() => FunctionState::Replica,
                (false, false) => FunctionState::Stopped,
            },
            version: record.active,
            before: record.before,
            shadow: self.shadow_of(record),
            canary: self.canary_of(record),
            error,
            inputs: manifest
                .iter()
                .flat_map(|m| &m.inputs)
                .map(|input| input.topic.to_string())
                .collect(),
            outputs,
            dead_letters: manifest.as_ref().map(|m| m.dead_letter_topic().to_string()),
            lag: lag.or_else(at_rest).unwrap_or_default(),
            records_in: progress.records_in,
            records_out: progress.records_out,
            late: progress.late,
            poison: progress.poison,
            faults: progress.faults,
            calls: progress.calls,
            commits: progress.commits,
            dead_letter_count: progress.dead_letters,
            retries: progress.retries,
            cpu_us: progress.cpu_ns / 1_000,
            unmigrated: progress.unmigrated,
            p50_us: durations.quantile_us(0.5),
            p99_us: durations.quantile_us(0.99),
            recent: running.and_then(|_| self.history.recent(function)),
            faults_by_code: faults.map(|(code, count)| (code.to_owned(), count)).collect(),
            last_fault: telemetry.last_fault(function).map(|fault| fault.to_string()),
            breaker_until_ms: None,
            tasks: Vec::new(),
        }
    }
}

fn named_output(output: &pelton_core::manifest::Output) -> (String, String) {
    (output.name.clone(), output.topic.to_string())
}
