//! A second site: a replica that follows a leader by fetching its frames, and takes over by hand.
//!
//! A replica has the leader's commits, byte for byte, as far as they were shipped: a promotion loses
//! what was not. Epochs keep the two apart from then on. An old leader learns of a promotion when it
//! is told, by one that shows that it is a copy of its journal; until then it goes on.

mod client;
mod copy;
mod follow;
mod prepare;
mod promote;
mod serve;
mod status;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pelton_core::{Domain, Error, Result};
use pelton_journal::{FrameReader, Journal, Role};

pub use client::LeaderClient;
pub(crate) use copy::pieces;
pub use prepare::{Prepared, prepare};
pub use promote::{Fencing, Promoted};
pub(crate) use serve::Wanted;
pub use status::{EpochInfo, Follower, Lag, ReplicationStatus};

use crate::functions::Functions;
use crate::http::Tokens;
use follow::Progress;

/// How a node stands to other copies of its journal.
pub struct Replication {
    functions: Arc<Functions>,
    tokens: Tokens,
    /// Where others reach this server, as far as it knows.
    address: OnceLock<String>,
    /// The leader, or the one before this one was promoted.
    leader: Mutex<Option<Arc<LeaderClient>>>,
    progress: Mutex<Progress>,
    followers: Mutex<BTreeMap<String, Follower>>,
    /// Readers that stand where a follower will ask next.
    readers: Mutex<Vec<FrameReader>>,
    /// One promotion or fencing at a time.
    changing: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Replication {
    /// The replication of a node; nothing is fetched before [`Self::follow`].
    #[must_use]
    pub fn new(functions: Arc<Functions>, tokens: Tokens) -> Self {
        Self {
            functions,
            tokens,
            address: OnceLock::new(),
            leader: Mutex::new(None),
            progress: Mutex::default(),
            followers: Mutex::default(),
            readers: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
        }
    }

    fn journal(&self) -> &Arc<Journal> {
        self.functions.node().journal()
    }

    fn now_ms(&self) -> i64 {
        self.functions.node().clock().now_ms()
    }

    /// Says where this server can be reached.
    pub(crate) fn listens_at(&self, address: String) {
        let _ = self.address.set(address);
    }

    /// Whether the node takes changes.
    ///
    /// # Errors
    /// `E-REPLICA-READ-ONLY` names the leader, `E-REPLICA-FENCED` the copy that was promoted.
    pub fn check_writable(&self) -> Result<()> {
        match self.journal().role() {
            Role::Leader => Ok(()),
            Role::Replica { leader } => {
                Err(crate::data::of(pelton_journal::Error::Replica { leader }))
            }
            Role::Fenced { epoch, by } => {
                Err(crate::data::of(pelton_journal::Error::Deposed { epoch, by }))
            }
        }
    }

    /// Why a replica cannot follow any more, if so: the process should end with this.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        let progress = lock(&self.progress);
        let (code, text) = progress.failure.as_ref()?;
        Some(Error::new(code, Domain::External, text.clone()))
    }
}

/// What tells a journal from others, as text.
pub(crate) fn identity(journal: &Journal) -> String {
    format!("{:08x}", journal.identity())
}

/// Another journal's frames.
fn other_journal(own: &str, other: &str) -> Error {
    let text = format!(
        "this is journal {own}, not {other}: a replica follows the server that it was copied from, \
         or one that was promoted from the same journal"
    );
    Error::new("E-REPLICA-JOURNAL", Domain::User, text)
}
