//! Consumer groups: positions by name, kept in the journal's registry.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use pelton_core::{Result, TenantId, TopicName};
use pelton_journal::{Commit, Topic, Visibility};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Cursor, DataPlane, From, bad_name, of, user};

/// What the registry keeps of a group's positions in a topic.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Stored {
    /// The topic's id: a later one of the same name is another topic.
    topic: u32,
    /// When a position was last committed, ms.
    committed_ms: i64,
    positions: BTreeMap<u32, u64>,
}

/// A position to commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPosition {
    /// The topic.
    pub topic: TopicName,
    /// The offsets to be read next.
    pub cursor: Cursor,
}

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub name: String,
    /// Topics that it has positions in.
    pub topics: Vec<String>,
    /// Records behind, over all of them.
    pub lag: u64,
}

/// A group as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Records behind, over all topics.
    pub lag: u64,
    /// Where it stands in each topic.
    pub topics: Vec<GroupTopic>,
}

/// Where a group stands in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupTopic {
    /// The topic.
    pub topic: String,
    /// When a position was last committed, ms since the Unix epoch.
    pub committed_ms: i64,
    /// Records behind.
    pub lag: u64,
    /// By partition.
    pub positions: Vec<GroupPosition>,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupPosition {
    /// The partition.
    pub partition: u32,
    /// The offset to be read next.
    pub offset: u64,
    /// The offset behind the last durable record.
    pub end: u64,
    /// Records between the two.
    pub lag: u64,
}

fn check_name(group: &str) -> Result<()> {
    // A group is named as a topic is.
    TopicName::new(TenantId::default(), group).map(drop).map_err(|_| {
        let text = format!(
            "group name {:?} is not allowed: use 1 to 120 of a-z A-Z 0-9 . _ -, not starting \
             with '.' or '__'",
            group.chars().take(121).collect::<String>()
        );
        user("E-NAME", text)
    })
}

fn prefix_of(tenant: &TenantId) -> String {
    format!("group/{tenant}/")
}

fn key_of(tenant: &TenantId, group: &str, topic: &TopicName) -> String {
    format!("{}{group}/{}", prefix_of(tenant), topic.name())
}

fn unknown(group: &str) -> pelton_core::Error {
    let text = format!("there is no group {group}: it is made by the first commit of a position");
    user("E-GROUP-UNKNOWN", text)
}

