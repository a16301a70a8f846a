//! Topics: what they are made of, and changing them.

use pelton_core::{Result, TenantId, TopicName};
use pelton_journal::{Cleanup, Compaction, Retention, Topic, TopicConfig, Visibility};
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
    fn cleanup(self) -> Cleanup {
        match self {
            Self::Delete => Cleanup::Delete,
            Self::Compact => Cleanup::Compact(Compaction::default()),
            Self::CompactAndDelete => Cleanup::CompactAndDelete(Compaction::default()),
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

/// What a topic may forget from now on. What is left out stays; null lifts a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionChange {
    /// Records older than this, ms.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    pub retention_ms: Option<Option<u64>>,
    /// The oldest records while a partition holds more than this, bytes.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<u64>)]
    pub retention_bytes: Option<Option<u64>>,
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
    /// Its partitions, by number.
    pub partitions: Vec<PartitionInfo>,
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
            .with_cleanup(settings.cleanup.cleanup());
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

    /// Changes what a topic may forget. Answers the commit to wait for.
    ///
    /// # Errors
    /// `E-TOPIC-UNKNOWN` and those of the journal.
    pub fn set_retention(&self, name: &TopicName, change: RetentionChange) -> Result<u64> {
        let now = self.topic(name)?.config().retention;
        let retention = Retention {
            time_ms: change.retention_ms.unwrap_or(now.time_ms),
            bytes: change.retention_bytes.unwrap_or(now.bytes),
            ..now
        };
        let name = name.to_string();
        self.journal.set_retention(&name, retention, self.clock.now_ms()).map_err(of)?;
        Ok(self.journal.appended())
    }

    /// Deletes a topic with its records, and what is known of its producers and groups. Answers
    /// the commit to wait for.
    ///
    /// # Errors
    /// `E-TOPIC-IN-USE` where a deployment reads or writes it, `E-TOPIC-UNKNOWN`, those of the
    /// journal.
    pub fn delete_topic(&self, name: &TopicName) -> Result<u64> {
        self.topic(name)?;
        let users = self.topic_users.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let users = users.as_ref().map(|users| users(name)).unwrap_or_default();
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

fn info(topic: &Topic) -> TopicInfo {
    let partitions: Vec<PartitionInfo> = topic
        .partitions()
        .iter()
        .map(|partition| {
            // The mark is taken first: it may only be too low.
            let durable = partition.end(Visibility::Durable);
            let held = partition.offsets();
            PartitionInfo {
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
        partitions,
    }
}
