//! Calling a deployed function with one record, on a copy of its state: nothing is committed.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use pelton_core::{
    Domain, Error, Fetch, FunctionId, Manifest, Offsets, Position, Result, Start, TaskMeta,
    TopicName,
};
use pelton_engine::{Replacement, TaskConfig};

use super::execute::{Base, Executed, execute};
use super::outcome::Outcome;
use super::run::{CapsuleLine, Change, changes, lines};
use crate::functions::loaded::no_version;
use crate::functions::travel::replay::live;
use crate::functions::{Functions, Loaded, blocking};
use crate::node::Node;

/// The record that a function is called with, and by which of its versions.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The function.
    pub function: FunctionId,
    /// The version; else the active one.
    pub version: Option<u64>,
    /// The input.
    pub topic: TopicName,
    /// The partition, and with it whose state.
    pub partition: u32,
    /// A batch of kind `Records` with one record.
    pub batch: Bytes,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Invoked {
    /// The version that ran.
    pub version: u64,
    /// The partition.
    pub partition: u32,
    /// What was sent, and what was given up.
    pub outcome: Outcome,
    /// What was logged.
    pub lines: Vec<CapsuleLine>,
    /// The first changes of state.
    pub changes: Vec<Change>,
}

/// What the call begins with.
struct Prepared {
    part: Replacement,
    base: Base,
    decisions: TaskMeta,
}

impl Functions {
    /// The input that a record for a function goes to: the named one, or its only one.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-VERSION-UNKNOWN`, `E-INVOKE-TOPIC`.
    pub fn invoke_input(
        &self,
        function: &FunctionId,
        version: Option<u64>,
        topic: Option<&str>,
    ) -> Result<TopicName> {
        let record = self.registry.get(function)?;
        let number = version.unwrap_or(record.active);
        let known = record.version(number).ok_or_else(|| no_version(&record, number))?;
        input_of(&known.manifest(function)?, topic)
    }

    /// Calls a version with one record, as if it were the next one of its partition, on a copy of what
    /// the task has committed. Everything that is due then happens too: timers, windows. Nothing of it
    /// is committed. One call is made at a time; others wait.
    ///
    /// # Errors
    /// `E-FUNCTION-UNKNOWN`, `E-VERSION-UNKNOWN`, `E-PARTITION-UNKNOWN`; where the version cannot be
    /// loaded or cannot read the state. What the function does wrong with the record is no error: the
    /// outcome tells it.
    pub async fn invoke(&self, call: Invocation) -> Result<Invoked> {
        let record = self.registry.get(&call.function)?;
        // One copy of a state is enough at a time.
        let _turn = self.copies.lock().await;
        let version = call.version.unwrap_or(record.active);
        let loaded = self.load(&record, version).await?;
        let node = Arc::clone(&self.node);
        let partition = call.partition;
        let prepared = blocking(move || prepare(&node, &loaded, &call)).await?;
        let Prepared { part, base, decisions } = prepared;
        let config = Arc::clone(&part.config);
        let executed = execute(&self.node, part, base, decisions, false).await?;
        let Executed { outcome, lines: logged, changes: changed, stopped, .. } = executed;
        if let Some(error) = stopped.filter(|_| outcome.faults.is_empty()) {
            return Err(error);
        }
        let changes = changes(&config, &changed);
        Ok(Invoked { version, partition, outcome, lines: lines(logged), changes })
    }
}

fn input_of(manifest: &Manifest, topic: Option<&str>) -> Result<TopicName> {
    let mut inputs = manifest.inputs.iter().map(|input| &input.topic);
    let found = match topic {
        Some(topic) => inputs.find(|known| known.to_string() == topic || known.name() == topic),
        None => inputs.next().filter(|_| manifest.inputs.len() == 1),
    };
    found.cloned().ok_or_else(|| {
        let all: Vec<_> = manifest.inputs.iter().map(|input| input.topic.name()).collect();
        let text = match topic {
            Some(topic) => format!("{} does not read {topic}", manifest.function),
            None => format!("{} has several inputs", manifest.function),
        };
        let text = format!("{text}; name one of its inputs as the topic: {}", all.join(", "));
        Error::new("E-INVOKE-TOPIC", Domain::User, text)
    })
}

/// Copies the state and puts the record behind it. Blocks.
fn prepare(node: &Node, loaded: &Loaded, call: &Invocation) -> Result<Prepared> {
    let parts = node.replacements(&loaded.spec, &loaded.factory)?;
    // Any task reads a topic that is broadcast.
    let is_broadcast =
        loaded.spec.inputs.iter().any(|input| input.broadcast && input.topic == call.topic);
    let partition = match is_broadcast {
        true => call.partition as usize % parts.len().max(1),
        false => call.partition as usize,
    };
    let part = parts.into_iter().nth(partition).ok_or_else(|| {
        let text = format!("{} has no partition {}", call.function, call.partition);
        Error::new("E-PARTITION-UNKNOWN", Domain::User, text)
    })?;
    let live = live(node.journal(), &part.config.id.to_string())?;
    let (snapshot, tail) = live.map(|live| (live.snapshot, live.tail)).unwrap_or_default();
    let newest = tail.last().map(|(_, record)| &record.meta);
    let newest = newest.or(snapshot.as_ref().map(|(_, _, meta)| meta));
    let mut decisions = newest.cloned().unwrap_or_default();
    decisions.time_ms = decisions.time_ms.max(node.clock().now_ms());
    let (positions, fetches) = place(&part.config, &decisions.positions, call);
    decisions.positions = positions;
    let snapshot = snapshot.map(|(_, bytes, _)| bytes);
    let tail = tail.into_iter().map(|(_, record)| record).collect();
    Ok(Prepared { part, base: Base { snapshot, tail, fetches }, decisions })
}

/// Where each input ends, and what it holds: nothing, but for the record in its own.
fn place(
    config: &TaskConfig,
    begun: &[Position],
    call: &Invocation,
) -> (Vec<Position>, Vec<VecDeque<Fetch>>) {
    let is_of = |input: &&pelton_engine::InputConfig| input.partition.topic == call.topic;
    // Of a topic that is broadcast the task has several inputs.
    let own = config.inputs.iter().find(is_of).map(|input| input.partition.clone());
    let at = |config: &pelton_engine::InputConfig| {
        let known = begun.iter().find(|at| at.input == config.partition).map(|at| at.next);
        let first = match config.start {
            Start::Offset(offset) => offset,
            Start::Earliest | Start::Latest | Start::Time(_) => 0,
        };
        let start = known.unwrap_or(first);
        let is_it = own.as_ref() == Some(&config.partition);
        let fetch = is_it.then(|| Fetch {
            batch: call.batch.clone(),
            rows: 1,
            offsets: Offsets::Each(vec![start]),
            next: start + 1,
            producer: None,
        });
        let next = start + u64::from(is_it);
        (Position { input: config.partition.clone(), next }, fetch.into_iter().collect())
    };
    config.inputs.iter().map(at).unzip()
}
