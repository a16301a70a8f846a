//! The loop of a replica: ask for frames, get what they name, append them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pelton_core::{Domain, Error, Result};
use pelton_journal::{Frames, Journal, Role};

use super::client::{LeaderClient, LeaderState};
use super::{Replication, lock};
use crate::data::of;
use crate::functions::FunctionRecord;

/// How long the leader holds a request back while it has nothing new.
const WAIT: Duration = Duration::from_secs(5);
/// Bytes of frames of one answer, unless one frame has more.
const BYTES_MAX: usize = 4 << 20;
/// Pause after an error; doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How far a replica is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What the leader said last, and when that was here, ms.
    pub(super) leader: Option<(LeaderState, i64)>,
    /// The commit time of the last frame, ms.
    pub(super) applied_ms: Option<i64>,
    /// Why the last attempt failed.
    pub(super) error: Option<String>,
    /// Why it cannot go on at all.
    pub(super) failure: Option<(&'static str, String)>,
}

impl Progress {
    /// Whether the leader has answered, and did so last time.
    fn is_known(&self) -> bool {
        self.leader.is_some() && self.error.is_none()
    }
}

impl Replication {
    /// Follows `leader` on a thread of its own, until this node is promoted or dropped.
    ///
    /// # Errors
    /// `E-THREADS`.
    pub fn follow(self: &Arc<Self>, leader: LeaderClient) -> Result<()> {
        let leader = Arc::new(leader);
        *lock(&self.leader) = Some(Arc::clone(&leader));
        let weak = Arc::downgrade(self);
        let run = move || {
            let mut pause = PAUSE;
            while let Some((journal, wait)) = weak.upgrade().and_then(|this| this.next_request()) {
                // Nobody who ends the server waits for an answer.
                let answer = leader.frames(&journal, wait, BYTES_MAX);
                let Some(this) = weak.upgrade() else { return };
                match answer.and_then(|(state, bytes)| this.take(&leader, state, &bytes)) {
                    Ok(()) => pause = PAUSE,
                    Err(error) => {
                        if this.failed(&error) {
                            return;
                        }
                        drop(this);
                        std::thread::park_timeout(pause);
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                }
            }
        };
        let spawned = std::thread::Builder::new().name("replica".to_owned()).spawn(run);
        spawned.map(drop).map_err(|error| {
            Error::new("E-THREADS", Domain::External, "cannot start a thread").caused_by(error)
        })
    }

    /// Notes an error; answers whether it is the end.
    fn failed(&self, error: &Error) -> bool {
        if !matches!(self.journal().role(), Role::Replica { .. }) {
            // Promoted meanwhile.
            return true;
        }
        let text = error.to_string().replace(&format!(" [{}]", error.code), "");
        let mut progress = lock(&self.progress);
        if progress.error.as_ref() != Some(&text) {
            tracing::warn!(code = error.code, error = %text, "the replica cannot follow");
        }
        progress.error = Some(text.clone());
        let is_end = matches!(
            error.code,
            "E-REPLICA-BEHIND"
                | "E-REPLICA-DIVERGED"
                | "E-REPLICA-EPOCH"
                | "E-REPLICA-JOURNAL"
                | "E-JOURNAL-POISONED"
        );
        if is_end {
            progress.failure = Some((error.code, text));
        }
        is_end
    }

    /// The journal to ask for, and how long to wait; `None` where it is no replica any more.
    fn next_request(&self) -> Option<(Arc<Journal>, Duration)> {
        // How it stands is known at once, and from then on as soon as anything changes.
        let is_known = lock(&self.progress).is_known();
        let wait = if is_known { WAIT } else { Duration::ZERO };
        let is_replica = matches!(self.journal().role(), Role::Replica { .. });
        is_replica.then(|| (Arc::clone(self.journal()), wait))
    }

    /// Appends what the leader has answered.
    fn take(&self, leader: &LeaderClient, state: LeaderState, bytes: &Bytes) -> Result<()> {
        let journal = self.journal();
        let frames = journal.parse_frames(bytes).map_err(of)?;
        if frames.rest() > 0 {
            let text = format!("{} bytes at the end of its answer are no frame", frames.rest());
            return Err(Error::new("E-REPLICA-FRAME", Domain::External, text).retry());
        }
        self.fetch_snapshots(leader, &frames)?;
        self.fetch_artefacts(leader, &frames)?;
        let last = journal.append_frames(&frames).map_err(of)?;
        // The next request says what is durable here.
        journal.wait_durable(last).map_err(of)?;
        if frames.entries().iter().any(|(key, _)| key.starts_with("token/")) {
            self.tokens.reload();
        }
        let now_ms = self.now_ms();
        let mut progress = lock(&self.progress);
        progress.leader = Some((state, now_ms));
        progress.applied_ms = frames.time_ms().or(progress.applied_ms);
        progress.error = None;
        Ok(())
    }

    fn fetch_snapshots(&self, leader: &LeaderClient, frames: &Frames) -> Result<()> {
        let journal = self.journal();
        for need in frames.snapshots() {
            if journal.has_snapshot(need) {
                continue;
            }
            match leader.snapshot(need)? {
                Some(bytes) => journal.put_snapshot(need, &bytes).map_err(of)?,
                None => journal.skip_snapshot(need).map_err(of)?,
            }
        }
        Ok(())
    }

    /// Modules are there before a version names them.
    fn fetch_artefacts(&self, leader: &LeaderClient, frames: &Frames) -> Result<()> {
        let journal = self.journal();
        for (key, value) in frames.entries() {
            let Some(value) = value.as_ref().filter(|_| key.starts_with("function/")) else {
                continue;
            };
            let Ok(record) = serde_json::from_slice::<FunctionRecord>(value) else { continue };
            for version in &record.versions {
                if journal.artefact(&version.digest).is_ok() {
                    continue;
                }
                if let Some(bytes) = leader.artefact(&version.digest)? {
                    journal.put_artefact(&bytes).map_err(of)?;
                }
            }
        }
        Ok(())
    }
}
