//! Topics: what they are made of, and changing them.

use std::sync::PoisonError;

use pelton_core::{Result, TenantId, TopicName};
use pelton_journal::{Cleanup, Retention, Topic, TopicConfig, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DataPlane, of, user};

/// How a topic forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CleanupPolicy {
    /// By retention.
    #[default]
    Delete,
    /// By compaction: the latest record of each key stays. Every record needs a key.
    Compact,
    /// By both.
    CompactAndDelete,
}

impl CleanupPolicy {
    /// The same for the journal, in place of `before`, whose settings of compaction stay.
    fn cleanup(self, before: Cleanup) -> Cleanup {
        let compaction = before.compaction().unwrap_or_default();
        match self {
            Self::Delete => Cleanup::Delete,
            Self::Compact => Cleanup::Compact(compaction),
            Self::CompactAndDelete => Cleanup::CompactAndDelete(compaction),
        }
    }

    fn of(cleanup: Cleanup) -> Self {
        match cleanup {
            Cleanup::Delete => Self::Delete,
            Cleanup::Compact(_) => Self::Compact,
            Cleanup::CompactAndDelete(_) => Self::CompactAndDelete,
        }
    }
}

/// What a new topic is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// Number of partitions, fixed for good.
    pub partitions: u32,
    /// Records older than this may be forgotten, ms.
    pub retention_ms: Option<u64>,
    /// The oldest records may be forgotten while a partition holds more than this, bytes.
    pub retention_bytes: Option<u64>,
    /// How it forgets.
    pub cleanup: CleanupPolicy,
}

/// What a topic may forget from now on, and how. What is left out stays; null lifts a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicChange {
    /// Records older than this, ms.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    pub retention_ms: Option<Option<u64>>,
    /// The oldest records while a partition holds more than this, bytes.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    pub retention_bytes: Option<Option<u64>>,
    /// How it forgets. It may become compacted where all of its records have keys and no function
    /// that runs writes to it.
    #[serde(default)]
    pub cleanup: Option<CleanupPolicy>,
}

impl TopicChange {
    fn of(&self, now: TopicConfig) -> TopicConfig {
        let retention = Retention {
            time_ms: self.retention_ms.unwrap_or(now.retention.time_ms),
            bytes: self.retention_bytes.unwrap_or(now.retention.bytes),
            ..now.retention
        };
        let cleanup = self.cleanup.map_or(now.cleanup, |policy| policy.cleanup(now.cleanup));
        now.with_retention(retention).with_cleanup(cleanup)
    }
}

/// Tells null, which lifts a limit, from what is not there.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(from).map(Some)
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TopicInfo {
    /// Its name within its tenant.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Records older than this may be forgotten, ms.
    pub retention_ms: Option<u64>,
    /// The oldest records may be forgotten while a partition holds more than this, bytes.
    pub retention_bytes: Option<u64>,
    /// How it forgets.
    pub cleanup: CleanupPolicy,
    /// Bytes of all partitions.
    pub bytes: u64,
    /// What the cleaner did when it last changed something here, since the server was started.
    pub cleaned: Option<CleanedInfo>,
    /// Its partitions, by number.
    pub partitions: Vec<PartitionInfo>,
}

/// What the cleaner did to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct CleanedInfo {
    /// When, ms since the Unix epoch.
    pub time_ms: i64,
    /// Offsets that retention released.
    pub released: u64,
    /// Records that compaction removed, because a later one of their key had come.
    pub compacted: u64,
    /// Bytes that compaction wrote again.
    pub rewritten_bytes: u64,
}

/// A partition as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct PartitionInfo {
    /// Its number, from 0.
    pub partition: u32,
    /// The oldest offset that is there.
    pub start: u64,
    /// The offset behind the last record.
    pub end: u64,
    /// The offset behind the last record that survives a power cut: consumers see up to here.
    pub durable: u64,
    /// Records that it holds: fewer than offsets, where compaction removed some.
    pub records: u64,
    /// Bytes that it holds.
    pub bytes: u64,
}

impl DataPlane {
    /// Creates a topic. Answers it with the commit to wait for.
    ///
    /// # Errors
    /// `E-TOPIC-EXISTS`, `E-JOURNAL-LIMIT` and the others of the journal.
    pub fn create_topic(&self, name: &TopicName, settings: TopicSettings) -> Result<(Topic, u64)> {
        if settings.partitions == 0 {
            let text = format!("topic {name}: a topic has at least one partition");
            return Err(user("E-TOPIC-PARTITIONS", text));
        }
        let (time_ms, bytes) = (settings.retention_ms, settings.retention_bytes);
        let retention = Retention { time_ms, bytes, until_consumed_by: 0 };
        let config = TopicConfig::new(settings.partitions)
            .with_retention(retention)
            .with_cleanup(settings.cleanup.cleanup(Cleanup::default()));
        let made = self.journal.create_topic(&name.to_string(), config, self.clock.now_ms());
        Ok((made.map_err(of)?, self.journal.appended()))
    }

