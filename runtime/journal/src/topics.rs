//! Topics of the journal: creating, changing, listing, deleting.

use crate::commit::Commit;
use crate::control::{Control, Range};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::locks::read;
use crate::topic::{Cleanup, Partition, Retention, Topic, TopicConfig, Visibility, tenant_of};

/// How often a topic is looked at again that was appended to meanwhile.
const CHANGE_TRIES: usize = 100;

impl Journal {
    /// Creates a topic. Its commit is made at `time_ms`; records appended later are durable
    /// only after it.
    ///
    /// # Errors
    /// [`Error::TopicExists`], [`Error::BadName`], [`Error::Limit`] and those of
    /// [`Journal::append`].
    pub fn create_topic(&self, name: &str, config: TopicConfig, time_ms: i64) -> Result<Topic> {
        let tenant = tenant_of(name)?;
        let limits = &self.shared.config.limits;
        let limit = |what, limit: u32, actual: u32| match actual > limit {
            true => Err(Error::Limit { what, limit: limit.into(), actual: actual.into() }),
            false => Ok(()),
        };
        if config.partitions == 0 {
            return Err(Error::UnknownPartition { topic: name.to_owned(), partition: 0, count: 0 });
        }
        limit("the number of partitions", limits.partitions_max, config.partitions)?;
        let _control = self.shared.control_lock();
        let mut counters = {
            let catalog = read(&self.shared.catalog);
            if catalog.topic(name).is_some() {
                return Err(Error::TopicExists { name: name.to_owned() });
            }
            let first = format!("{tenant}/");
            let others = catalog.topic_names.range(first.clone()..);
            let others = others.take_while(|(other, _)| other.starts_with(&first)).count();
            let topics_max = limits.topics_per_tenant_max;
            limit("the number of a tenant's topics", topics_max, others as u32 + 1)?;
            catalog.counters
        };
        let id = counters.next_topic;
        counters.next_topic += 1;
        let ranges = vec![Range::default(); config.partitions as usize];
        let mut commit = Commit::new(time_ms);
        commit.control(Control::Topic { id, name: name.to_owned(), config, ranges });
        commit.control(counters.control());
        self.append(&mut commit)?;
        self.topic(name)
    }

    /// Changes what a topic may forget.
    ///
    /// # Errors
    /// As [`Journal::alter_topic`].
    pub fn set_retention(&self, name: &str, retention: Retention, time_ms: i64) -> Result<()> {
        self.alter_topic(name, |config| config.with_retention(retention), time_ms)
    }

    /// Changes how a topic forgets. What is there already is compacted (or not) from then on.
    ///
    /// # Errors
    /// As [`Journal::alter_topic`].
    pub fn set_cleanup(&self, name: &str, cleanup: Cleanup, time_ms: i64) -> Result<()> {
        self.alter_topic(name, |config| config.with_cleanup(cleanup), time_ms)
    }

    /// Changes what a topic may forget, and how, as `change` says of its settings: in one commit.
    /// The number of partitions stays. Before a topic becomes compacted all of it is read.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`]; [`Error::Keyless`] where it is to be compacted and holds a record
    /// without a key; [`Error::TopicChanged`] where it is appended to too quickly to tell; those of
    /// [`Journal::append`].
    pub fn alter_topic(
        &self,
        name: &str,
        change: impl Fn(TopicConfig) -> TopicConfig,
        time_ms: i64,
    ) -> Result<()> {
        read(&self.shared.role).check()?;
        let topic = self.topic(name)?;
        let becomes_compacted = |before: TopicConfig| {
            let after = change(before);
            before.cleanup.compaction().is_none() && after.cleanup.compaction().is_some()
        };
        let mut ends = vec![0; topic.partitions().len()];
        if becomes_compacted(topic.config()) {
            // Most of it without the lock: topics may be large.
            check_all_keyed(&topic, &mut ends)?;
        }
        let _control = self.shared.control_lock();
        for _ in 0..CHANGE_TRIES {
            let before = topic.config();
            let mut commit = Commit::new(time_ms);
            if becomes_compacted(before) {
                check_all_keyed(&topic, &mut ends)?;
                commit.expect_ends(&topic, ends.clone());
            }
            commit.control(topic.control(change(before)));
            match self.append(&mut commit) {
                Err(Error::TopicChanged { .. }) => {}
                done => return done.map(drop),
            }
        }
        Err(Error::TopicChanged { topic: name.to_owned() })
    }

    /// Deletes a topic and its records. Handles to it, and those who wait for its records, answer
    /// [`Error::UnknownTopic`] from then on; batches that were read before stay readable.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`] and those of [`Journal::append`].
    pub fn delete_topic(&self, name: &str, time_ms: i64) -> Result<()> {
        let _control = self.shared.control_lock();
        let topic = self.topic(name)?;
        let mut commit = Commit::new(time_ms);
        commit.is_urgent = true;
        commit.control(Control::TopicDeleted { id: topic.id().0 });
        self.append(&mut commit).map(drop)
    }

    /// The topic of this name.
    ///
    /// # Errors
    /// [`Error::UnknownTopic`].
    pub fn topic(&self, name: &str) -> Result<Topic> {
        let catalog = read(&self.shared.catalog);
        let topic = catalog.topic(name).cloned();
        topic.ok_or_else(|| Error::UnknownTopic { name: name.to_owned() })
    }

    /// All topics, by name.
    #[must_use]
    pub fn topics(&self) -> Vec<Topic> {
        let catalog = read(&self.shared.catalog);
        catalog.topic_names.values().filter_map(|id| catalog.topics.get(id)).cloned().collect()
    }
}

/// Checks that every record has a key, from `ends` on, which it moves to where it came.
fn check_all_keyed(topic: &Topic, ends: &mut [u64]) -> Result<()> {
    for (partition, end) in topic.partitions().iter().zip(ends) {
        *end = check_keyed(partition, *end)?;
    }
    Ok(())
}

fn check_keyed(partition: &Partition, from: u64) -> Result<u64> {
    let mut at = from;
    loop {
        // Retention may go on meanwhile.
        at = at.max(partition.offsets().start);
        let batch = match partition.read(at, Visibility::Appended) {
            Ok(Some(batch)) => batch,
            Ok(None) => return Ok(at),
            Err(Error::OffsetOutOfRange { start, .. }) if at < start => continue,
            Err(error) => return Err(error),
        };
        if let Some(offset) = batch.first_keyless(at) {
            let (topic, partition) = (partition.topic_name().to_owned(), partition.number());
            return Err(Error::Keyless { topic, partition, offset });
        }
        at = batch.next_offset();
    }
}
