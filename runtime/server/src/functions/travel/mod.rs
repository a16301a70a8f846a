//! Time travel: savepoints, and rewinding a function to one.

mod create;
mod restore;
mod savepoint;

pub use restore::{RestoreReport, RestoreRequest};
pub use savepoint::{
    AUTOMATIC_SAVEPOINTS_MAX, SAVEPOINTS_MAX, SavedPosition, SavedTask, Savepoint,
};

pub(super) use savepoint::artefacts;
