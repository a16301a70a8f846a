//! A canary: a share of a function's keys goes through another version of its code.
//!
//! To a task it is one function: its [`GuestFactory`] makes instances that hold both versions, split
//! each batch by key, and merge what the versions answer in the order of the causes. So the records of
//! both are in one commit, and the order within a key is kept, since a key belongs to one version. What
//! the new version fails at is handed to the old one before anything of it is applied.
//!
//! For judging its latency fairly, as many keys as the new version gets go through the old one in calls
//! of their own: both are measured in calls of the same sizes.

mod board;
mod guest;
mod merge;
mod rows;
mod side;
mod split;

use std::sync::Arc;

use pelton_core::{
    BoxFuture, Declaration, Domain, Error, Fault, Guest, GuestFactory, Result, SharedEnvironment,
};

pub use board::{CanaryBoard, CanaryCounts, SideCounts};
pub use side::{CANARY_PARTS, Side, side_of};

use crate::config::Settings;
use guest::CanaryGuest;

/// Two versions of a function as one.
pub struct CanaryFactory {
    old: Arc<dyn GuestFactory>,
    new: Arc<dyn GuestFactory>,
    /// Configuration and secrets of the new version.
    settings: Arc<Settings>,
    /// How many of [`CANARY_PARTS`] parts of all keys go through the new version.
    parts: u32,
    board: Arc<CanaryBoard>,
}

impl CanaryFactory {
    /// Lets `parts` of [`CANARY_PARTS`] of all keys go through `new`, which is configured with
    /// `settings`, and tells `board` what comes of it.
    ///
    /// # Errors
    /// `E-CANARY-STATE` where the two do not declare the same stores, timers, windows and outputs, or
    /// keep memory of their own.
    pub fn new(
        old: Arc<dyn GuestFactory>,
        new: Arc<dyn GuestFactory>,
        settings: Settings,
        parts: u32,
        board: Arc<CanaryBoard>,
    ) -> Result<Self> {
        let (a, b) = (old.declaration(), new.declaration());
        let problem = if a.saves || b.saves {
            Some("it keeps memory of its own (`save`), which two versions cannot share")
        } else if a.stores != b.stores || a.timers != b.timers {
            Some("its stores, their schema versions or its timers are others")
        } else if a.window != b.window {
            Some("its windows are others")
        } else if a != b {
            Some("its outputs, or the columns that it wants, are others")
        } else {
            None
        };
        match problem {
            None => Ok(Self { old, new, settings: Arc::new(settings), parts, board }),
            Some(problem) => {
                let text = format!(
                    "a canary needs the state and outputs of the version that runs, but of the new \
                     version {problem}; try it as a shadow (--shadow), or deploy it for all keys"
                );
                Err(Error::new("E-CANARY-STATE", Domain::User, text))
            }
        }
    }
}

impl GuestFactory for CanaryFactory {
    fn declaration(&self) -> &Declaration {
        self.old.declaration()
    }

    fn instantiate(
        &self,
        environment: SharedEnvironment,
    ) -> BoxFuture<'_, Result<Box<dyn Guest>, Fault>> {
        Box::pin(async move {
            let old = self.old.instantiate(environment).await?;
            let guest = CanaryGuest {
                old: Some(old),
                new: None,
                old_factory: Arc::clone(&self.old),
                new_factory: Arc::clone(&self.new),
                settings: Arc::clone(&self.settings),
                parts: self.parts,
                board: Arc::clone(&self.board),
                cpu_ns: 0,
                new_units: Vec::new(),
            };
            Ok(Box::new(guest) as Box<dyn Guest>)
        })
    }
}