    /// A tenant's topics, by name.
    #[must_use]
    pub fn topics(&self, tenant: &TenantId) -> Vec<TopicInfo> {
        let prefix = format!("{tenant}/");
        let all = self.journal.topics().into_iter();
        all.filter(|topic| topic.name().starts_with(&prefix)).map(|topic| info(&topic)).collect()
    }

    /// A topic as it is.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN`.
    pub fn describe_topic(&self, name: &TopicName) -> Result<TopicInfo> {
        self.topic(name).map(|topic| info(&topic))
    }

    /// Changes what a topic may forget, and how. Answers the commit to wait for.
    ///
    /// # Errors
    /// `E-TOPIC-KEYLESS` where it is to be compacted and holds a record without a key;
    /// `E-TOPIC-CLEANUP-IN-USE` where it is to be compacted, or no longer, and a function relies on what it
    /// is; `E-TOPIC-UNKNOWN` and those of the journal.
    pub fn alter_topic(&self, name: &TopicName, change: TopicChange) -> Result<u64> {
        let now = self.topic(name)?.config();
        let is_compacted = |config: TopicConfig| config.cleanup.compaction().is_some();
        if is_compacted(now) != is_compacted(change.of(now)) {
            self.check_may_change(name)?;
        }
        let change = |now| change.of(now);
        self.journal.alter_topic(&name.to_string(), change, self.clock.now_ms()).map_err(of)?;
        Ok(self.journal.appended())
    }

    /// Whether nobody relies on whether records of the topic need keys.
    fn check_may_change(&self, name: &TopicName) -> Result<()> {
        let hooks = self.topic_hooks.read().unwrap_or_else(PoisonError::into_inner);
        let reasons = hooks.as_ref().map(|hooks| hooks.reliant(name)).unwrap_or_default();
        if reasons.is_empty() {
            return Ok(());
        }
        let text = format!("topic {name} keeps its cleanup policy: {}", reasons.join("; "));
        Err(user("E-TOPIC-CLEANUP-IN-USE", text))
    }

    /// Deletes a topic with its records, and what is known of its producers and groups. Answers
    /// the commit to wait for.
    ///
    /// # Errors
    /// `E-TOPIC-IN-USE` where a deployment reads or writes it, `E-TOPIC-UNKNOWN`, those of the
    /// journal.
    pub fn delete_topic(&self, name: &TopicName) -> Result<u64> {
        self.topic(name)?;
        let hooks = self.topic_hooks.read().unwrap_or_else(PoisonError::into_inner);
        let users = hooks.as_ref().map(|hooks| hooks.users(name)).unwrap_or_default();
        if !users.is_empty() {
            let text = format!("topic {name} is used by {}: remove these first", users.join(", "));
            return Err(user("E-TOPIC-IN-USE", text));
        }
        self.journal.delete_topic(&name.to_string(), self.clock.now_ms()).map_err(of)?;
        self.forget_producers_of(name)?;
        self.forget_groups_of(name)?;
        Ok(self.journal.appended())
    }
}

impl From<pelton_journal::Cleaned> for CleanedInfo {
    fn from(cleaned: pelton_journal::Cleaned) -> Self {
        Self {
            time_ms: cleaned.at_ms,
            released: cleaned.records_released,
            compacted: cleaned.records_compacted,
            rewritten_bytes: cleaned.bytes_rewritten,
        }
    }
}

fn info(topic: &Topic) -> TopicInfo {
    let partitions: Vec<PartitionInfo> = topic
        .partitions()
        .iter()
        .map(|partition| {
            // The mark is taken first: it may only be too low.
            let durable = partition.end(Visibility::Durable);
            let held = partition.offsets();
            let records = partition.info().map_or(0, |info| info.records);
            PartitionInfo {
                records,
                partition: partition.number(),
                start: held.start,
                end: held.end,
                durable: durable.clamp(held.start, held.end),
                bytes: partition.bytes(),
            }
        })
        .collect();
    let (tenant, name) = topic.name().split_once('/').unwrap_or(("", topic.name()));
    let retention = topic.config().retention;
    TopicInfo {
        name: name.to_owned(),
        tenant: tenant.to_owned(),
        cleanup: CleanupPolicy::of(topic.config().cleanup),
        retention_ms: retention.time_ms,
        retention_bytes: retention.bytes,
        bytes: partitions.iter().map(|partition| partition.bytes).sum(),
        cleaned: topic.cleaned().map(CleanedInfo::from),
        partitions,
    }
}
