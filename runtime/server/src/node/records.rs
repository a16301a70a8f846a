//! Topics and records of a node, for whoever embeds it.

use bytes::Bytes;
use pelton_batch::{Batch, RecordsBuilder};
use pelton_core::{Domain, Error, Result, TopicName};
use pelton_journal::{Commit, TopicConfig, Visibility};

use super::Node;
use crate::data::of;

impl Node {
    /// Creates a topic, or leaves it as it is where it is there already.
    ///
    /// # Errors
    /// `E-TOPIC-PARTITIONS` where it is there with another number of partitions, or what the
    /// journal answers.
    pub fn ensure_topic(&self, name: &TopicName, partitions: u32) -> Result<()> {
        let text = name.to_string();
        match self.journal.topic(&text) {
            Ok(topic) if topic.config().partitions == partitions => Ok(()),
            Ok(topic) => {
                let have = topic.config().partitions;
                let text = format!(
                    "topic {name} has {have} partitions, not {partitions}; use another name, or \
                     create it anew"
                );
                Err(Error::new("E-TOPIC-PARTITIONS", Domain::User, text))
            }
            Err(pelton_journal::Error::UnknownTopic { .. }) => {
                let config = TopicConfig::new(partitions);
                let created = self.journal.create_topic(&text, config, self.clock.now_ms());
                created.map(drop).map_err(of)
            }
            Err(error) => Err(of(error)),
        }
    }

    /// Appends records to a partition as one batch, and empties the builder. Answers the commit's
    /// sequence; [`Journal::wait_durable`] waits until it survives a power cut.
    ///
    /// # Errors
    /// What the journal answers.
    pub fn append(
        &self,
        topic: &TopicName,
        partition: u32,
        records: &mut RecordsBuilder,
    ) -> Result<u64> {
        let rows = records.len() as u32;
        if rows == 0 {
            return Ok(self.journal.appended());
        }
        let batch = records.finish();
        let parsed = Batch::parse(&batch).and_then(|batch| batch.records());
        let newest = parsed.ok().and_then(|all| all.iter().map(|r| r.timestamp()).max());
        let to = self.journal.topic(&topic.to_string()).map_err(of)?;
        let to = to.partition(partition).map_err(of)?;
        let mut commit = Commit::new(self.clock.now_ms());
        commit.batch(to, rows, newest.unwrap_or_default(), [&batch[..]]);
        self.journal.append(&mut commit).map_err(of)
    }

    /// The durable batches of a partition from the oldest on, each with the offset of its first
    /// record. Stops at the first error, which it answers.
    pub fn read(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        self.read_visible(topic, partition, Visibility::Durable)
    }

    /// As [`Node::read`], what is not durable yet included: for a producer that goes on behind
    /// what it has appended.
    pub fn read_appended(
        &self,
        topic: &TopicName,
        partition: u32,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        self.read_visible(topic, partition, Visibility::Appended)
    }

    fn read_visible(
        &self,
        topic: &TopicName,
        partition: u32,
        visibility: Visibility,
    ) -> impl Iterator<Item = Result<(u64, Bytes)>> + use<> {
        let opened = self.journal.topic(&topic.to_string());
        let opened = opened.and_then(|topic| topic.partition(partition).cloned());
        let mut state = match opened {
            Ok(partition) => Some(Ok((partition.offsets().start, partition))),
            Err(error) => Some(Err(of(error))),
        };
        std::iter::from_fn(move || {
            let (offset, partition) = match state.take()? {
                Ok(open) => open,
                Err(error) => return Some(Err(error)),
            };
            match partition.read(offset, visibility) {
                Ok(Some(batch)) => {
                    let next = batch.next_offset();
                    state = Some(Ok((next, partition)));
                    Some(Ok((batch.base_offset, batch.bytes)))
                }
                Ok(None) => None,
                Err(error) => Some(Err(of(error))),
            }
        })
    }

    /// Waits until everything that has been appended survives a power cut.
    ///
    /// # Errors
    /// Where the disk failed.
    pub fn sync(&self) -> Result<()> {
        self.journal.wait_durable(self.journal.appended()).map_err(of)
    }
}
