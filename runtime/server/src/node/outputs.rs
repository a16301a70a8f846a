//! The topics that functions write to, as their tasks know them.

use pelton_core::{Domain, Error, Result, TopicName};
use pelton_engine::OutputTopic;
use pelton_journal::TopicConfig;

use super::Node;

impl Node {
    /// The topic, made with so many partitions where it is missing.
    pub(super) fn output(&self, topic: &TopicName, partitions: u32) -> Result<OutputTopic> {
        let config = match self.journal.topic(&topic.to_string()) {
            Ok(known) => known.config(),
            Err(_) => {
                self.ensure_topic(topic, partitions)?;
                TopicConfig::new(partitions)
            }
        };
        Ok(output_topic(topic.clone(), &config))
    }

    /// Where dead letters go: many of one key, and some without.
    pub(super) fn dead_letters(&self, topic: &TopicName, partitions: u32) -> Result<OutputTopic> {
        let output = self.output(topic, partitions)?;
        if !output.compacted {
            return Ok(output);
        }
        let text = format!(
            "topic {topic} is compacted, and would lose dead letters of the same key: name another \
             one as `dead_letter` in [delivery]"
        );
        Err(Error::new("E-DEAD-LETTER-COMPACTED", Domain::User, text))
    }
}

pub(super) fn output_topic(topic: TopicName, config: &TopicConfig) -> OutputTopic {
    let compacted = config.cleanup.compaction().is_some();
    OutputTopic { topic, partitions: config.partitions, compacted }
}
