//! Time travel: savepoints, and rewinding a function to one.

mod create;
mod replay;
mod restore;
mod savepoint;

pub use replay::{
    DIFFERENCES_SHOWN, Difference, Differences, REPLAYS_KEPT, REPLAYS_RUNNING_MAX, ReplayRequest,
    ReplayStart, ReplayState, ReplayStatus, StartKind, UNMATCHED_MAX,
};
pub use restore::{RestoreReport, RestoreRequest};
pub use savepoint::{
    AUTOMATIC_SAVEPOINTS_MAX, SAVEPOINTS_MAX, SavedPosition, SavedTask, Savepoint,
};

pub(super) use replay::Replays;
pub(super) use savepoint::artefacts;
