//! The data plane: topics, producing, consuming and consumer groups, typed and without HTTP.
//!
//! Nothing here waits for the disk of its own accord: what changes something answers the number of
//! its commit, and [`DataPlane::durable`] waits until that survives a power cut. What leaves the
//! process waits for it.

mod batch;
mod consume;
mod cursor;
mod groups;
pub(crate) mod json;
mod produce;
mod producers;
mod redrive;
mod remembered;
mod topics;
mod wait;

use std::future::poll_fn;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pelton_core::{Clock, Domain, Error, Limits, NameError, Result, TenantId, TopicName};
use pelton_journal::{Journal, Topic};

pub use batch::{NewRecord, RecordBatch, TIMESTAMP_MS_MAX};
pub use consume::{ReadLimits, Reading, Skipped, Slice};
pub use cursor::{Cursor, From};
pub use groups::{GroupInfo, GroupPosition, GroupSummary, GroupTopic, NewPosition};
pub use json::{Encoding, parse_time, read_lines, read_list, read_one, write_record};
pub use produce::{Produced, ProducedRange, Stamp};
pub use redrive::{Letters, REDRIVE_RECORDS_MAX, Redrive, Redriven};
pub use topics::{
    CleanedInfo, CleanupPolicy, PartitionInfo, TopicChange, TopicInfo, TopicSettings,
};

use producers::Producers;

/// Numbers that keep the data plane in bounds.
#[derive(Debug, Clone)]
pub struct DataLimits {
    /// Sizes of records.
    pub records: Limits,
    /// Records of one request (10,000).
    pub request_records_max: usize,
    /// Producers of a tenant that are remembered (10,000).
    pub producers_max: usize,
    /// A producer that was silent for this long may be forgotten, ms (a day).
    pub producer_expiry_ms: i64,
    /// No producer is forgotten before it was silent for this long, ms (10 minutes).
    pub producer_kept_ms_min: i64,
    /// Consumer groups of a tenant (1,000).
    pub groups_max: usize,
}

impl Default for DataLimits {
    fn default() -> Self {
        Self {
            records: Limits::default(),
            request_records_max: 10_000,
            producers_max: 10_000,
            producer_expiry_ms: 86_400_000,
            producer_kept_ms_min: 600_000,
            groups_max: 1_000,
        }
    }
}

/// Who is asked before a topic is deleted or changed.
pub trait TopicHooks: Send + Sync {
    /// Names who uses a topic and would miss it; empty where nobody does.
    fn users(&self, topic: &TopicName) -> Vec<String>;

    /// Names the pipeline whose functions alone may write to a topic, where there is one.
    fn owner(&self, topic: &TopicName) -> Option<String>;

    /// Says, in a sentence each, who relies on whether the topic is compacted, and what to do.
    fn reliant(&self, topic: &TopicName) -> Vec<String>;
}

/// Topics, records and groups of one journal.
pub struct DataPlane {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    limits: DataLimits,
    /// Where records without a key and a partition go: one partition a request, in turn.
    next_partition: AtomicU32,
    producers: Producers,
    /// Held while a group's positions are read and written again.
    groups: Mutex<()>,
    topic_hooks: RwLock<Option<Box<dyn TopicHooks>>>,
}

impl DataPlane {
    /// The data plane of a journal.
    #[must_use]
    pub fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>, limits: DataLimits) -> Self {
        Self {
            journal,
            clock,
            limits,
            next_partition: AtomicU32::new(0),
            producers: Producers::default(),
            groups: Mutex::new(()),
            topic_hooks: RwLock::new(None),
        }
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The wall clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &DataLimits {
        &self.limits
    }

    /// Asks `hooks` before a topic is deleted or changed.
    pub fn ask_first(&self, hooks: impl TopicHooks + 'static) {
        let mut slot = self.topic_hooks.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Box::new(hooks));
    }

    /// Waits until the commit `seq` survives a power cut, without holding a thread.
    ///
    /// # Errors
    /// `E-JOURNAL-POISONED` where it never will.
    pub async fn durable(&self, seq: u64) -> Result<()> {
        poll_fn(|context| self.journal.poll_durable(seq, context.waker())).await.map_err(of)
    }

    /// The topic of this name.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`.
    pub fn topic(&self, name: &TopicName) -> Result<Topic> {
        self.journal.topic(&name.to_string()).map_err(of)
    }
}

/// A journal's error with its code.
pub(crate) fn of(error: pelton_journal::Error) -> Error {
    Error::from_coded(error)
}

/// An error of the person who called.
pub(crate) fn user(code: &'static str, text: impl Into<String>) -> Error {
    Error::new(code, Domain::User, text)
}

/// A name that is not allowed.
pub(crate) fn bad_name(error: NameError) -> Error {
    user("E-NAME", error.to_string())
}

/// The topic `name` of a tenant.
///
/// # Errors
/// `E-NAME`.
pub fn topic_name(tenant: &str, name: &str) -> Result<TopicName> {
    TopicName::new(TenantId::new(tenant).map_err(bad_name)?, name).map_err(bad_name)
}
