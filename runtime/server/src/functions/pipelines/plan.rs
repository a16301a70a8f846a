//! Topics that a pipeline needs and that are missing: with how many partitions each is created.

use std::collections::BTreeMap;

use pelton_core::manifest::{Member, PipelineManifest};
use pelton_core::{Result, TopicName};

use crate::node::Node;

/// Missing topics with their numbers of partitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    partitions: BTreeMap<TopicName, u32>,
}

impl Planned {
    /// What the functions of a pipeline need. `known` tells the number of partitions of a topic that is
    /// there. A topic that one of them writes has as many as that one's first input, unless something
    /// else is said; who writes comes before who reads.
    #[must_use]
    pub fn new(manifest: &PipelineManifest, known: impl Fn(&TopicName) -> Option<u32>) -> Self {
        let mut partitions = BTreeMap::new();
        let is_written = |topic: &TopicName| {
            let members = manifest.functions.iter();
            members.flat_map(|member| member.manifest.writes()).any(|written| written == *topic)
        };
        let is_read = |topic: &TopicName| {
            let inputs = manifest.functions.iter().flat_map(|member| &member.manifest.inputs);
            inputs.into_iter().any(|input| input.topic == *topic)
        };
        for Member { manifest, .. } in &manifest.functions {
            let mut first = None;
            for input in &manifest.inputs {
                let number = known(&input.topic).or(partitions.get(&input.topic).copied());
                let number = number.unwrap_or(input.partitions);
                if known(&input.topic).is_none() && !is_written(&input.topic) {
                    partitions.insert(input.topic.clone(), number);
                }
                if !input.broadcast {
                    first.get_or_insert(number);
                }
            }
            for output in &manifest.outputs {
                if known(&output.topic).is_none() {
                    let number = output.partitions.or(first).unwrap_or(1);
                    partitions.entry(output.topic.clone()).or_insert(number);
                }
            }
            let letters = manifest.dead_letter_topic();
            if is_read(&letters) && known(&letters).is_none() {
                partitions.entry(letters).or_insert(first.unwrap_or(1));
            }
        }
        Self { partitions }
    }

    /// The number of partitions that a missing topic is to have.
    pub(in crate::functions) fn of(&self, topic: &TopicName) -> Option<u32> {
        self.partitions.get(topic).copied()
    }

    /// Creates the missing topics.
    ///
    /// # Errors
    /// Where the journal refuses one.
    pub fn create(&self, node: &Node) -> Result<()> {
        self.partitions.iter().try_for_each(|(topic, number)| node.ensure_topic(topic, *number))
    }
}

#[cfg(test)]
mod tests {
    use pelton_core::manifest::ManifestFile;

    use super::*;

    fn planned(text: &str, known: &[(&str, u32)]) -> Vec<(String, u32)> {
        let text = format!("[pipeline]\nname = \"p\"\n{text}");
        let ManifestFile::Pipeline(manifest) = ManifestFile::parse(&text, "f", None).unwrap()
        else {
            panic!("no pipeline")
        };
        let of = |topic: &TopicName| {
            known.iter().find(|(name, _)| *name == topic.name()).map(|(_, number)| *number)
        };
        let planned = Planned::new(&manifest, of).partitions;
        planned.into_iter().map(|(topic, number)| (topic.name().to_owned(), number)).collect()
    }

    const CHAIN: &str = "[[functions.b.input]]\ntopic = \"raw\"\n\
                         [[functions.b.output]]\nname = \"out\"\ntopic = \"middle\"\n\
                         [[functions.a.input]]\ntopic = \"middle\"\n\
                         [[functions.a.output]]\nname = \"out\"\ntopic = \"end\"\n";

    #[test]
    fn a_topic_has_as_many_partitions_as_what_it_is_made_from() {
        let end_to_end = |number| {
            [("end", number), ("middle", number)].map(|(name, number)| (name.to_owned(), number))
        };
        assert_eq!(planned(CHAIN, &[("raw", 4)]), end_to_end(4));
        let raw = planned(CHAIN, &[]);
        assert_eq!(raw[..2], end_to_end(1));
        assert_eq!(raw[2], ("raw".to_owned(), 1));
        assert_eq!(planned(CHAIN, &[("raw", 4), ("middle", 2)]), [("end".to_owned(), 2)]);
        let listed = format!("[[topic]]\nname = \"middle\"\npartitions = 8\n{CHAIN}");
        assert_eq!(planned(&listed, &[("raw", 4)]), end_to_end(8));
    }
}
