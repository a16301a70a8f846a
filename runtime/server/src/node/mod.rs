//! A node: one data directory, its journal, and the workers that run functions on it.

mod outputs;
mod parts;
mod records;
mod running;
mod taps;
mod tasks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use dashmap::DashMap;
use pelton_core::{Clock, Domain, Error, GuestFactory, Result, TopicName};
use pelton_engine::Telemetry;
use pelton_journal::{Config, Hooks, Journal, SyncMode};

use crate::clock::SystemClock;
use crate::data::{DataLimits, DataPlane, of};
use crate::load::{LoadOptions, Loader};
use crate::spec::DeploymentSpec;
use crate::telemetry::NodeTelemetry;
use crate::workers::Workers;
pub(crate) use parts::equal_partitions;
pub(crate) use taps::Attached;
use taps::Taps;

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
    /// Topics whose functions run together, and the worker of their first task.
    together: DashMap<TopicName, usize>,
    data: Arc<DataPlane>,
    taps: Arc<Taps>,
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
            taps: Arc::default(),
            next_worker: AtomicUsize::new(0),
            together: DashMap::new(),
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

    /// Who taps functions.
    pub(crate) fn taps(&self) -> &Taps {
        &self.taps
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
