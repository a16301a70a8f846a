//! A node: one data directory, its journal, and the workers that run functions on it.

mod outputs;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{BoxFuture, Clock, Domain, Error, GuestFactory, Result, TenantId, TopicName};
use pelton_engine::{GuestPool, Parts, Peers, Replacement, Task, TaskConfig, Telemetry};
use pelton_journal::adapter::{JournalSink, JournalSource};
use pelton_journal::{Commit, Config, Hooks, Journal, SyncMode, TopicConfig, Visibility};
use tokio::sync::Semaphore;

use crate::clock::SystemClock;
use crate::control::{Control, SwapEvent};
use crate::data::{DataLimits, DataPlane};
use crate::deployment::{Deployment, Shared};
use crate::drive::Driver;
use crate::load::{LoadOptions, Loader};
use crate::spec::{DeploymentSpec, PoisonSpec};
use crate::telemetry::NodeTelemetry;
use crate::workers::{Timers, Workers};

/// Wait before a task is started again whose storage failed it, ms; doubled up to 30 s.
const RESTART_MS: u64 = 100;

/// The share of CPU time of a function of weight 1, where all shadows of a tenant have 1: those get at
/// most a ninth of a worker that is full.
const WEIGHT_UNIT: u32 = 8;

/// How a node is set up.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where everything is kept. Created where it is missing.
    pub directory: PathBuf,
    /// When a commit counts as durable.
    pub sync_mode: SyncMode,
    /// Worker threads, at least 1.
    pub workers: usize,
    /// How functions are compiled.
    pub load: LoadOptions,
    /// Size of the journal's preallocated segments.
    pub segment_bytes: u64,
    /// Fail points of the journal, for crash tests.
    pub hooks: Hooks,
}

impl NodeConfig {
    /// A node in `directory` with a worker for each core.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, load: LoadOptions) -> Self {
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let journal = Config::default();
        Self {
            directory: directory.into(),
            sync_mode: journal.sync_mode,
            workers,
            load,
            segment_bytes: journal.segment_bytes,
            hooks: journal.hooks,
        }
    }
}

/// A running node.
pub struct Node {
    directory: PathBuf,
    journal: Arc<Journal>,
    workers: Workers,
    clock: Arc<dyn Clock>,
    telemetry: Arc<NodeTelemetry>,
    loader: Loader,
    next_worker: AtomicUsize,
    data: Arc<DataPlane>,
}

fn of(error: pelton_journal::Error) -> Error {
    Error::from_coded(error)
}

impl Node {
    /// Opens the directory and starts the workers.
    ///
    /// # Errors
    /// What the journal answers (`E-JOURNAL-*`: the directory is in use, damaged or newer), or that
    /// the machine has no threads left.
    pub fn open(config: NodeConfig) -> Result<Self> {
        Self::open_at(config, Arc::new(SystemClock))
    }

    /// As [`Node::open`], with another clock than the machine's.
    ///
    /// # Errors
    /// As [`Node::open`].
    pub fn open_at(config: NodeConfig, clock: Arc<dyn Clock>) -> Result<Self> {
        let journal_config = Config {
            sync_mode: config.sync_mode,
            segment_bytes: config.segment_bytes,
            hooks: config.hooks,
            ..Config::default()
        };
        let journal = Journal::open(&config.directory, journal_config).map_err(of)?;
        let workers = Workers::start(config.workers).map_err(|error| {
            Error::new("E-THREADS", Domain::External, "cannot start a worker").caused_by(error)
        })?;
        let journal = Arc::new(journal);
        let data = DataPlane::new(Arc::clone(&journal), Arc::clone(&clock), DataLimits::default());
        Ok(Self {
            journal,
            workers,
            clock,
            data: Arc::new(data),
            telemetry: Arc::new(NodeTelemetry::default()),
            loader: Loader::new(&config.directory, config.load)?,
            directory: config.directory,
            next_worker: AtomicUsize::new(0),
        })
    }

    /// The data directory.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Topics, records and groups, as clients see them.
    #[must_use]
    pub fn data(&self) -> &Arc<DataPlane> {
        &self.data
    }

