//! Owned rows, ways to make them at random, and builders from them.

use pelton_batch::{
    Group, GroupsBuilder, OpKind, Operation, Operations, OperationsBuilder, Pane, Records,
    RecordsBuilder,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

/// A byte string that may be null.
pub(crate) type Bytes = Option<Vec<u8>>;
/// Headers in order.
pub(crate) type HeaderList = Vec<(String, Bytes)>;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rec {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) timestamp: i64,
    pub(crate) headers: HeaderList,
    pub(crate) meta: Option<(i64, u16)>,
}

/// An operation, its headers with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    pub(crate) kind: OpKind,
    pub(crate) cause: u32,
    pub(crate) target: u16,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) timestamp: Option<i64>,
    pub(crate) partition: Option<u32>,
    pub(crate) ttl: i64,
    pub(crate) schema: u32,
    pub(crate) headers: HeaderList,
}

/// A group and the records that are its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grp {
    pub(crate) key: Bytes,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) pane: u32,
    pub(crate) accumulator: Bytes,
    pub(crate) rows: Vec<usize>,
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..5), 1 => vec(any::<u8>(), 200..300)]
}

pub(crate) fn time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), Just(i64::MIN), Just(i64::MAX), any::<i64>()]
}

fn headers() -> impl Strategy<Value = HeaderList> {
    // Few names, so that some stand there twice.
    vec((prop_oneof![Just(""), Just("a"), Just("é")], of(bytes())), 0..3)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Records of which some batches lack whole columns.
pub(crate) fn records(most: usize) -> impl Strategy<Value = Vec<Rec>> {
    let rec = (of(bytes()), of(bytes()), time(), headers(), of((any::<i64>(), any::<u16>())));
    (vec(rec, 0..most), any::<[bool; 7]>()).prop_map(|(rows, has)| {
        type Row = (Bytes, Bytes, i64, HeaderList, Option<(i64, u16)>);
        let rec = |(key, value, timestamp, headers, meta): Row| Rec {
            // Without nulls, with nulls, or not at all.
            key: if has[0] { key } else { has[5].then(|| key.unwrap_or_default()) },
            value: if has[1] { value } else { has[6].then(|| value.unwrap_or_default()) },
            timestamp: if has[2] { timestamp } else { 0 },
            headers: if has[3] { headers } else { Vec::new() },
            meta: meta.filter(|_| has[4]),
        };
        rows.into_iter().map(rec).collect()
    })
}

/// Operations of every kind with any columns; those that a kind needs are there.
pub(crate) fn operations(most: usize) -> impl Strategy<Value = Vec<Op>> {
    let places = (1..=13u8, any::<u32>(), any::<u16>(), of(0..=i32::MAX as u32));
    let data = (of(bytes()), of(bytes()), of(time()), headers());
    let op = (places, data, 0..=i64::MAX, any::<u32>());
    (vec(op, 0..most), any::<[bool; 9]>()).prop_map(|(rows, has)| {
        rows.into_iter()
            .map(|((kind, cause, target, partition), (key, value, time, headers), ttl, schema)| {
                needed(Op {
                    kind: if has[0] {
                        OpKind::from_u8(kind).expect("1 to 13")
                    } else {
                        OpKind::Forward
                    },
                    cause,
                    target: if has[1] { target } else { 0 },
                    key: key.filter(|_| has[2]),
                    value: value.filter(|_| has[3]),
                    timestamp: time.filter(|_| has[4]),
                    partition: partition.filter(|_| has[5]),
                    ttl: if has[6] { ttl } else { 0 },
                    schema: if has[7] { schema } else { 0 },
                    headers: if has[8] { headers } else { Vec::new() },
                })
            })
            .collect()
    })
}

/// Gives an operation what its kind needs.
fn needed(mut op: Op) -> Op {
    use OpKind::{Append, Delete, DeletePrefix, Put, SetTimer};
    if matches!(op.kind, Put | Append | Delete | DeletePrefix) {
        op.key.get_or_insert_default();
    }
    if matches!(op.kind, Put | Append) {
        op.value.get_or_insert_default();
    }
    if op.kind == SetTimer {
        op.timestamp.get_or_insert(i64::MIN);
    }
    op
}

/// Groups over `rows` records: their members anywhere (several times, too), or the rows in order.
pub(crate) fn groups(rows: usize, in_order: bool) -> impl Strategy<Value = Vec<Grp>> {
    let members = vec(0..rows.max(1), 0..4);
    let group = (of(bytes()), time(), time(), any::<u32>(), of(bytes()), members);
    vec(group, 0..6).prop_map(move |all| {
        let mut next = 0;
        let group = |(key, start, end, pane, accumulator, members): (_, _, _, _, _, Vec<usize>)| {
            let rows = if in_order {
                let from = next;
                next = rows.min(next + members.len());
                (from..next).collect()
            } else {
                members.into_iter().filter(|row| *row < rows).collect()
            };
            Grp { key, start, end, pane, accumulator, rows }
        };
        all.into_iter().map(group).collect()
    })
}

/// Pushes records one by one.
pub(crate) fn push_all(builder: &mut RecordsBuilder, records: &[Rec]) {
    for record in records {
        builder.push(record.key.as_deref(), record.value.as_deref(), record.timestamp);
        for (name, value) in &record.headers {
            builder.header(name, value.as_deref());
        }
        if let Some((offset, input)) = record.meta {
            builder.meta(offset, input);
        }
    }
}

/// The bytes of a batch of records.
pub(crate) fn build_records(records: &[Rec]) -> Vec<u8> {
    let mut builder = RecordsBuilder::new();
    push_all(&mut builder, records);
    builder.finish()
}

/// The bytes of a batch of operations.
pub(crate) fn build_operations(operations: &[Op]) -> Vec<u8> {
    let mut builder = OperationsBuilder::new();
    for op in operations {
        builder.push(&Operation {
            row: 0,
            kind: op.kind,
            cause: op.cause,
            target: op.target,
            key: op.key.as_deref(),
            value: op.value.as_deref(),
            timestamp: op.timestamp,
            partition: op.partition,
            ttl: op.ttl,
            schema: op.schema,
        });
        for (name, value) in &op.headers {
            builder.header(name, value.as_deref());
        }
    }
    builder.finish()
}

/// Pushes records and groups; the records of a batch in order are pushed with their groups.
pub(crate) fn push_groups(
    builder: &mut GroupsBuilder,
    records: &[Rec],
    groups: &[Grp],
    order: bool,
) {
    let mut pushed = 0;
    for group in groups {
        if order {
            let end = pushed + group.rows.len();
            push_all(builder.records(), &records[pushed..end]);
            pushed = end;
        } else {
            group.rows.iter().for_each(|row| builder.member(*row as u32));
        }
        builder.group(&Group {
            index: 0,
            key: group.key.as_deref(),
            start: group.start,
            end: group.end,
            pane: Pane(group.pane),
            accumulator: group.accumulator.as_deref(),
        });
    }
    push_all(builder.records(), &records[pushed..]);
}

/// Reads records back; without the meta columns where `meta` is false.
pub(crate) fn read_records(records: &Records<'_>, meta: bool) -> Vec<Rec> {
    records
        .iter()
        .map(|record| Rec {
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: record.timestamp(),
            headers: record.headers().map(owned).collect(),
            meta: record.offset().filter(|_| meta).map(|offset| (offset, record.input())),
        })
        .collect()
}

/// Reads operations back.
pub(crate) fn read_operations(operations: &Operations<'_>) -> Vec<Op> {
    operations
        .iter()
        .map(|op| Op {
            kind: op.kind,
            cause: op.cause,
            target: op.target,
            key: op.key.map(<[u8]>::to_vec),
            value: op.value.map(<[u8]>::to_vec),
            timestamp: op.timestamp,
            partition: op.partition,
            ttl: op.ttl,
            schema: op.schema,
            headers: operations.headers(op.row).map(owned).collect(),
        })
        .collect()
}

fn owned(header: pelton_batch::Header<'_>) -> (String, Bytes) {
    (header.name.to_owned(), header.value.map(<[u8]>::to_vec))
}
