//! Taking over, and being taken over from.

use std::sync::Arc;
use std::time::Duration;

use pelton_core::Result;
use pelton_journal::{Commit, Epoch, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{EpochInfo, LeaderClient, Replication, identity, lock};
use crate::data::{of, user};

/// Where the registry keeps the address of an old leader that was not told yet.
const UNTOLD: &str = "replication/untold";
/// How often it is tried.
const EVERY: Duration = Duration::from_secs(2);

/// A replica that was promoted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Promoted {
    /// The epoch that it leads in.
    pub epoch: u64,
    /// That epoch's first commit: the old leader's later ones are not here.
    pub first_commit: u64,
    /// Where the old leader was, which is being told.
    pub old_leader: Option<String>,
    /// Functions that run now.
    pub functions: u64,
}

/// What tells an old leader that a copy of its journal was promoted, and shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fencing {
    /// The journal that it is a copy of.
    #[schema(example = "0011aabb")]
    pub journal: String,
    /// Where it is.
    pub leader: String,
    /// The copy's epochs, as its `GET /replication` lists them; it was promoted in the last one.
    #[schema(max_items = 1001)]
    pub epochs: Vec<EpochInfo>,
}

impl Replication {
    /// Makes a replica the leader and starts its functions. `address` is where others reach it.
    ///
    /// # Errors
    /// `E-REPLICA-FENCED`, `E-REPLICA-NONE` where it is no replica, those of the journal.
    pub async fn promote(self: &Arc<Self>, address: Option<String>) -> Result<Promoted> {
        let _alone = self.changing.lock().await;
        let old_leader = match self.journal().role() {
            Role::Replica { leader } => Some(leader).filter(|leader| !leader.is_empty()),
            Role::Leader => {
                let text = "this server leads already: nothing was changed";
                return Err(user("E-REPLICA-NONE", text));
            }
            Role::Fenced { .. } => None,
        };
        let (journal, now_ms) = (Arc::clone(self.journal()), self.now_ms());
        let untold = old_leader.clone();
        let epoch = crate::functions::blocking(move || {
            let epoch = journal.promote(now_ms).map_err(of)?;
            if let Some(leader) = untold {
                let mut commit = Commit::new(now_ms);
                commit.entry(UNTOLD, Some(leader.as_bytes()));
                let seq = journal.append(&mut commit).map_err(of)?;
                journal.wait_durable(seq).map_err(of)?;
            }
            Ok(epoch)
        })
        .await?;
        tracing::warn!(epoch, "this replica was promoted");
        self.tokens.reload();
        *lock(&self.progress) = super::follow::Progress::default();
        self.functions.start_all().await?;
        self.tell(address, None);
        Ok(self.promoted(epoch, old_leader))
    }

    /// Tells the old leader, where there is one that was not told, until it has heard it.
    pub fn tell(self: &Arc<Self>, address: Option<String>, token: Option<String>) {
        let Some(url) = self.journal().entry(UNTOLD) else { return };
        let url = String::from_utf8_lossy(&url).into_owned();
        let known = lock(&self.leader).clone().filter(|leader| leader.base() == url);
        let client = known.unwrap_or_else(|| Arc::new(LeaderClient::new(&url, token, "promoted")));
        let address = address.or_else(|| self.address.get().cloned()).unwrap_or_default();
        let body = Fencing {
            journal: identity(self.journal()),
            leader: address,
            epochs: self.journal().epochs().into_iter().map(EpochInfo::from).collect(),
        };
        let weak = Arc::downgrade(self);
        let run = move || {
            while let Some(this) = weak.upgrade() {
                if this.journal().role() != Role::Leader {
                    return;
                }
                match client.fence(&body) {
                    // Fenced now, or before, or it has gone on to follow.
                    Ok(()) => return this.told(&url),
                    Err(error) if error.code.starts_with("E-REPLICA-") && !error.retryable => {
                        return this.told(&url);
                    }
                    Err(error) => tracing::debug!(%error, "the old leader was not told"),
                }
                drop(this);
                std::thread::park_timeout(EVERY);
            }
        };
        if let Err(error) = std::thread::Builder::new().name("fence".to_owned()).spawn(run) {
            tracing::warn!(%error, "the old leader cannot be told");
        }
    }

