//! What all of Pelton's crates share: ids, limits, errors, and the traits between the engine and
//! the world: [`Source`], [`Sink`], [`Guest`], [`Clock`].
//!
//! **Invariant:** nothing here does I/O, knows the wall clock or starts a thread.

mod clock;
mod commit;
mod declaration;
mod error;
mod fault;
mod guest;
mod ids;
pub mod limits;
pub mod manifest;
mod partition;
mod sink;
mod source;
mod time;
pub mod window;

pub use clock::{Clock, ManualClock, SteadyTime};
pub use commit::{
    Began, Carried, Commit, InputLeft, InputProgress, Layout, OutputBatch, Position, TaskMeta,
    TaskRecord, Triggers,
};
pub use declaration::{Declaration, StoreDeclaration, StoreKind, TimeDomain, TimerDeclaration};
pub use error::{COMMIT_STALE, Coded, Domain, Error, Result};
pub use fault::{Fault, FaultKind};
pub use guest::{BoxFuture, Environment, Guest, GuestFactory, LogLevel, SharedEnvironment};
pub use ids::{FunctionId, NameError, PipelineId, TaskId, TenantId, TopicName, TopicPartition};
pub use limits::Limits;
pub use manifest::Manifest;
pub use partition::{murmur2, partition_for_key};
pub use sink::{Committed, Recovered, Sink, SnapshotReader, SnapshotWriter};
pub use source::{Fetch, Offsets, Producer, Source, Start, Told};
pub use time::{EventTime, GUEST_TIME, TimeField, TimeFormat};
