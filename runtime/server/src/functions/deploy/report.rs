//! What deploying did, or would do.

use pelton_core::FunctionId;
use pelton_core::manifest::{BatchLimits, duration_text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::record::FunctionRecord;
use super::super::trial::TrialState;
use super::super::{Functions, Loaded, lock};
use crate::spec::PoisonSpec;

/// What deploying did, or would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// This very version runs already.
    Unchanged,
    /// The function is new, or was paused, and runs now.
    Started,
    /// Its tasks were taken over between two calls.
    Swapped,
    /// It follows the version that runs, and writes nothing.
    Shadowed,
    /// A share of the keys goes through it.
    Canary,
    /// Its inputs are others: its tasks were stopped behind a commit and started again.
    Restarted,
}

/// The answer to a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployReport {
    /// The function.
    #[schema(value_type = String)]
    pub function: FunctionId,
    /// The version that runs now, or would.
    pub version: u64,
    /// The version that ran before, if any.
    pub before: Option<u64>,
    /// What was done, or would be.
    pub outcome: Outcome,
    /// How far its trial has come.
    pub trial: TrialState,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// What differs from the version before, a line each.
    pub changes: Vec<String>,
}

impl Functions {
    /// What deploying `new` would do.
    pub(in crate::functions) fn report(
        &self,
        record: &FunctionRecord,
        new: &Loaded,
        dry_run: bool,
    ) -> DeployReport {
        let running = self.running(&record.function);
        let active = running.as_ref().map(|running| lock(&running.versions).active.clone());
        let stopped = running.as_ref().is_none_or(|running| !running.deployment.is_whole());
        let outcome = match &active {
            _ if stopped => Outcome::Started,
            Some(active) if active.number == new.number => Outcome::Unchanged,
            Some(active) if active.same_inputs(new) => Outcome::Swapped,
            _ => Outcome::Restarted,
        };
        DeployReport {
            function: record.function.clone(),
            version: new.number,
            before: (record.active > 0).then_some(record.active),
            outcome,
            trial: TrialState::Passed,
            dry_run,
            changes: active.map_or_else(Vec::new, |active| changes(&active, new)),
        }
    }
}

fn shown(batch: &BatchLimits) -> String {
    let records = batch.records.map(|records| format!("{records} records"));
    let bytes = batch.bytes.map(|bytes| format!("{bytes} bytes"));
    let wait =
        (batch.max_wait_ms > 0).then(|| format!("wait {}", duration_text(batch.max_wait_ms)));
    [records, bytes, wait].into_iter().flatten().collect::<Vec<_>>().join("/")
}

fn delivery(loaded: &Loaded) -> String {
    let spec = &loaded.spec;
    let poison = match &spec.on_poison {
        PoisonSpec::DeadLetter(topic) => format!("dead letters to {topic}"),
        PoisonSpec::Skip => "skip".to_owned(),
        PoisonSpec::Halt => "halt".to_owned(),
    };
    let retries = spec.retry.attempts_max.saturating_sub(1);
    let interval = duration_text(spec.commit_interval_ms);
    format!("{poison}, {retries} retries, commit interval {interval}")
}

/// What differs between two versions, a line each.
fn changes(old: &Loaded, new: &Loaded) -> Vec<String> {
    let mut changes = Vec::new();
    let mut differ = |what: &str, old: String, new: String| {
        if old != new {
            changes.push(format!("{what}: {old} -> {new}"));
        }
    };
    let list = |names: Vec<String>| match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    };
    let inputs = |l: &Loaded| list(l.spec.inputs.iter().map(|i| i.topic.to_string()).collect());
    let outputs = |l: &Loaded| {
        list(l.spec.outputs.iter().map(|(name, topic)| format!("{name} to {topic}")).collect())
    };
    let stores = |l: &Loaded| {
        let stores = l.factory.declaration().stores.iter();
        list(stores.map(|s| format!("{} ({:?}, schema {})", s.name, s.kind, s.schema)).collect())
    };
    let config = |l: &Loaded| {
        list(l.spec.settings.entries.iter().map(|(key, value)| format!("{key}={value}")).collect())
    };
    let batches = |l: &Loaded| {
        let inputs = l.spec.inputs.iter().filter(|input| input.batch != BatchLimits::default());
        list(inputs.map(|input| format!("{} {}", input.name, shown(&input.batch))).collect())
    };
    let ttls = |l: &Loaded| {
        let ttls = l.spec.store_ttls.iter();
        list(ttls.map(|(store, ms)| format!("{store} {}", duration_text(*ms))).collect())
    };
    let window = |l: &Loaded| l.spec.window.as_ref().map_or("none".into(), ToString::to_string);
    differ("version", old.number.to_string(), new.number.to_string());
    differ("inputs", inputs(old), inputs(new));
    differ("outputs", outputs(old), outputs(new));
    differ("stores", stores(old), stores(new));
    differ("window", window(old), window(new));
    differ("config", config(old), config(new));
    differ("batches", batches(old), batches(new));
    differ("times to live", ttls(old), ttls(new));
    differ("delivery", delivery(old), delivery(new));
    if old.spec.limits != new.spec.limits {
        changes.push("limits differ".to_owned());
    }
    changes
}
