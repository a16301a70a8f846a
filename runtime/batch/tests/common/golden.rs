//! The batches that the golden files hold.

use pelton_batch::layout::{self, Column, tag};
use pelton_batch::{
    Group, GroupsBuilder, Kind, OpKind, Operation, OperationsBuilder, Pane, RecordsBuilder,
    TimersBuilder,
};

/// 2026-11-22T00:00:00Z in ms.
pub(crate) const T: i64 = 1_795_305_600_000;

/// A file's name, and what makes its bytes.
pub(crate) type Golden = (&'static str, fn() -> Vec<u8>);

/// All golden files.
pub(crate) const GOLDEN: [Golden; 13] = [
    ("records", records),
    ("operations", operations),
    ("forwards", forwards),
    ("window", window),
    ("accumulate", accumulate),
    ("merge", merge),
    ("finish", finish),
    ("timers", timers),
    ("migrate", migrate),
    ("keys", keys),
    ("values", values),
    ("entries", entries),
    ("nothing", || OperationsBuilder::new().finish()),
];

fn records() -> Vec<u8> {
    let mut b = RecordsBuilder::new();
    b.push(Some(b"k1"), Some(b"value one"), T).meta(7, 0);
    b.header("trace", Some(b"\x01\x02"))
        .header("trace", None)
        .header("ort", Some("Köln".as_bytes()));
    b.push(None, Some(b""), -1).meta(8, 1);
    b.push(Some(b""), None, i64::MAX).meta(9, 0);
    b.push(Some(b"k4"), Some(b"4"), i64::MIN).meta(i64::MAX, u16::MAX).header("", Some(b""));
    b.finish()
}

/// An operation without any column but kind, cause and target.
fn op(kind: OpKind, cause: u32, target: u16) -> Operation<'static> {
    let (key, value, timestamp, partition) = (None, None, None, None);
    Operation { row: 0, kind, cause, target, key, value, timestamp, partition, ttl: 0, schema: 0 }
}

/// One of each kind in the order of their numbers, and an emit that leaves everything open.
pub(crate) fn operation_list() -> Vec<Operation<'static>> {
    let (key, value) = (Some(&b"key"[..]), Some(&b"value"[..]));
    use OpKind::*;
    vec![
        op(Forward, 0, 0),
        Operation { key, value, timestamp: Some(T), partition: Some(3), ..op(Emit, 1, 2) },
        Operation { key, value, ttl: 60_000, schema: 2, ..op(Put, 1, 1) },
        Operation { key, ..op(Delete, 2, 0) },
        Operation { key: Some(b"pre/"), ..op(DeletePrefix, 2, 0) },
        Operation { key, value: Some(b"+"), ..op(Append, 2, 0) },
        Operation { key, value, timestamp: Some(T + 1), ..op(SetTimer, 3, 0) },
        Operation { key, ..op(CancelTimer, 3, 1) },
        Operation { value: Some(b"no carrier"), ..op(Reject, 4, 0) },
        Operation { ttl: 250, ..op(Retry, 5, 0) },
        op(FireWindow, 6, 0),
        op(PurgeWindow, 6, 0),
        Operation { value: Some(b"\x2a"), ..op(Accumulator, 6, 0) },
        op(Emit, 7, 0),
    ]
}

fn operations() -> Vec<u8> {
    let mut b = OperationsBuilder::new();
    for (row, operation) in operation_list().iter().enumerate() {
        b.push(operation);
        if row == 1 {
            b.header("h", Some(b"1")).header("h", None);
        }
    }
    b.finish()
}

fn forwards() -> Vec<u8> {
    let mut b = OperationsBuilder::new();
    [0, 2, 3].iter().for_each(|cause| b.forward(*cause, 0));
    b.finish()
}

