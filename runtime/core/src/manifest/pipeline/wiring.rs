//! How the functions of a pipeline hang together by the topics that they read and write.

use std::collections::BTreeSet;

use super::super::Manifest;
use super::super::problem::Problems;
use super::super::section::Section;
use super::read::Read;
use super::{Member, Topic};
use crate::ids::TopicName;

fn writes(manifest: &Manifest, topic: &TopicName) -> bool {
    manifest.writes().any(|written| written == *topic)
}

fn reads(manifest: &Manifest, topic: &TopicName) -> bool {
    manifest.inputs.iter().any(|input| input.topic == *topic)
}

/// Notes listed topics that no function has anything to do with, and internal ones that lead nowhere.
pub(super) fn check_topics(
    topics: &[(Topic, Section<'_>)],
    functions: &[Read<'_>],
    problems: &mut Problems<'_>,
) {
    for (Topic { topic, internal, .. }, section) in topics {
        let written = functions.iter().any(|function| writes(&function.manifest, topic));
        let read = functions.iter().any(|function| reads(&function.manifest, topic));
        let text = match (written, read, internal) {
            (false, false, _) => "is neither an [[input]] nor an [[output]] of any function here",
            (false, true, true) => {
                "is internal, and no function here writes to it: nobody else may"
            }
            (true, false, true) => "is internal, and no function here reads it: nobody else may",
            _ => continue,
        };
        section.wrong("name", format!("{topic} {text}"), problems);
    }
}

/// The functions, those that write a topic before those that read it. What goes round in a circle
/// stays in the order of the names.
pub(super) fn in_order(mut left: Vec<Member>) -> Vec<Member> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let next = left.iter().position(|member| !waits(&member.manifest, &left)).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

/// Whether some other one of `functions` writes what `manifest` reads.
fn waits(manifest: &Manifest, functions: &[Member]) -> bool {
    let inputs: BTreeSet<&TopicName> = manifest.inputs.iter().map(|input| &input.topic).collect();
    let mut others = functions.iter().filter(|other| other.manifest.function != manifest.function);
    others.any(|other| other.manifest.writes().any(|topic| inputs.contains(&topic)))
}
