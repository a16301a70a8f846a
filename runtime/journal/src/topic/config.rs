//! What a topic is made of and what it may forget.

/// Which records a topic may forget. A record is forgotten as soon as one of the rules says so,
/// always whole batches from the front; with no rule, never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Batches whose latest timestamp is older than this many milliseconds.
    pub time_ms: Option<u64>,
    /// The oldest batches of a partition, while the others hold at least this many bytes.
    pub bytes: Option<u64>,
    /// What all holders of the partition have passed (see [`crate::Partition::hold`]), once this
    /// many are known; 0 for no such rule. For internal topics.
    pub until_consumed_by: u32,
}

/// How a topic gets rid of old records (Kafka's `cleanup.policy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cleanup {
    /// By its [`Retention`]. The default.
    #[default]
    Delete,
    /// By compaction: the latest record of each key stays for ever, [`Retention`] is not looked at.
    Compact(Compaction),
    /// By both: compaction, and [`Retention`] from the front.
    CompactAndDelete(Compaction),
}

/// Settings of a compacted topic.
///
/// Compaction keeps at least the latest record of each key, its offset and the order of records.
/// A record without a value is a tombstone: it removes its key. Records without a key have no
/// successor and are kept: writers refuse them (see [`crate::Topic::check_keys`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// How long a tombstone can be read after its commit, in ms (default 24 hours), so that a
    /// reader that is no slower than this sees every deletion.
    pub delete_retention_ms: u64,
    /// A partition is compacted once at least this share of its bytes, in percent, was written
    /// since the last time (default 50; 0: whenever there is anything new).
    pub dirty_percent_min: u8,
}

impl Default for Compaction {
    fn default() -> Compaction {
        Compaction { delete_retention_ms: 24 * 60 * 60 * 1_000, dirty_percent_min: 50 }
    }
}

impl Cleanup {
    /// The settings of compaction, where the topic is compacted: its records need keys.
    #[must_use]
    pub fn compaction(&self) -> Option<Compaction> {
        match self {
            Cleanup::Delete => None,
            Cleanup::Compact(compaction) | Cleanup::CompactAndDelete(compaction) => {
                Some(*compaction)
            }
        }
    }

    /// Whether the topic's [`Retention`] counts.
    #[must_use]
    pub fn deletes(&self) -> bool {
        !matches!(self, Cleanup::Compact(_))
    }
}

/// A topic's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicConfig {
    /// Number of partitions, fixed at creation.
    pub partitions: u32,
    /// What it may forget.
    pub retention: Retention,
    /// How it forgets.
    pub cleanup: Cleanup,
}

impl TopicConfig {
    /// That many partitions and no retention limit.
    #[must_use]
    pub fn new(partitions: u32) -> TopicConfig {
        let (retention, cleanup) = (Retention::default(), Cleanup::default());
        TopicConfig { partitions, retention, cleanup }
    }

    /// That many partitions, compacted with the default settings.
    #[must_use]
    pub fn compacted(partitions: u32) -> TopicConfig {
        let cleanup = Cleanup::Compact(Compaction::default());
        TopicConfig { cleanup, ..TopicConfig::new(partitions) }
    }

    /// The same with this retention.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> TopicConfig {
        TopicConfig { retention, ..self }
    }

    /// The same with this cleanup policy.
    #[must_use]
    pub fn with_cleanup(self, cleanup: Cleanup) -> TopicConfig {
        TopicConfig { cleanup, ..self }
    }
}
