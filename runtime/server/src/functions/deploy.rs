//! Deploying: a new version of code and manifest, live.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pelton_core::manifest::{BatchLimits, duration_text};
use pelton_core::{Domain, Error, FunctionId, Manifest, Result, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{EventKind, FunctionRecord, Version};
use super::trial::{Progress, Swap, TrialState, trial_failed};
use super::{Functions, Loaded, Running, Versions, blocking, lock};
use crate::deployment::Deployment;
use crate::spec::PoisonSpec;

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// The tenant whose function it must be.
    pub tenant: TenantId,
    /// The text of the pelton.toml.
    pub manifest: String,
    /// The module.
    pub wasm: Bytes,
    /// Whether to check only, and to tell what would change.
    pub dry_run: bool,
    /// How long to wait for the first commit of each task.
    pub wait: Duration,
}

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

/// A version that is checked and compiled, for as long as nobody else changes its function.
pub(super) struct Prepared {
    pub(super) record: FunctionRecord,
    pub(super) new: Loaded,
    /// Whether it is one of the record's versions already.
    is_known: bool,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl Functions {
    /// Deploys: checks, compiles, keeps the version, and lets it take over.
    ///
    /// # Errors
    /// What is wrong with manifest or module; `E-FUNCTION-BUSY` while another change is under way;
    /// `E-DEPLOY-TRIAL` where it failed before its first commit: then the version before goes on.
    pub async fn deploy(self: &Arc<Self>, request: DeployRequest) -> Result<DeployReport> {
        let prepared = self.prepare(&request).await?;
        let report = self.report(&prepared.record, &prepared.new, request.dry_run);
        if request.dry_run || report.outcome == Outcome::Unchanged {
            return Ok(report);
        }
        let _unswept = self.sweeping.read().await;
        let mut record = self.keep_version(&prepared, &request).await?;
        if record.shadow == Some(report.version) {
            self.detach(&record.function);
            record.shadow = None;
        }
        self.activate(record, prepared.new, report, EventKind::Deployed, request.wait).await
    }

    /// Checks and compiles; changes nothing.
    pub(super) async fn prepare(self: &Arc<Self>, request: &DeployRequest) -> Result<Prepared> {
        let manifest = Manifest::parse(&request.manifest, "pelton.toml");
        let manifest = manifest.map_err(Error::from_coded)?;
        let function = manifest.function.clone();
        check_tenant(&function, &request.tenant)?;
        if manifest.inputs.is_empty() {
            let text = format!("{function} reads no topic: add an [[input]] to its pelton.toml");
            return Err(Error::new("E-INPUT-NONE", Domain::User, text));
        }
        let turn = self.turn_soon(&function).await?;
        let digest = blake3::hash(&request.wasm).to_hex().to_string();
        let known = self.registry.find(&function)?;
        let record = known.unwrap_or_else(|| FunctionRecord::new(function.clone()));
        let same = record.same(&digest, &request.manifest).map(|version| version.number);
        let number = same.unwrap_or_else(|| record.next_number());
        let (node, wasm) = (Arc::clone(&self.node), request.wasm.clone());
        let new = blocking(move || Loaded::new(&node, number, manifest, &wasm)).await?;
        Ok(Prepared { record, new, is_known: same.is_some(), _turn: turn })
    }

    /// Keeps what was prepared as a version, where it is none yet; nothing may be swept meanwhile.
    /// What is answered is not written down yet.
    pub(super) async fn keep_version(
        &self,
        prepared: &Prepared,
        request: &DeployRequest,
    ) -> Result<FunctionRecord> {
        let mut record = prepared.record.clone();
        if !prepared.is_known {
            let (registry, wasm) = (self.registry.clone(), request.wasm.clone());
            let digest = blocking(move || registry.put_module(&wasm)).await?;
            let (manifest, size) = (request.manifest.clone(), request.wasm.len() as u64);
            let (number, created_ms) = (prepared.new.number, self.now_ms());
            record.add(Version { number, digest, size, manifest, created_ms });
        }
        Ok(record)
    }

    /// Keeps a module for a deployment that follows; answers its digest.
    ///
    /// # Errors
    /// What the journal answers.
    pub async fn upload(&self, wasm: Bytes) -> Result<String> {
        let _unswept = self.sweeping.read().await;
        let registry = self.registry.clone();
        blocking(move || registry.put_module(&wasm)).await
    }

    /// A module that was uploaded or is deployed.
    ///
    /// # Errors
    /// `E-ARTEFACT-UNKNOWN` where it has to be uploaded (again).
    pub async fn module(&self, digest: &str) -> Result<Bytes> {
        let (registry, digest) = (self.registry.clone(), digest.to_owned());
        blocking(move || registry.module(&digest)).await
    }

    /// What deploying `new` would do.
    pub(super) fn report(
        &self,
        record: &FunctionRecord,
        new: &Loaded,
        dry_run: bool,
    ) -> DeployReport {
        let running = self.running(&record.function);
        let active = running.as_ref().map(|running| lock(&running.versions).active.clone());
        let stopped = running.as_ref().is_none_or(|running| !running.deployment.is_running());
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

    /// Makes `new` the active version, in the registry and on the node.
    pub(super) async fn activate(
        self: &Arc<Self>,
        mut record: FunctionRecord,
        new: Loaded,
        mut report: DeployReport,
        kind: EventKind,
        wait: Duration,
    ) -> Result<DeployReport> {
        let function = record.function.clone();
        let number = new.number;
        if record.canary.take().is_some() {
            self.end_canary(&function);
            // Not by a way back to the canary, if the new version does not pass its trial.
            if let Some(running) = self.running(&function) {
                self.all_keys_to_active(&running)?;
            }
        }
        let before = record.clone();
        record.before = match report.outcome {
            Outcome::Swapped => record.before.or(Some(record.active)).filter(|old| *old != number),
            _ => None,
        };
        let saves = report.outcome == Outcome::Swapped || report.outcome == Outcome::Restarted;
        if saves {
            self.savepoint_before(&before, number).await?;
        }
        record.active = number;
        record.paused = false;
        record.note(self.now_ms(), kind, number, None);
        self.keep(&record).await?;
        let node = Arc::clone(&self.node);
        let topics = new.clone();
        let done = match blocking(move || topics.ensure_topics(&node)).await {
            Err(error) => Err(error),
            Ok(()) => match (report.outcome, self.running(&function)) {
                (Outcome::Swapped, Some(running)) => {
                    self.swap(&function, &running, new, wait).await
                }
                _ => self.restart(&function, new).await.map(|()| TrialState::Passed),
            },
        };
        match done {
            Ok(trial) => {
                report.trial = trial;
                Ok(report)
            }
            Err(error) if error.code == "E-DEPLOY-TRIAL" => Err(error),
            Err(error) => {
                if saves {
                    self.swap_failed(&function, number).await;
                }
                // Nothing runs that did not run before: the registry says so again.
                let mut back = before;
                back.versions = record.versions;
                let message = Some(error.to_string());
                back.note(self.now_ms(), EventKind::TrialFailed, number, message);
                if back.active > 0 {
                    self.keep(&back).await?;
                } else {
                    let (registry, now) = (self.registry.clone(), self.now_ms());
                    blocking(move || registry.remove(&back.function, now)).await?;
                }
                Err(error)
            }
        }
    }

    async fn keep(&self, record: &FunctionRecord) -> Result<()> {
        let (registry, now, record) = (self.registry.clone(), self.now_ms(), record.clone());
        blocking(move || registry.put(&record, now)).await
    }

    /// Lets `new` take over the running tasks, and waits for its trial.
    async fn swap(
        self: &Arc<Self>,
        function: &FunctionId,
        running: &Arc<Running>,
        new: Loaded,
        wait: Duration,
    ) -> Result<TrialState> {
        let number = new.number;
        let mut swap = self.begin_swap(&running.deployment, &new)?;
        {
            let mut versions = lock(&running.versions);
            let active = std::mem::replace(&mut versions.active, new);
            versions.before.get_or_insert(active);
        }
        match swap.follow(Some(wait)).await {
            Progress::Passed => {
                self.end_trial_well(function, running, number)?;
                Ok(TrialState::Passed)
            }
            Progress::Waiting => {
                self.follow_later(function.clone(), Arc::clone(running), number, swap);
                Ok(TrialState::OnTrial)
            }
            Progress::Refused(error) => {
                self.end_trial_badly(function, running, number, &error)?;
                self.swap_left_nothing(function, number, &swap).await;
                Err(Error::new("E-DEPLOY-TRIAL", error.domain, error.to_string()))
            }
            Progress::Failed(fault) => {
                let error = trial_failed(function, number, &fault);
                self.end_trial_badly(function, running, number, &error)?;
                self.swap_left_nothing(function, number, &swap).await;
                Err(error)
            }
        }
    }

    /// Stops the tasks that run, if any, and starts those of `new`; where it cannot be started, the
    /// ones before are started again.
    async fn restart(self: &Arc<Self>, function: &FunctionId, new: Loaded) -> Result<()> {
        let old = self.stop_running(function).await;
        match self.start(function, Versions { active: new, before: None }) {
            Ok(_) => {
                self.attach_recorded(&self.registry.get(function)?).await;
                Ok(())
            }
            Err(error) => {
                if let Some(old) = old {
                    self.start_again(function, old)?;
                }
                Err(error)
            }
        }
    }

    /// Starts the tasks of a version, and follows its trial where it is on one.
    pub(super) fn start_again(
        self: &Arc<Self>,
        function: &FunctionId,
        versions: Versions,
    ) -> Result<()> {
        let number = versions.active.number;
        let swap = self.start(function, versions)?;
        if let (Some(swap), Some(running)) = (swap, self.running(function)) {
            self.follow_later(function.clone(), running, number, swap);
        }
        Ok(())
    }

    /// Starts the tasks of a version. With a version before it, it is on trial: that one is what the
    /// tasks start with, and what they go back to, but the first step is the new one's.
    fn start(&self, function: &FunctionId, versions: Versions) -> Result<Option<Swap>> {
        let first = versions.before.as_ref().unwrap_or(&versions.active);
        let mut swap = None;
        let before = |deployment: &Deployment| {
            if versions.before.is_some() {
                swap = Some(self.begin_swap(deployment, &versions.active)?);
            }
            Ok(())
        };
        let factory = Arc::clone(&first.factory);
        let deployment = self.node.deploy_with(&first.spec, factory, before)?;
        let running = Running { deployment, versions: Mutex::new(versions) };
        self.failed.remove(function);
        self.running.insert(function.clone(), Arc::new(running));
        Ok(swap)
    }
}

fn check_tenant(function: &FunctionId, tenant: &TenantId) -> Result<()> {
    if function.tenant() == tenant {
        return Ok(());
    }
    let text = format!(
        "the manifest is for {function}, but the request is for tenant {}",
        tenant.as_str()
    );
    Err(Error::new("E-TENANT-OTHER", Domain::User, text))
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
    let window = |l: &Loaded| l.spec.window.as_ref().map_or("none".into(), |w| format!("{w:?}"));
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