    /// Logs, metrics and faults of the functions.
    #[must_use]
    pub fn telemetry(&self) -> &Arc<NodeTelemetry> {
        &self.telemetry
    }

    /// The wall clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Creates a topic, or leaves it as it is where it is there already.
    ///
    /// # Errors
    /// `E-TOPIC-PARTITIONS` where it is there with another number of partitions, or what the
    /// journal answers.
    pub fn ensure_topic(&self, name: &TopicName, partitions: u32) -> Result<()> {
        let text = name.to_string();
        match self.journal.topic(&text) {
            Ok(topic) if topic.config().partitions == partitions => Ok(()),
            Ok(topic) => {
                let have = topic.config().partitions;
                let text = format!(
                    "topic {name} has {have} partitions, not {partitions}; use another name, or \
                     create it anew"
                );
                Err(Error::new("E-TOPIC-PARTITIONS", Domain::User, text))
            }
            Err(pelton_journal::Error::UnknownTopic { .. }) => {
                let config = TopicConfig::new(partitions);
                let created = self.journal.create_topic(&text, config, self.clock.now_ms());
                created.map(drop).map_err(of)
            }
            Err(error) => Err(of(error)),
        }
    }

    /// Appends records to a partition as one batch, and empties the builder. Answers the commit's
    /// sequence; [`Journal::wait_durable`] waits until it survives a power cut.
    ///
    /// # Errors
    /// What the journal answers.
    pub fn append(
        &self,
        topic: &TopicName,
        partition: u32,
        records: &mut RecordsBuilder,
    ) -> Result<u64> {
        let rows = records.len() as u32;
        if rows == 0 {
            return Ok(self.journal.appended());
        }
        let batch = records.finish();
        let parsed = Batch::parse(&batch).and_then(|batch| batch.records());
        let newest = parsed.ok().and_then(|all| all.iter().map(|r| r.timestamp()).max());
        let to = self.journal.topic(&topic.to_string()).map_err(of)?;
        let to = to.partition(partition).map_err(of)?;
        let mut commit = Commit::new(self.clock.now_ms());
        commit.batch(to, rows, newest.unwrap_or_default(), [&batch[..]]);
        self.journal.append(&mut commit).map_err(of)
    }

    /// The durable batches of a partition from the oldest on, each with the offset of its first
    /// record. Stops at the first error, which it answers.
    pub fn read(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        self.read_visible(topic, partition, Visibility::Durable)
    }

    /// As [`Node::read`], what is not durable yet included: for a producer that goes on behind
    /// what it has appended.
    pub fn read_appended(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        self.read_visible(topic, partition, Visibility::Appended)
    }

    fn read_visible(
        &self,
        topic: &TopicName,
        partition: u32,
        visibility: Visibility,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        let opened = self.journal.topic(&topic.to_string());
        let opened = opened.and_then(|topic| topic.partition(partition).cloned());
        let mut state = match opened {
            Ok(partition) => Some(Ok((partition.offsets().start, partition))),
            Err(error) => Some(Err(of(error))),
        };
        std::iter::from_fn(move || {
            let (offset, partition) = match state.take()? {
                Ok(open) => open,
                Err(error) => return Some(Err(error)),
            };
            match partition.read(offset, visibility) {
                Ok(Some(batch)) => {
                    let next = batch.next_offset();
                    state = Some(Ok((next, partition)));
                    Some(Ok((batch.base_offset, batch.bytes)))
                }
                Ok(None) => None,
                Err(error) => Some(Err(of(error))),
            }
        })
    }

