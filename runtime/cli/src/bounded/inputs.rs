//! Rows on their way into the topics of a job.

use std::collections::HashMap;

use pelton_batch::RecordsBuilder;
use pelton_core::manifest::Input;
use pelton_server::Node;

use crate::error::Result;
use crate::input::{Places, Target};
use crate::loading::Held;

/// The input topics as a place for rows.
pub(super) struct Inputs<'a> {
    pub(super) node: &'a Node,
    /// What is read and not written by the job itself.
    pub(super) topics: &'a [Input],
    /// Batches that are not to be appended yet.
    pub(super) held: Option<Vec<Held>>,
    /// The ends of the topics' partitions before anything is appended.
    pub(super) ends: HashMap<String, Vec<u64>>,
    pub(super) places: Places,
}

impl Inputs<'_> {
    /// The input that a row's topic means: a topic, or an input's name. A single input takes all.
    fn find(&self, topic: &str) -> Option<&Input> {
        let named = |input: &&Input| {
            let full = input.topic.to_string();
            input.name == topic || input.topic.name() == topic || full == topic
        };
        match self.topics {
            [only] => Some(only),
            inputs => inputs.iter().find(named),
        }
    }
}

impl Target for Inputs<'_> {
    fn partitions(&self, topic: &str) -> Option<u32> {
        self.find(topic).map(|input| input.partitions)
    }

    fn append(
        &mut self,
        topic: &str,
        partition: u32,
        records: &mut RecordsBuilder,
        lines: &[u64],
    ) -> Result<()> {
        let Some(input) = self.find(topic) else { return Ok(()) };
        let topic = input.topic.clone();
        let name = topic.to_string();
        let ends = self.ends.get(&name).and_then(|ends| ends.get(partition as usize));
        self.places.add(name, partition, ends.copied().unwrap_or_default(), lines);
        match &mut self.held {
            Some(held) => {
                let (count, bytes) = (records.len() as u64, records.finish());
                held.push(Held { topic, partition, records: count, bytes });
            }
            None => drop(self.node.append(&topic, partition, records)?),
        }
        Ok(())
    }
}
