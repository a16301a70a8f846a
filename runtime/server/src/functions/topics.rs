//! What functions have to do with topics.

use std::sync::{Arc, Weak};

use pelton_core::manifest::OnPoison;
use pelton_core::{FunctionId, Result, TopicName};

use super::{FunctionRecord, Functions};
use crate::data::TopicHooks;

/// Answers what the data plane asks, for as long as there are functions.
struct Hooks(Weak<Functions>);

impl TopicHooks for Hooks {
    fn users(&self, topic: &TopicName) -> Vec<String> {
        let users = self.0.upgrade().and_then(|functions| functions.users_of(topic).ok());
        users.into_iter().flatten().map(|user| user.to_string()).collect()
    }

    fn owner(&self, topic: &TopicName) -> Option<String> {
        self.0.upgrade()?.internal.owner(topic).map(|pipeline| pipeline.to_string())
    }

    fn reliant(&self, topic: &TopicName) -> Vec<String> {
        self.0.upgrade().map(|functions| functions.reliant_on(topic)).unwrap_or_default()
    }
}

impl Functions {
    /// To be asked before a topic is deleted or changed.
    #[must_use]
    pub fn topic_hooks(self: &Arc<Self>) -> impl TopicHooks + use<> {
        Hooks(Arc::downgrade(self))
    }

    /// The functions that read `topic`, or write to it.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub fn users_of(&self, topic: &TopicName) -> Result<Vec<FunctionId>> {
        let uses = |record: &FunctionRecord| {
            let manifest = record.version(record.active)?.manifest(&record.function).ok()?;
            let reads = manifest.inputs.iter().any(|input| input.topic == *topic);
            let writes = manifest.outputs.iter().any(|output| output.topic == *topic);
            let dead = manifest.dead_letter_topic() == *topic;
            (reads || writes || dead).then(|| record.function.clone())
        };
        Ok(self.registry.all()?.iter().filter_map(uses).collect())
    }

    /// Tasks know from their start on whether a topic that they write to is compacted; dead letters
    /// never go into such a topic.
    fn reliant_on(&self, topic: &TopicName) -> Vec<String> {
        let writers = self.running.iter().filter(|running| {
            running
                .deployment
                .tasks
                .iter()
                .any(|task| task.config().outputs.iter().any(|output| output.topic == *topic))
        });
        let writers = writers.map(|running| {
            format!("{} writes to it: pause it, change the topic and resume it", running.key())
        });
        let keeps = |record: &FunctionRecord| {
            let manifest = record.version(record.active)?.manifest(&record.function).ok()?;
            let on_poison = manifest.delivery.on_poison;
            let is_it = on_poison == OnPoison::DeadLetter && manifest.dead_letter_topic() == *topic;
            is_it.then(|| {
                let function = &record.function;
                format!("{function} keeps its dead letters there: give them another topic first")
            })
        };
        let records = self.registry.all().unwrap_or_default();
        let mut reasons: Vec<_> = writers.chain(records.iter().filter_map(keeps)).collect();
        reasons.sort();
        reasons
    }
}
