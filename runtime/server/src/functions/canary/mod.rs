//! Canaries: a share of a function's keys goes through another version, until a rule promotes it or
//! rolls it back.

mod manage;
mod rule;
mod status;
mod watch;

use std::sync::Arc;

use pelton_engine::CanaryBoard;
use tokio_util::sync::CancellationToken;

pub use rule::{CANARY_PERCENT_MAX, CanaryRecord, NewCanary};
pub use status::{CanarySide, CanaryStatus};

/// A canary at work.
pub(super) struct CanaryRun {
    record: CanaryRecord,
    board: Arc<CanaryBoard>,
    /// Ends its watching.
    over: CancellationToken,
}

impl Drop for CanaryRun {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// A canary, shared with who watches it.
pub(super) type SharedCanary = Arc<CanaryRun>;
