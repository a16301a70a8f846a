//! What exists: topics, tasks, registry entries. Rebuilt at open, changed by control parts only.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::control::Control;
use crate::durability::Durability;
use crate::task::{Task, TaskId, TaskIndex};
use crate::topic::{PartitionIndex, Topic, TopicId};

#[derive(Default)]
pub(crate) struct Catalog {
    pub(crate) topics: BTreeMap<u32, Topic>,
    pub(crate) topic_names: BTreeMap<String, u32>,
    pub(crate) tasks: BTreeMap<u32, Task>,
    pub(crate) task_keys: BTreeMap<String, u32>,
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) counters: Counters,
}

pub(crate) struct Entry {
    pub(crate) value: Bytes,
    /// The commit that wrote it last.
    pub(crate) seq: u64,
}

/// Ids are never given twice, also when everything that names them is gone.
#[derive(Default, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) next_topic: u32,
    pub(crate) next_task: u32,
    pub(crate) seq: u64,
}

impl Counters {
    pub(crate) fn control(self) -> Control {
        Control::Counters { next_topic: self.next_topic, next_task: self.next_task }
    }
}

impl Catalog {
    pub(crate) fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(self.topic_names.get(name)?)
    }

    pub(crate) fn task(&self, key: &str) -> Option<&Task> {
        self.tasks.get(self.task_keys.get(key)?)
    }

    pub(crate) fn insert_topic(&mut self, topic: Topic, seq: u64) {
        topic.set_control_seq(seq);
        self.topic_names.insert(topic.name().to_owned(), topic.id().0);
        self.topics.insert(topic.id().0, topic);
    }

    pub(crate) fn insert_task(&mut self, task: Task, seq: u64) {
        task.set_control_seq(seq);
        self.task_keys.insert(task.key().to_owned(), task.id().0);
        self.tasks.insert(task.id().0, task);
    }

    /// Makes an appended control part real.
    pub(crate) fn apply(&mut self, control: &Control, seq: u64, durability: &Arc<Durability>) {
        match control {
            Control::Topic { id, name, config, ranges } => match self.topics.get(id) {
                Some(topic) => {
                    topic.set_rules(config);
                    topic.set_control_seq(seq);
                }
                None => {
                    let indexes = ranges.iter().map(|_| PartitionIndex::default()).collect();
                    let topic = Topic::new(TopicId(*id), name, *config, indexes, durability);
                    self.insert_topic(topic, seq);
                }
            },
            Control::TopicDeleted { id } => {
                if let Some(topic) = self.topics.remove(id) {
                    self.topic_names.remove(topic.name());
                    topic.mark_deleted();
                }
            }
            Control::Trimmed { topic, partition, start } => {
                let topic = self.topics.get(topic);
                if let Some(partition) = topic.and_then(|topic| topic.partition(*partition).ok()) {
                    partition.trim(*start);
                }
            }
            Control::Compacted { topic, partition, to } => {
                let topic = self.topics.get(topic);
                if let Some(partition) = topic.and_then(|topic| topic.partition(*partition).ok()) {
                    partition.set_compacted(*to);
                }
            }
            Control::Task { id, key, snapshot } => match self.tasks.get(id) {
                Some(task) => {
                    task.set_snapshot(snapshot.clone());
                    task.set_control_seq(seq);
                }
                None => {
                    let task = Task::new(TaskId(*id), key, TaskIndex::default());
                    self.insert_task(task, seq);
                }
            },
            Control::TaskRemoved { id } => {
                if let Some(task) = self.tasks.remove(id) {
                    self.task_keys.remove(task.key());
                    task.mark_removed();
                }
            }
            Control::Entry { key, value: Some(value) } => {
                self.entries.insert(key.clone(), Entry { value: value.clone(), seq });
            }
            Control::Entry { key, value: None } => drop(self.entries.remove(key)),
            Control::Counters { next_topic, next_task } => {
                let (next_topic, next_task) = (*next_topic, *next_task);
                self.counters = Counters { next_topic, next_task, seq };
            }
        }
    }
}
