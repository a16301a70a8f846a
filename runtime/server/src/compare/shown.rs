//! Differences as they are answered.

use pelton_engine::{Cause, Difference, DifferenceKind, Effect, Emitted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::fields::{FieldDifference, field_differences};
use crate::data::json::value_of;

/// What a version did something for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CauseKind {
    /// A record.
    Record,
    /// A window of a key that fired, or that records were added to.
    Window,
    /// A timer.
    Timer,
}

/// The record, window or timer that a function did something for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparisonCause {
    /// What it is.
    pub kind: CauseKind,
    /// The partition of the task.
    pub partition: u32,
    /// Its key.
    pub key: Value,
    /// The topic of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The offset of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The first moment of a window, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ms: Option<i64>,
    /// The end of a window, exclusive, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ms: Option<i64>,
    /// The name of a timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<String>,
    /// When a timer was due, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
}

/// In which way two versions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceWay {
    /// Both sent records, and not the same.
    Different,
    /// Only the running version sent any.
    OnlyOld,
    /// Only the shadow sent any.
    OnlyNew,
    /// The shadow failed where the running version did not.
    Fault,
}

/// A record that a version sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ComparedRecord {
    /// The topic.
    pub topic: String,
    /// The key.
    pub key: Value,
    /// The value.
    pub value: Value,
    /// The partition that the version named, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Its time, ms, where it is not that of its cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// The headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Value)>,
}

/// A cause for which two versions did not do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceEntry {
    /// Counts the differences that are told, from 1.
    pub number: u64,
    /// When it was found, ms since the epoch.
    pub time_ms: i64,
    /// In which way they differ.
    pub way: DifferenceWay,
    /// What they did it for.
    pub cause: ComparisonCause,
    /// What the running version sent.
    pub old: Vec<ComparedRecord>,
    /// What the shadow sent.
    pub new: Vec<ComparedRecord>,
    /// The fields in which these differ, at most 32.
    pub fields: Vec<FieldDifference>,
    /// Why the shadow failed, or gave the record up.
    pub fault: Option<String>,
}

impl DifferenceEntry {
    pub(super) fn new(number: u64, time_ms: i64, partition: u32, difference: Difference) -> Self {
        let Difference { cause, kind, old, new } = difference;
        let way = match kind {
            DifferenceKind::Different => DifferenceWay::Different,
            DifferenceKind::OnlyOld => DifferenceWay::OnlyOld,
            DifferenceKind::OnlyNew => DifferenceWay::OnlyNew,
            DifferenceKind::Fault => DifferenceWay::Fault,
        };
        let (sent, would) = (records(&old), records(&new));
        let fields = match way {
            DifferenceWay::Different => field_differences(&json!(sent), &json!(would)),
            _ => Vec::new(),
        };
        let (cause, fault) = (shown(cause, partition), new.fault);
        Self { number, time_ms, way, cause, old: sent, new: would, fields, fault }
    }
}

pub(crate) fn shown(cause: Cause, partition: u32) -> ComparisonCause {
    let of = |kind, key: &Option<bytes::Bytes>| ComparisonCause {
        kind,
        partition,
        key: value_of(key.as_deref()),
        topic: None,
        offset: None,
        start_ms: None,
        end_ms: None,
        timer: None,
        due_ms: None,
    };
    match cause {
        Cause::Record { input, offset, key } => ComparisonCause {
            topic: Some(input.topic.to_string()),
            offset: Some(offset),
            ..of(CauseKind::Record, &key)
        },
        Cause::Window { start, end, key, .. } => ComparisonCause {
            start_ms: Some(start),
            end_ms: Some(end),
            ..of(CauseKind::Window, &key)
        },
        Cause::Timer { name, due_ms, key } => ComparisonCause {
            timer: Some(name),
            due_ms: Some(due_ms),
            ..of(CauseKind::Timer, &key)
        },
    }
}

pub(crate) fn records(effect: &Effect) -> Vec<ComparedRecord> {
    let header =
        |(name, value): &(String, Option<bytes::Bytes>)| (name.clone(), value_of(value.as_deref()));
    let record = |emitted: &Emitted| ComparedRecord {
        topic: emitted.topic.clone(),
        key: value_of(emitted.key.as_deref()),
        value: value_of(emitted.value.as_deref()),
        partition: emitted.partition,
        timestamp: emitted.timestamp,
        headers: emitted.headers.iter().map(header).collect(),
    };
    effect.emitted.iter().map(record).collect()
}
