//! What calls did, by cause.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use pelton_batch::{Batch, FormatError, Groups, OpKind, Operation, Operations, Records};
use pelton_core::TopicPartition;

use super::tap::Heard;
use crate::call::{PaneGroup, RowIndex, Work};
use crate::config::TaskConfig;
use crate::slice::Slice;

/// What a version did something for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A record.
    Record {
        /// Where it is.
        input: TopicPartition,
        /// Its offset.
        offset: u64,
        /// Its key.
        key: Option<Bytes>,
    },
    /// A window of a key.
    Window {
        /// Its first moment, ms.
        start: i64,
        /// Its end, exclusive, ms.
        end: i64,
        /// The key.
        key: Option<Bytes>,
        /// Records were added to it; else it fired.
        adding: bool,
    },
    /// A timer.
    Timer {
        /// Its name.
        name: String,
        /// When it was due, ms.
        due_ms: i64,
        /// The key that it was set for.
        key: Option<Bytes>,
    },
}

/// A record that a version sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// The topic.
    pub topic: String,
    /// The partition that the version named, where it did.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Its time, ms; absent where it is that of its cause.
    pub timestamp: Option<i64>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// All that a version did for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// The records that it sent, in order.
    pub emitted: Vec<Emitted>,
    /// Why its cause was given up: a fault or a rejection.
    pub fault: Option<String>,
    /// A digest of each change of state, in order.
    pub(crate) state: Vec<u64>,
}

impl Effect {
    /// Changes of state and timers, in number.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.state.len()
    }
}

/// What targets mean to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vocabulary {
    outputs: Vec<String>,
    stores: Vec<String>,
    timers: Vec<String>,
    inputs: Vec<TopicPartition>,
}

pub(crate) type Effects = BTreeMap<Cause, Effect>;

impl Vocabulary {
    pub(crate) fn of(config: &TaskConfig) -> Self {
        let declared = &config.declaration;
        Self {
            outputs: config.outputs.iter().map(|output| output.topic.to_string()).collect(),
            stores: declared.stores.iter().map(|store| store.name.clone()).collect(),
            timers: declared.timers.iter().map(|timer| timer.name.clone()).collect(),
            inputs: config.inputs.iter().map(|input| input.partition.clone()).collect(),
        }
    }

    /// The record of `row` as a cause.
    pub(super) fn record(&self, rows: &RowIndex<'_>, row: usize) -> Option<Cause> {
        let (input, offset) = rows.place(row)?;
        let (records, at) = rows.get(row)?;
        let key = records.key(at).map(Bytes::copy_from_slice);
        Some(Cause::Record { input: self.inputs.get(input)?.clone(), offset, key })
    }

    fn name(names: &[String], target: u16) -> String {
        names.get(usize::from(target)).cloned().unwrap_or_else(|| target.to_string())
    }

    /// Adds what `heard` did to `all`.
    pub(crate) fn gather(&self, heard: &Heard, all: &mut Effects) -> Result<(), FormatError> {
        let empty = Slice::default();
        let rows = RowIndex::new(heard.work.plan().map_or(&empty, |plan| &plan.slice))?;
        let call = CallView { names: self, heard, rows: &rows, groups: None };
        if let Some(fault) = &heard.fault {
            for unit in 0..heard.work.units() {
                if let Some(cause) = call.cause(unit) {
                    let text = format!("{} ({})", fault.message, fault.kind.code());
                    all.entry(cause).or_default().fault = Some(text);
                }
            }
            return Ok(());
        }
        if let Work::Accumulate(_, groups) = &heard.work {
            groups.iter().for_each(|group| follow(group, all));
        }
        for (batch, answer) in heard.batches.iter().zip(&heard.answers) {
            let groups = match &heard.work {
                Work::Fire { .. } => Batch::parse(batch)?.groups().ok(),
                _ => None,
            };
            let operations = Batch::parse(answer)?.operations()?;
            CallView { groups, ..call }.gather(&operations, all);
        }
        Ok(())
    }
}

/// A call, for finding what its causes stand for.
#[derive(Clone, Copy)]
pub(super) struct CallView<'a> {
    pub(super) names: &'a Vocabulary,
    pub(super) heard: &'a Heard,
    pub(super) rows: &'a RowIndex<'a>,
    /// The groups of the batch, where windows fire.
    pub(super) groups: Option<Groups<'a>>,
}

/// A session has grown: what was done for it as it was counts for it as it is, wherever its records
/// are cut.
fn follow(group: &PaneGroup, all: &mut Effects) {
    if group.slides {
        return;
    }
    for source in group.sources.iter().filter(|source| **source != group.window) {
        let earlier = PaneGroup { window: *source, ..group.clone() };
        let Some(effect) = all.remove(&window_cause(&earlier, true)) else { continue };
        let now = all.entry(window_cause(group, true)).or_default();
        now.emitted.extend(effect.emitted);
        now.state.extend(effect.state);
        now.fault = now.fault.take().or(effect.fault);
    }
}

