//! Time travel: savepoints, and rewinding a function to one.

mod capsule;
mod create;
mod replay;
mod restore;
mod savepoint;

pub use capsule::{
    CAPSULE_BYTES_MAX, CAPSULE_FORMAT, CAPSULE_OUTPUTS_SHOWN, Capsule, CapsuleFault, CapsuleHead,
    CapsuleLine, CapsuleOf, CapsuleOutput, CapsuleReport, CapsuleVerdict, Change, Invocation,
    Invoked, Outcome, RecordPlace, StateKept, run_capsule,
};
pub use replay::{
    DIFFERENCES_SHOWN, Difference, Differences, REPLAYS_KEPT, REPLAYS_RUNNING_MAX, ReplayRequest,
    ReplayStart, ReplayState, ReplayStatus, StartKind, UNMATCHED_MAX,
};
pub use restore::{RestoreReport, RestoreRequest};
pub use savepoint::{
    AUTOMATIC_SAVEPOINTS_MAX, SAVEPOINTS_MAX, SavedPosition, SavedTask, Savepoint,
};

pub(super) use capsule::{reading, stored_task};
pub(super) use replay::{Replays, replay_keys};
pub(super) use savepoint::{AUTOMATIC, artefacts, savepoint_keys};
