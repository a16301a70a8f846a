//! Running a capsule, on a node that need not have seen its function before.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use pelton_batch::{Batch, OpKind};
use pelton_core::{Domain, Error, LogLevel, Manifest, Result, TaskRecord, TopicName};
use pelton_engine::TaskConfig;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::execute::{Base, Executed, execute};
use super::format::{Capsule, StateKept};
use super::outcome::Outcome;
use crate::functions::Loaded;
use crate::node::Node;

/// Changes of state that are shown.
const CHANGES_SHOWN: usize = 100;

/// How a run compares with what was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same faults, and the same records sent.
    Same,
    /// Something fails, though not as recorded.
    FailsOtherwise,
    /// Nothing fails, and what is sent differs from what was recorded.
    Passes,
}

/// A change of state, with the bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `put`, `delete`, `append`, `set-timer`, `cancel-timer`, `window`.
    pub kind: &'static str,
    /// The store or timer.
    pub name: String,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// When a timer is due, ms.
    pub due_ms: Option<i64>,
}

/// A line that the call has logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapsuleLine {
    /// How grave it is.
    pub level: String,
    /// The line.
    pub message: String,
}

/// What a run of a capsule came to.
#[derive(Debug, Clone, PartialEq)]
pub struct CapsuleReport {
    /// How it compares.
    pub verdict: Verdict,
    /// What was recorded.
    pub recorded: Outcome,
    /// What came of this run.
    pub outcome: Outcome,
    /// What the call logged.
    pub lines: Vec<CapsuleLine>,
    /// The first changes of state.
    pub changes: Vec<Change>,
    /// Keys that this run read and the capsule does not hold: for it they had no value.
    pub unknown_reads: u64,
}

/// Runs the call of a capsule with its own module, or with `wasm`, on `node`, whose topics it makes as
/// they were. Blocks.
///
/// # Errors
/// `E-SECRET-MISSING`, what is wrong with the module, or state that it cannot read.
pub fn run_capsule(node: &Node, capsule: &Capsule, wasm: Option<&[u8]>) -> Result<CapsuleReport> {
    let head = &capsule.head;
    for (name, partitions) in &head.topics {
        let topic = TopicName::parse(name).map_err(|error| {
            let text = format!("the capsule names a topic that cannot be: {error}");
            Error::new("E-CAPSULE-DAMAGED", Domain::User, text)
        })?;
        node.ensure_topic(&topic, *partitions)?;
    }
    let file = format!("the manifest of {} version {}", head.function, head.version);
    let manifest = Manifest::parse(&head.manifest, &file).map_err(Error::from_coded)?;
    let loaded = Loaded::new(node, head.version, manifest, wasm.unwrap_or(&capsule.wasm))?;
    let parts = node.replacements(&loaded.spec, &loaded.factory)?;
    let part = parts.into_iter().nth(head.partition as usize).ok_or_else(|| {
        let text = format!("the capsule is of partition {}, which there is not", head.partition);
        Error::new("E-CAPSULE-DAMAGED", Domain::User, text)
    })?;
    let snapshot = Some(capsule.state.clone());
    let base = Base { snapshot, tail: Vec::new(), fetches: capsule.fetches.clone() };
    let decisions = TaskRecord::decode(&capsule.decisions)?.meta;
    let config = std::sync::Arc::clone(&part.config);
    let executed = pollster::block_on(execute(node, part, base, decisions, head.is_recorded))?;
    Ok(report(capsule, &config, executed))
}

fn report(capsule: &Capsule, config: &TaskConfig, executed: Executed) -> CapsuleReport {
    let recorded = capsule.head.recorded.clone();
    let outcome = executed.outcome;
    let verdict = match outcome.is_same(&recorded) {
        true => Verdict::Same,
        false if outcome.faults.is_empty() => Verdict::Passes,
        false => Verdict::FailsOtherwise,
    };
    let held = capsule
        .head
        .read
        .iter()
        .filter_map(|(store, key)| Some((*store, BASE64_STANDARD.decode(key).ok()?)));
    let held: BTreeSet<_> = held.collect();
    let unknown_reads = match capsule.head.state {
        StateKept::Whole => 0,
        StateKept::Touched => executed.touched.entries.difference(&held).count() as u64,
    };
    CapsuleReport {
        verdict,
        recorded,
        outcome,
        lines: lines(executed.lines),
        changes: changes(config, &executed.changes),
        unknown_reads,
    }
}

pub(super) fn lines(all: Vec<(LogLevel, String)>) -> Vec<CapsuleLine> {
    let line =
        |(level, message)| CapsuleLine { level: format!("{level:?}").to_lowercase(), message };
    all.into_iter().map(line).collect()
}

/// The first changes of state that are in these batches.
pub(super) fn changes(config: &TaskConfig, batches: &[Bytes]) -> Vec<Change> {
    let declared = &config.declaration;
    let mut all = Vec::new();
    for batch in batches {
        let Ok(operations) = Batch::parse(batch).and_then(|batch| batch.operations()) else {
            continue;
        };
        for operation in operations.iter() {
            let at = usize::from(operation.target);
            let is_timer = matches!(operation.kind, OpKind::SetTimer | OpKind::CancelTimer);
            let name = match is_timer {
                true => declared.timers.get(at).map(|timer| timer.name.clone()),
                false => declared.stores.get(at).map(|store| store.name.clone()),
            };
            let is_window = operation.target == pelton_state::PANES;
            let kind = match operation.kind {
                _ if is_window => "window",
                OpKind::Put => "put",
                OpKind::Append => "append",
                OpKind::SetTimer => "set-timer",
                OpKind::CancelTimer => "cancel-timer",
                _ => "delete",
            };
            // Behind the times of a window, and a mark, stands its key.
            let key = operation
                .key
                .map(|key| if is_window { key.get(17..).unwrap_or_default() } else { key });
            all.push(Change {
                kind,
                name: name.unwrap_or_default(),
                key: key.map(Bytes::copy_from_slice),
                value: operation.value.map(Bytes::copy_from_slice),
                due_ms: operation.timestamp.filter(|_| operation.kind == OpKind::SetTimer),
            });
            if all.len() == CHANGES_SHOWN {
                return all;
            }
        }
    }
    all
}
