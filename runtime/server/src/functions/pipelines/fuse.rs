//! Fused topics: records between two functions of a pipeline that are handed on without being kept.
//!
//! Where one function writes an internal topic and one other reads it, a task and the one that reads its
//! partition commit together whenever the reader waits for it (see [`pelton_journal::Topic::fuse`]):
//! with the same results, offsets included. While a version takes over, nothing is fused.

use pelton_core::TopicName;
use pelton_core::manifest::PipelineManifest;

use super::record::PipelineRecord;
use crate::functions::Functions;

/// The topics of a pipeline that are fused: internal ones that one function writes, by one output, and one
/// other reads, each partition by one task.
pub(super) fn fusable(manifest: &PipelineManifest) -> Vec<TopicName> {
    let is_fusable = |topic: &&TopicName| {
        let functions = || manifest.functions.iter().map(|member| &member.manifest);
        let writers = functions().flat_map(|m| &m.outputs).filter(|output| output.topic == **topic);
        let inputs = functions().flat_map(|m| &m.inputs).filter(|input| input.topic == **topic);
        let readers: Vec<_> = inputs.collect();
        writers.count() == 1 && readers.len() == 1 && !readers[0].broadcast
    };
    manifest.internal_topics().filter(is_fusable).cloned().collect()
}

/// Groups of fused topics whose functions are to run on the same workers: those that a chain goes
/// through.
fn chains(manifest: &PipelineManifest) -> Vec<Vec<TopicName>> {
    let mut chains: Vec<Vec<TopicName>> =
        fusable(manifest).into_iter().map(|topic| vec![topic]).collect();
    for member in &manifest.functions {
        let uses = |topic: &TopicName| {
            let inputs = member.manifest.inputs.iter().map(|input| &input.topic);
            let outputs = member.manifest.outputs.iter().map(|output| &output.topic);
            inputs.chain(outputs).any(|used| used == topic)
        };
        let (touched, others): (Vec<_>, Vec<_>) =
            chains.into_iter().partition(|chain| chain.iter().any(uses));
        chains = others;
        if !touched.is_empty() {
            chains.push(touched.into_iter().flatten().collect());
        }
    }
    chains
}

impl Functions {
    /// Has the functions of each chain run on the same workers, from their next start on: where one of
    /// them runs, on its.
    pub(super) fn place_chains(&self, manifest: &PipelineManifest) {
        for chain in chains(manifest) {
            let uses = |name: &TopicName| chain.contains(name);
            let members = manifest.functions.iter().map(|member| &member.manifest).filter(|m| {
                m.inputs.iter().any(|input| uses(&input.topic))
                    || m.outputs.iter().any(|output| uses(&output.topic))
            });
            let mut running = members.filter_map(|member| self.running(&member.function));
            let worker = running.next().map(|running| running.deployment.first_worker);
            self.node.keep_together(&chain, worker);
        }
    }

    /// Hands records on as the active version of a pipeline says, where it has settled; else keeps
    /// them all.
    pub(super) fn fuse(&self, record: &PipelineRecord) {
        for version in &record.versions {
            let Ok(manifest) = version.manifest() else { continue };
            let is_on = record.is_settled() && version.number == record.active;
            for topic in manifest.internal_topics().filter(|_| !is_on) {
                self.switch(topic, false);
            }
        }
        let active = record.active_version().filter(|_| record.is_settled());
        if let Some(manifest) = active.and_then(|version| version.manifest().ok()) {
            fusable(&manifest).iter().for_each(|topic| self.switch(topic, true));
        }
    }

    fn switch(&self, topic: &TopicName, on: bool) {
        let Ok(topic) = self.node.journal().topic(&topic.to_string()) else { return };
        // What compaction has left of a topic is for those who look up keys in it.
        topic.fuse(on && topic.config().cleanup.compaction().is_none());
    }
}

#[cfg(test)]
mod tests {
    use pelton_core::manifest::ManifestFile;

    use super::*;

    fn manifest(text: &str) -> PipelineManifest {
        let text = format!("[pipeline]\nname = \"p\"\n{text}");
        match ManifestFile::parse(&text, "f", None).unwrap() {
            ManifestFile::Pipeline(manifest) => manifest,
            ManifestFile::Function(function) => panic!("{function:?}"),
        }
    }

    fn function(name: &str, input: &str, output: &str) -> String {
        format!(
            "[[functions.{name}.input]]\ntopic = \"{input}\"\n\
             [[functions.{name}.output]]\nname = \"out\"\ntopic = \"{output}\"\n"
        )
    }

    fn internal(name: &str) -> String {
        format!("[[topic]]\nname = \"{name}\"\ninternal = true\n")
    }

    fn names(topics: &[TopicName]) -> Vec<&str> {
        topics.iter().map(TopicName::name).collect()
    }

    #[test]
    fn an_internal_topic_between_two_functions_is_fused() {
        let two = function("a", "in", "mid") + &function("b", "mid", "out");
        assert_eq!(names(&fusable(&manifest(&two))), [] as [&str; 0], "anybody may read it");
        let fused = two.clone() + &internal("mid");
        assert_eq!(names(&fusable(&manifest(&fused))), ["mid"]);
        let read_twice = fused.clone() + &function("c", "mid", "other");
        assert!(fusable(&manifest(&read_twice)).is_empty());
        let written_twice = fused.clone() + &function("c", "in", "mid");
        assert!(fusable(&manifest(&written_twice)).is_empty());
        let broadcast = fused.replace(
            "topic = \"mid\"\n[[functions.b.output]]",
            "topic = \"mid\"\nbroadcast = true\n[[functions.b.output]]",
        );
        assert!(fusable(&manifest(&broadcast)).is_empty());
    }

    #[test]
    fn what_hangs_together_is_one_chain() {
        let functions = function("a", "in", "x")
            + &function("b", "x", "y")
            + &function("c", "y", "out")
            + &function("d", "in", "z")
            + &function("e", "z", "other");
        let text = functions + &internal("x") + &internal("y") + &internal("z");
        let mut chains: Vec<Vec<String>> = chains(&manifest(&text))
            .iter()
            .map(|chain| {
                let mut names: Vec<_> = names(chain).into_iter().map(str::to_owned).collect();
                names.sort();
                names
            })
            .collect();
        chains.sort();
        assert_eq!(chains, [vec!["x".to_owned(), "y".to_owned()], vec!["z".to_owned()]]);
    }
}