impl DataPlane {
    fn groups_lock(&self) -> MutexGuard<'_, ()> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self, tenant: &TenantId, group: &str, name: &TopicName, topic: &Topic) -> Stored {
        let value = self.journal.entry(&key_of(tenant, group, name));
        let stored = value.and_then(|value| serde_json::from_slice::<Stored>(&value).ok());
        let of_this_topic = stored.filter(|stored| stored.topic == topic.id().0);
        of_this_topic.unwrap_or(Stored { topic: topic.id().0, ..Stored::default() })
    }

    /// Where a group goes on in a topic: its positions, and `from` where it has none.
    ///
    /// # Errors
    /// `E-NAME`, and those of [`DataPlane::cursor`].
    pub fn group_cursor(
        &self,
        group: &str,
        topic: &Topic,
        partition: Option<u32>,
        from: &From,
    ) -> Result<Cursor> {
        check_name(group)?;
        let name = TopicName::parse(topic.name()).map_err(bad_name)?;
        let stored = self.stored(name.tenant(), group, &name, topic);
        let mut cursor = self.cursor(topic, partition, from)?;
        for (number, position) in &mut cursor.at {
            if let Some(committed) = stored.positions.get(number) {
                *position = *committed;
            }
        }
        Ok(cursor)
    }

    /// Commits positions of a group, of any number of topics at once. Answers the commit to wait
    /// for. A position may also go back.
    ///
    /// # Errors
    /// `E-NAME`, `E-TOPIC-UNKNOWN`, `E-PARTITION-UNKNOWN`, `E-OFFSET-RANGE` beyond what is durable,
    /// `E-GROUP-LIMIT` for one group too many, `E-COMMIT-EMPTY`.
    pub fn commit_group(
        &self,
        tenant: &TenantId,
        group: &str,
        positions: &[NewPosition],
    ) -> Result<u64> {
        check_name(group)?;
        if positions.iter().all(|position| position.cursor.at.is_empty()) {
            return Err(user("E-COMMIT-EMPTY", "no position to commit: name at least one"));
        }
        let _lock = self.groups_lock();
        self.admit_group(tenant, group)?;
        let now_ms = self.clock.now_ms();
        let mut changed: BTreeMap<String, Stored> = BTreeMap::new();
        for position in positions {
            let topic = self.topic(&position.topic)?;
            let stored = changed
                .entry(key_of(tenant, group, &position.topic))
                .or_insert_with(|| self.stored(tenant, group, &position.topic, &topic));
            super::consume::check_identity(&topic, &position.cursor)?;
            stored.committed_ms = now_ms;
            for (number, offset) in &position.cursor.at {
                check_position(&topic, *number, *offset)?;
                stored.positions.insert(*number, *offset);
            }
        }
        let mut commit = Commit::new(now_ms);
        for (key, stored) in &changed {
            commit.entry(key, Some(&encode(stored)));
        }
        self.journal.append(&mut commit).map_err(of)
    }

    /// Sets a group's positions in a topic to where `from` is. Answers them with the commit to
    /// wait for.
    ///
    /// # Errors
    /// `E-GROUP-UNKNOWN`, and those of [`DataPlane::cursor`].
    pub fn reset_group(
        &self,
        group: &str,
        topic: &TopicName,
        partition: Option<u32>,
        from: &From,
    ) -> Result<(Cursor, u64)> {
        self.describe_group(topic.tenant(), group)?;
        let cursor = self.cursor(&self.topic(topic)?, partition, from)?;
        let position = NewPosition { topic: topic.clone(), cursor: cursor.clone() };
        let seq = self.commit_group(topic.tenant(), group, &[position])?;
        Ok((cursor, seq))
    }

    /// A tenant's groups, by name.
    #[must_use]
    pub fn groups(&self, tenant: &TenantId) -> Vec<GroupSummary> {
        let groups = self.read_groups(tenant, &prefix_of(tenant));
        let summary = |(name, topics): (String, Vec<GroupTopic>)| GroupSummary {
            name,
            lag: topics.iter().map(|topic| topic.lag).sum(),
            topics: topics.into_iter().map(|topic| topic.topic).collect(),
        };
        groups.into_iter().map(summary).collect()
    }

    /// A group as it is.
    ///
    /// # Errors
    /// `E-NAME`, `E-GROUP-UNKNOWN`.
    pub fn describe_group(&self, tenant: &TenantId, group: &str) -> Result<GroupInfo> {
        check_name(group)?;
        let mut groups = self.read_groups(tenant, &format!("{}{group}/", prefix_of(tenant)));
        let topics = groups.remove(group).ok_or_else(|| unknown(group))?;
        let lag = topics.iter().map(|topic| topic.lag).sum();
        Ok(GroupInfo { name: group.to_owned(), tenant: tenant.to_string(), lag, topics })
    }

    /// Forgets a group. Answers the commit to wait for.
    ///
    /// # Errors
    /// `E-NAME`, `E-GROUP-UNKNOWN`.
    pub fn delete_group(&self, tenant: &TenantId, group: &str) -> Result<u64> {
        let _lock = self.groups_lock();
        self.describe_group(tenant, group)?;
        let entries = self.journal.entries(&format!("{}{group}/", prefix_of(tenant)));
        let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        self.remove_entries(&keys)?;
        Ok(self.journal.appended())
    }

    /// Forgets the positions in a topic that was deleted.
    pub(super) fn forget_groups_of(&self, topic: &TopicName) -> Result<()> {
        let _lock = self.groups_lock();
        let entries = self.journal.entries(&prefix_of(topic.tenant()));
        let of_topic = |key: &&str| key.rsplit('/').next() == Some(topic.name());
        let keys: Vec<&str> =
            entries.iter().map(|(key, _)| key.as_str()).filter(of_topic).collect();
        self.remove_entries(&keys)
    }

    fn admit_group(&self, tenant: &TenantId, group: &str) -> Result<()> {
        let prefix = prefix_of(tenant);
        if !self.journal.entries(&format!("{prefix}{group}/")).is_empty() {
            return Ok(());
        }
        let mut names: Vec<String> = self
            .journal
            .entries(&prefix)
            .iter()
            .filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.split_once('/')?.0.to_owned()))
            .collect();
        names.dedup();
        let max = self.limits.groups_max;
        if names.len() < max {
            return Ok(());
        }
        let text = format!("tenant {tenant} has {max} groups, the limit: delete one first");
        Err(user("E-GROUP-LIMIT", text))
    }

    fn read_groups(&self, tenant: &TenantId, prefix: &str) -> BTreeMap<String, Vec<GroupTopic>> {
        let all = prefix_of(tenant);
        let mut groups: BTreeMap<String, Vec<GroupTopic>> = BTreeMap::new();
        for (key, value) in self.journal.entries(prefix) {
            let names = key.strip_prefix(&all).and_then(|rest| rest.split_once('/'));
            let Some((group, topic)) = names else { continue };
            let Ok(stored) = serde_json::from_slice::<Stored>(&value) else { continue };
            let opened = self.journal.topic(&format!("{tenant}/{topic}"));
            let Ok(opened) = opened else { continue };
            if opened.id().0 == stored.topic {
                groups
                    .entry(group.to_owned())
                    .or_default()
                    .push(group_topic(topic, &opened, &stored));
            }
        }
        groups
    }
}

fn group_topic(name: &str, topic: &Topic, stored: &Stored) -> GroupTopic {
    let position = |(partition, offset): (&u32, &u64)| {
        let opened = topic.partition(*partition).ok()?;
        let (start, end) = (opened.offsets().start, opened.end(Visibility::Durable));
        let lag = end.saturating_sub((*offset).max(start));
        Some(GroupPosition { partition: *partition, offset: *offset, end, lag })
    };
    let positions: Vec<GroupPosition> = stored.positions.iter().filter_map(position).collect();
    GroupTopic {
        topic: name.to_owned(),
        committed_ms: stored.committed_ms,
        lag: positions.iter().map(|position| position.lag).sum(),
        positions,
    }
}

fn check_position(topic: &Topic, number: u32, offset: u64) -> Result<()> {
    let partition = topic.partition(number).map_err(of)?;
    let (start, end) = (partition.offsets().start, partition.end(Visibility::Durable));
    if offset <= end {
        return Ok(());
    }
    let (topic, partition) = (topic.name().to_owned(), number);
    Err(of(pelton_journal::Error::OffsetOutOfRange { topic, partition, offset, start, end }))
}

fn encode(stored: &Stored) -> Vec<u8> {
    serde_json::to_vec(stored).unwrap_or_default()
}
