//! Functions: what is deployed, and everything that can be done with it.
//!
//! The registry in the journal says what is to run; this module makes it so, at the start and with
//! each change. Changes of one function come one at a time. A version that is deployed onto a
//! running function takes its tasks over live, on trial until each has committed once.

mod canary;
mod deploy;
mod explain;
mod figures;
mod graph;
mod inspect;
mod lifecycle;
mod loaded;
mod pipelines;
mod reach;
mod record;
mod registry;
mod resting;
mod shadow;
mod status;
mod stopped;
mod tap;
mod topics;
mod travel;
mod trial;
mod uploads;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use pelton_core::{Domain, Error, FunctionId, PipelineId, Result};
use tokio_util::task::TaskTracker;

pub use canary::{CANARY_PERCENT_MAX, CanaryRecord, CanarySide, CanaryStatus, NewCanary};
pub use deploy::{DeployReport, DeployRequest, Outcome};
pub use explain::{
    Explanation, Fate, InputExplained, ProducerExplained, Question, RecordExplained, TaskExplained,
    WindowExplained,
};
pub use figures::Figures;
pub use graph::{Graph, GraphFunction, GraphTopic};
pub use inspect::StateEntry;
pub use pipelines::{
    PIPELINE_VERSIONS_MAX, PipelineFunction, PipelineRecord, PipelineReport, PipelineRequest,
    PipelineState, PipelineStatus, PipelineTopic, PipelineVersion, Planned,
};
pub use record::{
    EVENTS_MAX, Event, EventKind, FunctionRecord, RewindMark, VERSIONS_MAX, Version, deployed_last,
};
pub use shadow::{ShadowState, ShadowStatus};
pub use status::{FunctionState, FunctionStatus, InputStatus, StoreStatus, TaskStatus};
pub use tap::{FunctionTap, SAMPLES_AT_ONCE_MAX, TapSample, TapSide, Tapped};
pub use travel::{
    AUTOMATIC_SAVEPOINTS_MAX, CAPSULE_BYTES_MAX, CAPSULE_FORMAT, CAPSULE_OUTPUTS_SHOWN, Capsule,
    CapsuleFault, CapsuleHead, CapsuleLine, CapsuleOf, CapsuleOutput, CapsuleReport,
    CapsuleVerdict, Change, DIFFERENCES_SHOWN, Difference, Differences, Invocation, Invoked,
    Outcome as CapsuleOutcome, REPLAYS_KEPT, REPLAYS_RUNNING_MAX, RecordPlace, ReplayRequest,
    ReplayStart, ReplayState, ReplayStatus, RestoreReport, RestoreRequest, SAVEPOINTS_MAX,
    SavedPosition, SavedTask, Savepoint, StartKind, StateKept, UNMATCHED_MAX, run_capsule,
};
pub use trial::TrialState;
pub use uploads::UPLOAD_KEPT_MS;

use crate::deployment::Deployment;
use crate::history::History;
use crate::node::Node;
use crate::telemetry::LOG_BYTES_PER_SECOND;
use loaded::Loaded;
use registry::Registry;

/// A function whose tasks run.
struct Running {
    deployment: Deployment,
    versions: Mutex<Versions>,
}

/// What its tasks run.
#[derive(Clone)]
struct Versions {
    active: Loaded,
    /// While the active one is on trial: the one to go back to.
    before: Option<Loaded>,
}

/// How long a change waits for another one of the same function.
const TURN_WAIT: Duration = Duration::from_millis(500);

/// The functions of a node.
pub struct Functions {
    node: Arc<Node>,
    registry: Registry,
    running: DashMap<FunctionId, Arc<Running>>,
    /// Why a function that should run does not.
    failed: DashMap<FunctionId, String>,
    changing: DashMap<FunctionId, Arc<tokio::sync::Mutex<()>>>,
    pipelines: pipelines::Store,
    pipelines_changing: DashMap<PipelineId, Arc<tokio::sync::Mutex<()>>>,
    internal: pipelines::Internal,
    /// Held while a module is kept that no version names yet: nothing may be swept then.
    sweeping: Arc<tokio::sync::RwLock<()>>,
    uploads: uploads::Uploads,
    history: History,
    /// What follows running functions, and writes nothing.
    shadows: DashMap<FunctionId, shadow::SharedShadow>,
    /// What a share of the keys goes through.
    canaries: DashMap<FunctionId, canary::SharedCanary>,
    /// Trials and canaries that are followed.
    following: TaskTracker,
    replays: travel::Replays,
    resting: resting::Resting,
    /// Held while a state is copied out of the journal: one at a time.
    copies: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Functions {
    /// The functions that the registry of `node` knows; none of them runs before
    /// [`Self::start_all`].
    #[must_use]
    pub fn new(node: Arc<Node>) -> Arc<Self> {
        let registry = Registry::new(Arc::clone(node.journal()));
        let pipelines = pipelines::Store::new(Arc::clone(node.journal()));
        node.telemetry().limit_logs(LOG_BYTES_PER_SECOND);
        Arc::new(Self {
            node,
            registry,
            running: DashMap::new(),
            failed: DashMap::new(),
            changing: DashMap::new(),
            pipelines,
            pipelines_changing: DashMap::new(),
            internal: pipelines::Internal::default(),
            shadows: DashMap::new(),
            canaries: DashMap::new(),
            sweeping: Arc::default(),
            uploads: uploads::Uploads::default(),
            history: History::default(),
            following: TaskTracker::new(),
            replays: travel::Replays::default(),
            resting: resting::Resting::default(),
            copies: tokio::sync::Mutex::default(),
        })
    }

    /// The node that they run on.
    #[must_use]
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What they have done lately.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What is kept of all functions, by name.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub fn records(&self) -> Result<Vec<FunctionRecord>> {
        self.registry.all()
    }

    /// What is kept of a function.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`.
    pub fn record(&self, function: &FunctionId) -> Result<FunctionRecord> {
        self.registry.get(function)
    }

    fn running(&self, function: &FunctionId) -> Option<Arc<Running>> {
        self.running.get(function).map(|running| Arc::clone(&running))
    }

    /// Waits for its turn to change a function.
    async fn turn(&self, function: &FunctionId) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = Arc::clone(&self.changing.entry(function.clone()).or_default());
        lock.lock_owned().await
    }

    /// Its turn to change a function, if nobody else is at it for long: the end of a trial or of a
    /// canary is written down in a moment.
    async fn turn_soon(&self, function: &FunctionId) -> Result<tokio::sync::OwnedMutexGuard<()>> {
        tokio::time::timeout(TURN_WAIT, self.turn(function)).await.map_err(|_| {
            let text = format!("{function} is being changed by another request; try again later");
            Error::new("E-FUNCTION-BUSY", Domain::User, text).retry()
        })
    }

    /// How many run.
    #[must_use]
    pub fn running_count(&self) -> usize {
        self.running.len()
    }

    /// Does `work` to its end, whether or not whoever asked for it is still there.
    ///
    /// # Errors
    /// What it answers.
    pub async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.following.spawn(work).await.unwrap_or_else(|error| {
            let text = "a change of a function has failed";
            Err(Error::new("E-INTERNAL", Domain::Internal, text).caused_by(error))
        })
    }

    fn now_ms(&self) -> i64 {
        self.node.clock().now_ms()
    }
}

/// Runs what blocks (compiling, waiting for the disk) where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new("E-INTERNAL", Domain::Internal, "a worker thread failed").caused_by(error))
    })
}
