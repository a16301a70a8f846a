//! The leader's side: frames for whoever asks with a log that is a first part of its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pelton_core::Result;
use pelton_journal::{FrameReader, Visibility};

use super::{Follower, Replication, identity, lock, other_journal};
use crate::data::of;
use crate::functions::blocking;

/// Readers that are kept for the next request.
const READERS_MAX: usize = 8;
/// Followers that are shown.
const FOLLOWERS_MAX: usize = 64;

/// What a replica asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The last commit that it has, and that one's checksum.
    pub(crate) after: u64,
    pub(crate) chain: u32,
    pub(crate) epoch: u64,
    pub(crate) journal: String,
    pub(crate) format: u32,
    /// The last commit that is durable there.
    pub(crate) durable: u64,
    pub(crate) name: String,
    pub(crate) wait: Duration,
    pub(crate) bytes_max: usize,
}

/// What it is answered.
pub(crate) struct Shipment {
    pub(crate) frames: Vec<Bytes>,
    pub(crate) epoch: u64,
    pub(crate) durable: u64,
    pub(crate) records: u64,
    pub(crate) bytes_behind: u64,
    pub(crate) time_ms: i64,
}

impl Replication {
    /// The frames that a replica asks for.
    ///
    /// # Errors
    /// `E-REPLICA-JOURNAL`, `E-REPLICA-FENCED`, `E-REPLICA-READ-ONLY`, `E-REPLICA-DIVERGED`,
    /// `E-REPLICA-BEHIND`, those of the journal.
    pub(crate) async fn ship(self: &Arc<Self>, wanted: Wanted) -> Result<Shipment> {
        self.admit(&wanted)?;
        let journal = self.journal();
        let mut reader = {
            let (this, wanted) = (Arc::clone(self), wanted.clone());
            blocking(move || this.reader(&wanted)).await?
        };
        let seen_ms = self.now_ms();
        self.note(Follower { name: wanted.name.clone(), commit: wanted.durable, lag: 0, seen_ms });
        let next = wanted.after + 1;
        if wanted.bytes_max > 0 && journal.durable() < next {
            let news = poll_fn(|context| journal.poll_durable(next, context.waker()));
            if let Ok(arrived) = tokio::time::timeout(wanted.wait, news).await {
                arrived.map_err(of)?;
            }
            // It may have been fenced meanwhile.
            self.check_writable()?;
        }
        let this = Arc::clone(self);
        blocking(move || {
            let (epoch, durable) = (this.journal().epoch(), this.journal().durable());
            let bytes_behind = reader.bytes_behind().map_err(of)?;
            let frames = match wanted.bytes_max {
                0 => Vec::new(),
                max => reader.read(max).map_err(of)?,
            };
            this.keep(reader);
            let (time_ms, records) = (this.now_ms(), this.records());
            Ok(Shipment { frames, epoch, durable, records, bytes_behind, time_ms })
        })
        .await
    }

    /// Whether this one may be asked, by this one.
    fn admit(&self, wanted: &Wanted) -> Result<()> {
        let journal = self.journal();
        let own = identity(journal);
        if wanted.journal != own {
            return Err(other_journal(&own, &wanted.journal));
        }
        if wanted.format < journal.format() {
            let text = format!(
                "this journal has format {}, the replica reads up to {}: update the replica first",
                journal.format(),
                wanted.format
            );
            return Err(crate::data::user("E-REPLICA-FORMAT", text));
        }
        self.check_writable()
    }

    /// A reader that stands behind what the replica has.
    fn reader(&self, wanted: &Wanted) -> Result<FrameReader> {
        let journal = self.journal();
        {
            let mut readers = lock(&self.readers);
            let at = readers.iter().position(|reader| {
                reader.next_seq() == wanted.after + 1 && reader.chain() == wanted.chain
            });
            // Who wants no frames asks whether they are there: a reader may stand where they were.
            let is_usable = wanted.epoch == journal.epoch() && wanted.bytes_max > 0;
            if let Some(at) = at.filter(|_| is_usable) {
                return Ok(readers.swap_remove(at));
            }
        }
        journal.check_prefix(wanted.epoch, wanted.after, wanted.chain).map_err(of)?;
        journal.frames(wanted.after + 1).map_err(of)
    }

    fn keep(&self, reader: FrameReader) {
        let mut readers = lock(&self.readers);
        if readers.len() >= READERS_MAX {
            readers.remove(0);
        }
        readers.push(reader);
    }

    fn note(&self, follower: Follower) {
        let mut followers = lock(&self.followers);
        followers.insert(follower.name.clone(), follower);
        if followers.len() > FOLLOWERS_MAX {
            let oldest = followers.values().min_by_key(|follower| follower.seen_ms);
            if let Some(name) = oldest.map(|follower| follower.name.clone()) {
                followers.remove(&name);
            }
        }
    }

    /// Durable records that all topics were given.
    pub(super) fn records(&self) -> u64 {
        let topics = self.journal().topics();
        let partitions = topics.iter().flat_map(|topic| topic.partitions());
        partitions.map(|partition| partition.end(Visibility::Durable)).sum()
    }
}
