//! How a server stands to other copies of its journal.

use pelton_journal::{Epoch, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Replication, identity, lock};

/// How far a replica is behind its leader, as of the leader's last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Lag {
    /// Commits.
    pub commits: u64,
    /// Records of all topics.
    pub records: u64,
    /// Bytes of the log, with what is unused between segments.
    pub bytes: u64,
    /// Time, ms: 0 while it has everything and is connected.
    pub ms: u64,
}

/// A replica, as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Follower {
    /// What it calls itself.
    pub name: String,
    /// The last commit that is durable there.
    pub commit: u64,
    /// Commits that are not known to be there.
    pub lag: u64,
    /// When it asked last, ms since the Unix epoch.
    pub seen_ms: i64,
}

/// A time during which one copy led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EpochInfo {
    /// Its number, from 1 on.
    pub epoch: u64,
    /// Its first commit.
    pub first_commit: u64,
    /// When it began, ms since the Unix epoch; 0 for the first.
    pub time_ms: i64,
    /// The checksum of the commit before its first one: what shows an old leader that a copy of its own
    /// journal was promoted. Absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<u32>,
}

impl From<Epoch> for EpochInfo {
    fn from(epoch: Epoch) -> Self {
        let Epoch { number, first_seq, time_ms, chain } = epoch;
        Self { epoch: number, first_commit: first_seq, time_ms, chain }
    }
}

impl From<&EpochInfo> for Epoch {
    fn from(info: &EpochInfo) -> Self {
        let EpochInfo { epoch, first_commit, time_ms, chain } = *info;
        Self { number: epoch, first_seq: first_commit, time_ms, chain }
    }
}

/// How a server stands to other copies of its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicationStatus {
    /// `leader`, `replica` or `fenced`.
    #[schema(example = "leader")]
    pub role: String,
    /// What tells the journal from others; all copies have the same.
    pub journal: String,
    /// The epoch.
    pub epoch: u64,
    /// All epochs.
    pub epochs: Vec<EpochInfo>,
    /// The last commit that is durable here.
    pub commit: u64,
    /// Of a replica: where its leader is. Of a fenced server: where the promoted copy is.
    pub leader: Option<String>,
    /// Of a fenced server: the epoch that a copy was promoted in.
    pub fenced: Option<u64>,
    /// Of a replica: how far it is behind; absent before the leader answered once.
    pub lag: Option<Lag>,
    /// Of a replica: whether the leader answered its last request.
    pub connected: bool,
    /// Of a replica: when the leader answered last, ms since the Unix epoch.
    pub contact_ms: Option<i64>,
    /// Of a replica: why its last request failed.
    pub error: Option<String>,
    /// Of a leader: the replicas that have asked it since it was started.
    pub followers: Vec<Follower>,
    /// Of a leader that was promoted: the one before, as long as it could not be told.
    pub untold: Option<String>,
}

impl Replication {
    /// How this server stands to other copies.
    #[must_use]
    pub fn status(&self) -> ReplicationStatus {
        let journal = self.journal();
        let (role, leader, fenced) = match journal.role() {
            Role::Leader => ("leader", None, None),
            Role::Replica { leader } => ("replica", Some(leader), None),
            Role::Fenced { epoch, by } => {
                ("fenced", Some(by).filter(|by| !by.is_empty()), Some(epoch))
            }
        };
        let epochs = journal.epochs().into_iter().map(EpochInfo::from);
        let (connected, contact_ms, error) = {
            let progress = lock(&self.progress);
            let contact_ms = progress.leader.map(|(_, at_ms)| at_ms);
            let connected = contact_ms.is_some() && progress.error.is_none();
            (connected, contact_ms, progress.error.clone())
        };
        ReplicationStatus {
            role: role.to_owned(),
            journal: identity(journal),
            epoch: journal.epoch(),
            epochs: epochs.collect(),
            commit: journal.durable(),
            leader,
            fenced,
            lag: self.lag(),
            connected: connected && role == "replica",
            contact_ms,
            error,
            followers: self.followers(),
            untold: self.untold(),
        }
    }

    fn followers(&self) -> Vec<Follower> {
        let durable = self.journal().durable();
        let with_lag = |follower: &Follower| Follower {
            lag: durable.saturating_sub(follower.commit),
            ..follower.clone()
        };
        lock(&self.followers).values().map(with_lag).collect()
    }

    /// How far a replica is behind; `None` for others, and before the leader answered.
    #[must_use]
    pub fn lag(&self) -> Option<Lag> {
        let journal = self.journal();
        if !matches!(journal.role(), Role::Replica { .. }) {
            return None;
        }
        let (records, now_ms) = (self.records(), self.now_ms());
        let progress = lock(&self.progress);
        let (leader, contact_ms) = progress.leader?;
        let commits = leader.durable.saturating_sub(journal.durable());
        let silent_ms = if progress.error.is_some() { now_ms - contact_ms } else { 0 };
        let behind_ms = match progress.applied_ms {
            Some(applied_ms) if commits > 0 => leader.time_ms - applied_ms,
            _ => 0,
        };
        Some(Lag {
            commits,
            records: leader.records.saturating_sub(records),
            bytes: if commits > 0 { leader.bytes } else { 0 },
            ms: (silent_ms + behind_ms).max(0).unsigned_abs(),
        })
    }
}
