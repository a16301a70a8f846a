//! A pipeline: several functions in one `pelton.toml`, wired by topics, deployed and versioned
//! together.

mod read;
mod wiring;

#[cfg(test)]
mod tests;

use super::Manifest;
use crate::ids::{PipelineId, TopicName};

pub(super) use read::{is_one, read};

/// A pipeline that has been read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct PipelineManifest {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// What `[[topic]]` lists, in the order of the file.
    pub topics: Vec<Topic>,
    /// Its functions: who writes a topic comes before who reads it, unless they go round in a circle;
    /// else by name.
    pub functions: Vec<Member>,
}

/// `[[topic]]`: a topic that functions of a pipeline read or write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The topic.
    pub topic: TopicName,
    /// Number of partitions, where the topic has to be created.
    pub partitions: Option<u32>,
    /// Whether only the pipeline's functions read and write it.
    pub internal: bool,
}

/// `[functions.NAME]`: a function of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Everything that is said of it, and, where it says no number of partitions of a topic that the
    /// pipeline lists, what that says.
    pub manifest: Manifest,
    /// The text of the `pelton.toml` that would say the same of this function alone.
    pub text: String,
    /// `path`: the folder that it is built in, relative to the manifest's.
    pub path: Option<String>,
}

impl PipelineManifest {
    /// The function of that name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Member> {
        self.functions.iter().find(|member| member.manifest.function.name() == name)
    }

    /// The topics that only this pipeline's functions read and write.
    pub fn internal_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.iter().filter(|topic| topic.internal).map(|topic| &topic.topic)
    }
}