pub(super) fn window_cause(group: &PaneGroup, adding: bool) -> Cause {
    let (window, key) = (group.window, group.key.clone());
    Cause::Window { start: window.start, end: window.end, key, adding }
}

impl CallView<'_> {
    pub(super) fn cause(&self, cause: usize) -> Option<Cause> {
        match &self.heard.work {
            Work::Fire { panes, .. } => Some(window_cause(panes.get(cause)?, false)),
            Work::Accumulate(_, groups) if self.heard.fault.is_none() => {
                Some(window_cause(groups.get(cause)?, true))
            }
            Work::Timers(_, timers) => {
                let timer = timers.get(cause)?;
                Some(Cause::Timer {
                    name: Vocabulary::name(&self.names.timers, timer.target),
                    due_ms: timer.due,
                    key: timer.key.as_deref().map(Bytes::copy_from_slice),
                })
            }
            _ => self.names.record(self.rows, cause),
        }
    }

    fn gather(&self, operations: &Operations<'_>, all: &mut Effects) {
        for operation in operations.iter() {
            let at = operation.cause as usize;
            let forwarded = (operation.kind == OpKind::Forward).then(|| self.forwarded(at));
            // Of a window's contents a row is forwarded, and the window is the cause.
            let unit = match (forwarded.is_some(), &self.groups) {
                (true, Some(groups)) => self.group_of(groups, at),
                _ => Some(at),
            };
            let Some(cause) = unit.and_then(|unit| self.cause(unit)) else { continue };
            let effect = all.entry(cause).or_default();
            match operation.kind {
                OpKind::Emit => effect.emitted.push(self.emitted(&operation, operations)),
                OpKind::Forward => {
                    if let Some(Some((records, row))) = forwarded {
                        effect.emitted.push(self.copied(&operation, records, row));
                    }
                }
                OpKind::Reject => {
                    let reason = operation.value.unwrap_or(b"rejected");
                    effect.fault = Some(String::from_utf8_lossy(reason).into_owned());
                }
                // The last one of a group counts, wherever its records are cut.
                OpKind::Accumulator => effect.state = vec![self.digest(&operation)],
                _ => effect.state.push(self.digest(&operation)),
            }
        }
    }

    /// The record that is forwarded: a row of the slice, or of a window's contents.
    fn forwarded(&self, row: usize) -> Option<(Records<'_>, usize)> {
        match &self.groups {
            Some(groups) => (row < groups.records().len()).then(|| (groups.records(), row)),
            None => self.rows.get(row).map(|(records, row)| (*records, row)),
        }
    }

    fn group_of(&self, groups: &Groups<'_>, row: usize) -> Option<usize> {
        (0..groups.len()).find(|group| groups.rows(*group).any(|member| member == row))
    }

    fn emitted(&self, operation: &Operation<'_>, operations: &Operations<'_>) -> Emitted {
        let headers = operations.headers(operation.row);
        Emitted {
            topic: Vocabulary::name(&self.names.outputs, operation.target),
            partition: operation.partition,
            key: operation.key.map(Bytes::copy_from_slice),
            value: operation.value.map(Bytes::copy_from_slice),
            timestamp: operation.timestamp,
            headers: headers
                .map(|h| (h.name.into(), h.value.map(Bytes::copy_from_slice)))
                .collect(),
        }
    }

    fn copied(&self, operation: &Operation<'_>, records: Records<'_>, row: usize) -> Emitted {
        let headers = records.headers(row);
        Emitted {
            topic: Vocabulary::name(&self.names.outputs, operation.target),
            partition: operation.partition,
            key: records.key(row).map(Bytes::copy_from_slice),
            value: records.value(row).map(Bytes::copy_from_slice),
            timestamp: self.groups.map(|_| records.timestamp(row)),
            headers: headers
                .map(|h| (h.name.into(), h.value.map(Bytes::copy_from_slice)))
                .collect(),
        }
    }

    /// A change of state as a number: what it changes, by name, and to what.
    fn digest(&self, operation: &Operation<'_>) -> u64 {
        let names = match operation.kind {
            OpKind::SetTimer | OpKind::CancelTimer => &self.names.timers,
            _ => &self.names.stores,
        };
        let Operation { kind, key, value, timestamp, ttl, .. } = *operation;
        let name = Vocabulary::name(names, operation.target);
        FixedState::with_seed(0).hash_one((kind as u8, name, key, value, timestamp, ttl))
    }
}
