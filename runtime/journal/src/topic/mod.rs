//! Topics: names, settings and their partitions.

mod batch;
mod cleaned;
mod config;
mod index;
mod info;
mod junction;
mod partition;
mod sparse;
mod time;
mod waiting;

pub use batch::Batch;
pub(crate) use batch::Found;
pub use cleaned::Cleaned;
pub use config::{Cleanup, Compaction, Retention, TopicConfig};
pub(crate) use index::{BatchEntry, PartitionIndex};
pub use info::PartitionInfo;
pub(crate) use junction::{Answer, Junction, Reply, give_back};
pub use partition::{Partition, Visibility};
pub(crate) use sparse::{prefix, prefix_len};
pub use waiting::Waiter;
pub(crate) use waiting::Waiting;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::control::{Control, Range};
use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::locks::{lock, read, write};

/// A topic's id: stable for its life, never used again after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u32);

/// A topic. Cheap to clone; the handle outlives a deletion, appends to it then fail.
#[derive(Clone)]
pub struct Topic(Arc<Inner>);

struct Inner {
    id: TopicId,
    name: Arc<str>,
    rules: RwLock<(Retention, Cleanup)>,
    partitions: Box<[Partition]>,
    deleted: Arc<AtomicBool>,
    /// The commit that wrote its last control part.
    control_seq: AtomicU64,
    cleaned: Mutex<Option<Cleaned>>,
}

impl Topic {
    pub(crate) fn new(
        id: TopicId,
        name: &str,
        config: TopicConfig,
        indexes: Vec<PartitionIndex>,
        durability: &Arc<Durability>,
    ) -> Topic {
        let (name, deleted): (Arc<str>, _) = (name.into(), Arc::new(AtomicBool::new(false)));
        let partitions = indexes.into_iter().enumerate().map(|(number, index)| {
            Partition::new(id, &name, number as u32, index, &deleted, durability)
        });
        Topic(Arc::new(Inner {
            id,
            rules: RwLock::new((config.retention, config.cleanup)),
            partitions: partitions.collect(),
            name,
            deleted,
            control_seq: AtomicU64::new(0),
            cleaned: Mutex::default(),
        }))
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TopicId {
        self.0.id
    }

    /// Its name, `tenant/topic`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> TopicConfig {
        let (retention, cleanup) = *read(&self.0.rules);
        TopicConfig { partitions: self.0.partitions.len() as u32, retention, cleanup }
    }

    /// Its partitions, by number.
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.0.partitions
    }

    /// One partition.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`].
    pub fn partition(&self, number: u32) -> Result<&Partition> {
        self.0.partitions.get(number as usize).ok_or_else(|| Error::UnknownPartition {
            topic: self.name().to_owned(),
            partition: number,
            count: self.0.partitions.len() as u32,
        })
    }

    /// Checks that a batch may be appended to it: in a compacted topic every record has a key.
    /// The journal itself never looks into what it appends: its writers ask this first. A batch
    /// that cannot be read has no records to check, and is never compacted.
    ///
    /// # Errors
    /// [`Error::KeyMissing`] names the first record without one.
    pub fn check_keys(&self, batch: &pelton_batch::Batch<'_>) -> Result<()> {
        if self.config().cleanup.compaction().is_none() {
            return Ok(());
        }
        let Ok(records) = batch.records() else { return Ok(()) };
        match (0..records.len()).find(|row| records.key(*row).is_none()) {
            None => Ok(()),
            Some(row) => Err(Error::KeyMissing { topic: self.name().to_owned(), row }),
        }
    }

    /// True once it was deleted: nothing can be read from or appended to it any more.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.0.deleted.load(Ordering::Acquire)
    }

    /// Lets what a task writes to a partition go straight to the one task that reads it, in one commit of
    /// both, wherever that waits for it: then the records are not kept. To be switched on where one
    /// function writes to the topic, one reads it, and nobody else is to.
    pub fn fuse(&self, on: bool) {
        self.partitions().iter().for_each(|partition| partition.junction().switch(on));
    }

    /// Whether it is fused.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.partitions().iter().any(|partition| partition.junction().is_on())
    }

    /// Records that have gone straight from task to task since the journal was opened.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.partitions().iter().map(|partition| partition.junction().passed()).sum()
    }

    /// What the last round of the cleaner did that changed something here since the journal was
    /// opened.
    #[must_use]
    pub fn cleaned(&self) -> Option<Cleaned> {
        *lock(&self.0.cleaned)
    }

    /// Adds to what the round of the cleaner at `at_ms` did.
    pub(crate) fn note_cleaned(&self, round: Cleaned) {
        let mut cleaned = lock(&self.0.cleaned);
        *cleaned = Some(
            cleaned.filter(|last| last.at_ms == round.at_ms).map_or(round, |last| last + round),
        );
    }

    pub(crate) fn set_rules(&self, config: &TopicConfig) {
        *write(&self.0.rules) = (config.retention, config.cleanup);
    }

    pub(crate) fn mark_deleted(&self) {
        self.0.deleted.store(true, Ordering::Release);
        for partition in &self.0.partitions {
            partition.clear();
        }
    }

    pub(crate) fn control_seq(&self) -> u64 {
        self.0.control_seq.load(Ordering::Acquire)
    }

    pub(crate) fn set_control_seq(&self, seq: u64) {
        self.0.control_seq.store(seq, Ordering::Release);
    }

    /// The control part that says all about this topic.
    pub(crate) fn control(&self, config: TopicConfig) -> Control {
        let ranges = self.0.partitions.iter().map(|partition| {
            partition.with_index(|index| Range {
                start: index.start,
                end: index.end,
                compacted_to: index.compacted_to,
            })
        });
        Control::Topic {
            id: self.id().0,
            name: self.name().to_owned(),
            config,
            ranges: ranges.collect(),
        }
    }
}

/// Checks a topic's or task's name and answers its tenant.
pub(crate) fn tenant_of(name: &str) -> Result<&str> {
    let bad = |problem| Err(Error::BadName { name: name.to_owned(), problem });
    let Some((tenant, topic)) = name.split_once('/') else {
        return bad("write it as tenant/topic");
    };
    for part in [tenant, topic] {
        if part.is_empty() || part == "." || part == ".." {
            return bad("both the tenant and the topic need a name of their own");
        }
        if part.len() > 128 {
            return bad("the tenant and the topic have at most 128 characters each");
        }
        if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return bad("use letters, digits, '.', '_' and '-'");
        }
    }
    Ok(tenant)
}

impl std::fmt::Debug for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