    /// Waits until everything that has been appended survives a power cut.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn sync(&self) -> Result<()> {
        self.journal.wait_durable(self.journal.appended()).map_err(of)
    }

    /// Compiles a function, or finds it in the cache, and opens it once.
    ///
    /// # Errors
    /// `E-MODULE-*` where the module is refused, `E-GUEST-*` where it does not open.
    pub fn load(&self, wasm: &[u8], spec: &DeploymentSpec) -> Result<Arc<dyn GuestFactory>> {
        let telemetry: Arc<dyn Telemetry> = self.telemetry.clone();
        self.loader.load(wasm, spec, &telemetry, self.clock.now_ms())
    }

    /// Compiles a function, links it and looks at the types of its exports, but calls none of them.
    ///
    /// # Errors
    /// As [`Node::load`], all but what comes of opening it.
    pub fn check(&self, wasm: &[u8], spec: &DeploymentSpec) -> Result<()> {
        let telemetry: Arc<dyn Telemetry> = self.telemetry.clone();
        self.loader.check(wasm, spec, &telemetry, self.clock.now_ms())
    }

    /// Starts the tasks of a deployment, one for each partition of its inputs. Output topics that
    /// do not exist are created with as many partitions.
    ///
    /// # Errors
    /// Where a topic is missing, inputs have unequal numbers of partitions, or an output has no
    /// topic.
    pub fn deploy(
        &self,
        spec: &DeploymentSpec,
        factory: Arc<dyn GuestFactory>,
    ) -> Result<Deployment> {
        self.deploy_with(spec, factory, |_| Ok(()))
    }

    /// As [`Self::deploy`]; `before` is done with the deployment before any of its tasks makes a step:
    /// a version that it swaps in is the first that does.
    pub(crate) fn deploy_with(
        &self,
        spec: &DeploymentSpec,
        factory: Arc<dyn GuestFactory>,
        before: impl FnOnce(&Deployment) -> Result<()>,
    ) -> Result<Deployment> {
        let partitions = self.co_partitions(spec)?;
        let first = self.next_worker.fetch_add(partitions as usize, Ordering::Relaxed);
        let parts = self.task_parts(spec, &factory, partitions, first)?;
        let (shared, peers) = (Arc::new(Shared::default()), Peers::new(partitions as usize));
        shared.begin(partitions as usize);
        let control = |(partition, part)| Arc::new(Control::new(partition, part));
        let tasks: Vec<_> = (0..).zip(parts).map(control).collect();
        let function = spec.function.clone();
        let deployment = Deployment { function, first_worker: first, shared, tasks };
        before(&deployment)?;
        for (partition, control) in deployment.tasks.iter().enumerate() {
            let worker = first + partition;
            let running = RunningTask {
                journal: Arc::clone(&self.journal),
                telemetry: Arc::clone(&self.telemetry),
                peers: peers.clone(),
                shared: Arc::clone(&deployment.shared),
                driver: Driver {
                    clock: Arc::clone(&self.clock),
                    timers: self.workers.timers(worker),
                    permits: self.workers.call_permits(worker),
                    control: Arc::clone(control),
                    latency: deployment.shared.latency(),
                },
            };
            let tenant = spec.function.tenant().clone();
            let weight = spec.weight.saturating_mul(WEIGHT_UNIT);
            self.workers.spawn(worker, tenant, weight, Box::pin(running.run()));
        }
        Ok(deployment)
    }

    /// Runs something of a tenant's on a worker, beside its functions; `make` is handed the permits
    /// of that worker to be in the middle of a guest call.
    pub(crate) fn spawn(
        &self,
        tenant: TenantId,
        weight: u32,
        make: impl FnOnce(Arc<Semaphore>) -> BoxFuture<'static, ()>,
    ) {
        let worker = self.next_worker.fetch_add(1, Ordering::Relaxed);
        let future = make(self.workers.call_permits(worker));
        self.workers.spawn(worker, tenant, weight, future);
    }

    /// What each task of a deployment would run with. Creates the topics that it writes to.
    pub(crate) fn replacements(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
    ) -> Result<Vec<Replacement>> {
        let partitions = self.co_partitions(spec)?;
        self.task_parts(spec, factory, partitions, 0)
    }

    /// How each task of a deployment would be configured. Creates the topics that it writes to.
    pub(crate) fn task_configs(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
    ) -> Result<Vec<Arc<TaskConfig>>> {
        let parts = self.replacements(spec, factory)?;
        Ok(parts.into_iter().map(|part| part.config).collect())
    }

    /// A task that does not run, as its last commit left it. It is taken over from whoever had it.
    pub(crate) fn open_task(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        partition: u32,
    ) -> Result<Task> {
        let part = self.replacements(spec, factory)?.into_iter().nth(partition as usize);
        let part = part.ok_or_else(|| {
            let text = format!("{} has no partition {partition}", spec.function);
            Error::new("E-INTERNAL", Domain::Internal, text)
        })?;
        let journal = Arc::clone(&self.journal);
        let parts = Parts {
            source: Box::new(JournalSource::new(Arc::clone(&journal), Visibility::Appended)),
            sink: Box::new(JournalSink::new(journal, Arc::clone(&self.clock))),
            pool: part.pool,
            clock: Arc::clone(&self.clock),
            telemetry: self.telemetry.clone(),
            peers: None,
            config: Arc::unwrap_or_clone(part.config),
        };
        pollster::block_on(Task::start(parts))
    }

    /// Hands the running tasks of `deployment` to another version, live: each goes over between two
    /// of its calls, state and positions stay, and its first commit is the trial of the new version.
    /// `on_event` is told, on the tasks' threads.
    ///
    /// # Errors
    /// As [`Self::deploy`]; `E-SWAP-INPUTS` where the inputs are others: stop it and deploy anew.
    pub fn swap(
        &self,
        deployment: &Deployment,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        on_event: impl Fn(u32, SwapEvent) + Send + Sync + 'static,
    ) -> Result<()> {
        let partitions = self.co_partitions(spec)?;
        if partitions != deployment.partitions() {
            let text = format!("{}: its inputs have {partitions} partitions now", spec.function);
            return Err(Error::new("E-SWAP-INPUTS", Domain::User, text));
        }
        let parts = self.task_parts(spec, factory, partitions, deployment.first_worker)?;
        let on_event: crate::control::OnSwap = Arc::new(on_event);
        deployment.swap(parts, &on_event);
        Ok(())
    }

    /// Spawns what `make` makes for each running task of `deployment`, to work beside it on another
    /// worker and on its own share of CPU time. Creates nothing.
    ///
    /// # Errors
    /// Where an output has no topic, or the inputs have another number of partitions by now.
    pub(crate) fn beside(
        &self,
        deployment: &Deployment,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        make: impl Fn(Beside) -> BoxFuture<'static, ()>,
    ) -> Result<()> {
        let partitions = self.co_partitions(spec)?;
        if partitions != deployment.partitions() {
            let text = format!("{}: its inputs have {partitions} partitions now", spec.function);
            return Err(Error::new("E-SWAP-INPUTS", Domain::User, text));
        }
        let (declared, tenant) = (factory.declaration(), spec.function.tenant().shadows());
        let output = |topic: TopicName| {
            let known = self.journal.topic(&topic.to_string()).ok();
            let config = known.map_or(TopicConfig::new(partitions), |topic| topic.config());
            outputs::output_topic(topic, &config)
        };
        let outputs: Vec<_> = spec.output_topics(declared)?.into_iter().map(output).collect();
        for (partition, control) in (0..).zip(&deployment.tasks) {
            let worker = deployment.first_worker + partition as usize + 1;
            let config = Arc::new(spec.task(partition, declared, &outputs, None));
            let future = make(Beside {
                partition,
                control: Arc::clone(control),
                replacement: Replacement { config, pool: GuestPool::new(Arc::clone(factory)) },
                timers: self.workers.timers(worker),
                permits: self.workers.call_permits(worker),
            });
            self.workers.spawn(worker, tenant.clone(), 1, future);
        }
        Ok(())
    }

    /// What each task of a deployment runs with. Creates the topics that it writes to.
    fn task_parts(
        &self,
        spec: &DeploymentSpec,
        factory: &Arc<dyn GuestFactory>,
        partitions: u32,
        first_worker: usize,
    ) -> Result<Vec<Replacement>> {
        let declared = factory.declaration();
        let mut outputs = Vec::new();
        for topic in spec.output_topics(declared)? {
            outputs.push(self.output(&topic, partitions)?);
        }
        let dead_letters = match &spec.on_poison {
            PoisonSpec::DeadLetter(topic) => Some(self.dead_letters(topic, partitions)?),
            PoisonSpec::Skip | PoisonSpec::Halt => None,
        };
        let pools: Vec<_> =
            (0..self.workers.len()).map(|_| GuestPool::new(Arc::clone(factory))).collect();
        let part = |partition: u32| Replacement {
            config: Arc::new(spec.task(partition, declared, &outputs, dead_letters.as_ref())),
            pool: pools[(first_worker + partition as usize) % pools.len()].clone(),
        };
        Ok((0..partitions).map(part).collect())
    }

    /// The number of partitions that all inputs have.
    pub(crate) fn co_partitions(&self, spec: &DeploymentSpec) -> Result<u32> {
        let mut found: Option<(&TopicName, u32)> = None;
        for input in &spec.inputs {
            let topic = self.journal.topic(&input.topic.to_string()).map_err(of)?;
            let partitions = topic.config().partitions;
            match found {
                Some((first, count)) if count != partitions => {
                    let text = format!(
                        "{}: inputs must have equal numbers of partitions, but {first} has {count} \
                         and {} has {partitions}",
                        spec.function, input.topic
                    );
                    return Err(Error::new("E-INPUT-PARTITIONS", Domain::User, text));
                }
                _ => found = Some((&input.topic, partitions)),
            }
        }
        found.map(|(_, partitions)| partitions).ok_or_else(|| {
            let text = format!("{} has no input: name a topic to subscribe to", spec.function);
            Error::new("E-INPUT-NONE", Domain::User, text)
        })
    }
}