/// A group of a window of one minute.
pub(crate) fn group(key: Option<&'static [u8]>, start: i64, pane: Pane) -> Group<'static> {
    Group { index: 0, key, start, end: start + 60_000, pane, accumulator: None }
}

fn window() -> Vec<u8> {
    let mut b = GroupsBuilder::in_order();
    b.records().push(Some(b"a"), Some(b"1"), T).push(Some(b"a"), Some(b"2"), T + 59_999);
    b.group(&group(Some(b"a"), T, Pane::new(0, Pane::FIRST | Pane::LAST)));
    b.records().push(Some(b"b"), Some(b"3"), T + 60_000);
    b.group(&group(Some(b"b"), T + 60_000, Pane::new(2, Pane::LAST | Pane::LATE)));
    b.finish(Kind::Window)
}

fn accumulate() -> Vec<u8> {
    let mut b = GroupsBuilder::by_member();
    b.records().push(Some(b"a"), Some(b"1"), T).push(Some(b"b"), Some(b"2"), T + 1);
    b.records().push(Some(b"a"), Some(b"3"), T + 2);
    b.member(0);
    b.member(2);
    b.group(&Group { accumulator: Some(b"\x05"), ..group(Some(b"a"), T, Pane::default()) });
    b.member(1);
    b.group(&group(Some(b"b"), T, Pane::default()));
    b.finish(Kind::Accumulate)
}

fn merge() -> Vec<u8> {
    let mut b = GroupsBuilder::in_order();
    b.records().push(None, Some(b"\x05"), 0).push(None, Some(b"\x06"), 0);
    b.group(&group(Some(b"a"), T, Pane::default()));
    b.finish(Kind::Merge)
}

fn finish() -> Vec<u8> {
    let mut b = GroupsBuilder::in_order();
    let accumulator = Some(&b"\x0b"[..]);
    let early = Pane::new(0, Pane::FIRST | Pane::LAST | Pane::EARLY);
    b.group(&Group { accumulator, ..group(Some(b"a"), T, early) });
    b.group(&group(None, T, Pane::new(1, Pane::FIRST | Pane::LAST)));
    b.finish(Kind::Finish)
}

fn timers() -> Vec<u8> {
    let mut b = TimersBuilder::new();
    b.push(0, Some(b"k1"), T, Some(b"v"));
    b.push(1, None, T + 1, None);
    b.finish()
}

/// Written by hand, as an SDK in another language would.
fn migrate() -> Vec<u8> {
    let u32s = |all: [u32; 3]| all.map(u32::to_le_bytes).concat();
    let (keys, values) = (u32s([0, 2, 4]), u32s([0, 3, 6]));
    let (targets, schemas) = ([0, 0, 1, 0], [1u32, 2].map(u32::to_le_bytes).concat());
    let column = |tag, width, bytes| Column { tag, width, bytes };
    let mut out = Vec::new();
    let columns = [
        column(tag::KEY, 4, &keys[..]),
        column(tag::KEY + 1, 1, b"k1k2"),
        column(tag::VALUE, 4, &values),
        column(tag::VALUE + 1, 1, b"oneTWO"),
        column(tag::TARGET, 2, &targets),
        column(tag::SCHEMA, 4, &schemas),
    ];
    layout::write(Kind::Migrate, 2, &columns, &mut out);
    out
}

fn keys() -> Vec<u8> {
    let mut b = RecordsBuilder::new();
    b.push(Some(b"k1"), None, 0).push(Some(b""), None, 0).push(Some(b"k3"), None, 0);
    b.finish_as(Kind::Keys)
}

fn values() -> Vec<u8> {
    let mut b = RecordsBuilder::new();
    b.push(None, Some(b"one"), 0).push(None, None, 0).push(None, Some(b""), 0);
    b.finish_as(Kind::Values)
}

fn entries() -> Vec<u8> {
    let mut b = RecordsBuilder::new();
    b.push(Some(b"a"), Some(b"1"), 0).push(Some(b"b"), Some(b""), 0);
    b.finish_as(Kind::Entries)
}