    fn told(&self, url: &str) {
        tracing::info!(url, "the old leader knows that it is one no more");
        let mut commit = Commit::new(self.now_ms());
        commit.entry(UNTOLD, None);
        if let Err(error) = self.journal().append(&mut commit) {
            tracing::warn!(%error, "it will be told again");
        }
    }

    /// An old leader that was not told yet that it is one no more.
    pub(super) fn untold(&self) -> Option<String> {
        let url = self.journal().entry(UNTOLD)?;
        (self.journal().role() == Role::Leader).then(|| String::from_utf8_lossy(&url).into_owned())
    }

    /// Takes nothing any more, as a copy was promoted.
    ///
    /// # Errors
    /// `E-REPLICA-JOURNAL`; `E-REPLICA-EPOCH` where the epoch is not higher than the own one;
    /// `E-REPLICA-PROOF` where it is no copy of this journal that was promoted; `E-REPLICA-READ-ONLY`
    /// for a replica.
    pub async fn fence(&self, fencing: &Fencing) -> Result<()> {
        let _alone = self.changing.lock().await;
        let journal = self.journal();
        let own = identity(journal);
        if fencing.journal != own {
            return Err(super::other_journal(&own, &fencing.journal));
        }
        let theirs: Vec<_> = fencing.epochs.iter().map(Epoch::from).collect();
        let (epoch, own) = (theirs.last().map_or(0, |last| last.number), journal.epoch());
        match journal.role() {
            Role::Fenced { epoch: known, .. } if known >= epoch => return Ok(()),
            Role::Replica { leader } => {
                return Err(of(pelton_journal::Error::Replica { leader }));
            }
            _ => {}
        }
        if epoch <= own {
            let text = format!(
                "this server is in epoch {own}, and epoch {epoch} is not higher: nothing was changed"
            );
            return Err(user("E-REPLICA-EPOCH", text));
        }
        let asked = Arc::clone(journal);
        let proven = move || asked.check_promotion(&theirs).map_err(of);
        crate::functions::blocking(proven).await?;
        tracing::error!(epoch, by = fencing.leader, "a copy of this journal was promoted: fenced");
        self.fence_self(epoch, &fencing.leader).await
    }

    /// Lets a fenced server lead again, in an epoch of its own, and starts its functions. `epoch` is the
    /// one that it was fenced in.
    ///
    /// # Errors
    /// `E-REPLICA-NONE` where it is not fenced, `E-REPLICA-EPOCH` where it was in another epoch, those of
    /// the journal.
    pub async fn unfence(self: &Arc<Self>, epoch: u64) -> Result<Promoted> {
        let _alone = self.changing.lock().await;
        let (journal, now_ms) = (Arc::clone(self.journal()), self.now_ms());
        match journal.role() {
            Role::Fenced { epoch: fenced, .. } if fenced == epoch => {}
            Role::Fenced { epoch: fenced, .. } => {
                let text = format!(
                    "this server was fenced in epoch {fenced}, not in {epoch}: nothing was changed"
                );
                return Err(user("E-REPLICA-EPOCH", text));
            }
            _ => {
                let text = "this server is not fenced: nothing was changed";
                return Err(user("E-REPLICA-NONE", text));
            }
        }
        let begun = move || journal.unfence(now_ms).map_err(of);
        let epoch = crate::functions::blocking(begun).await?;
        tracing::warn!(epoch, "this server was fenced and leads again");
        self.functions.start_all().await?;
        Ok(self.promoted(epoch, None))
    }

    fn promoted(&self, epoch: u64, old_leader: Option<String>) -> Promoted {
        let first_commit = self.journal().epochs().last().map_or(1, |epoch| epoch.first_seq);
        let functions = self.functions.running_count() as u64;
        Promoted { epoch, first_commit, old_leader, functions }
    }

    /// Fences the journal, and stops what runs.
    pub(super) async fn fence_self(&self, epoch: u64, by: &str) -> Result<()> {
        let (journal, by) = (Arc::clone(self.journal()), by.to_owned());
        crate::functions::blocking(move || journal.fence(epoch, &by).map_err(of)).await?;
        self.functions.stop_all().await;
        Ok(())
    }
}