impl Drop for Node {
    /// Stops the workers and closes the journal: what has been appended is durable behind it.
    fn drop(&mut self) {
        self.workers.stop();
        if let Err(error) = self.journal.shutdown() {
            tracing::error!(%error, "the journal could not be closed cleanly");
        }
    }
}

/// What works beside a running task is made of.
pub(crate) struct Beside {
    pub(crate) partition: u32,
    /// The control of the task.
    pub(crate) control: Arc<Control>,
    /// The other version.
    pub(crate) replacement: Replacement,
    pub(crate) timers: Timers,
    pub(crate) permits: Arc<tokio::sync::Semaphore>,
}

/// What a task on a worker owns.
struct RunningTask {
    journal: Arc<Journal>,
    telemetry: Arc<NodeTelemetry>,
    peers: Peers,
    shared: Arc<Shared>,
    driver: Driver,
}

impl RunningTask {
    async fn run(self) {
        let result = self.restart_until_done().await;
        if let Err(error) = &result {
            tracing::debug!(task = %self.driver.control.config().id, %error, "a task has stopped");
        }
        self.shared.ended(result);
        self.driver.control.close();
    }

    /// Runs the task; where storage fails it in a way that may pass, starts it again from its last
    /// commit.
    async fn restart_until_done(&self) -> Result<()> {
        let mut wait = RESTART_MS;
        loop {
            match self.once().await {
                Err(error) if error.retryable && !self.driver.control.is_stopped() => {
                    let task = &self.driver.control.config().id;
                    tracing::warn!(%task, %error, wait_ms = wait, "a task is started again");
                    let pause = std::time::Duration::from_millis(wait);
                    self.driver.timers.sleep(pause).await;
                    wait = (wait * 2).min(30_000);
                }
                done => return done,
            }
        }
    }

    async fn once(&self) -> Result<()> {
        let journal = Arc::clone(&self.journal);
        let Replacement { config, pool } = self.driver.control.current();
        let partition = config.id.partition as usize;
        let parts = Parts {
            source: Box::new(JournalSource::new(Arc::clone(&journal), Visibility::Appended)),
            sink: Box::new(JournalSink::new(journal, Arc::clone(&self.driver.clock))),
            pool,
            clock: Arc::clone(&self.driver.clock),
            telemetry: self.telemetry.clone(),
            peers: Some((self.peers.clone(), partition)),
            config: Arc::unwrap_or_clone(config),
        };
        let mut task = Task::start(parts).await?;
        self.driver.control.restarted();
        self.shared.started(partition as u32, task.counters());
        self.driver.run(&mut task).await
    }
}
