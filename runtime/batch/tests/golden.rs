//! The bytes of one batch of every sort, as they were when the layout was fixed.
//!
//! A difference here means that old journals or deployed functions can no longer be read, or that
//! a writer now spends other bytes. Where that is meant, write the files anew and say why in the
//! change: `PELTON_GOLDEN=write cargo test -p pelton-batch --test golden builders`. A file that is
//! no longer written must stay, with a test that it can be read.

mod common;

use common::golden::{GOLDEN, T, group, operation_list};
use pelton_batch::{Batch, Group, Groups, OpKind, Operation, Pane};

/// The bytes of a golden file.
fn golden(name: &str) -> Vec<u8> {
    let path = common::golden_dir().join(format!("{name}.bin"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn checked(bytes: &[u8]) -> Batch<'_> {
    let batch = Batch::parse(bytes).expect("a golden file parses");
    batch.validate().expect("a golden file is valid");
    assert_eq!(batch.version(), 1);
    batch
}

#[test]
fn builders_write_the_golden_bytes() {
    if std::env::var_os("PELTON_GOLDEN").is_some_and(|v| v == "write") {
        for (name, build) in GOLDEN {
            std::fs::write(common::golden_dir().join(format!("{name}.bin")), build()).unwrap();
        }
    }
    for (name, build) in GOLDEN {
        assert!(build() == golden(name), "{name}.bin differs: see the head of this file");
    }
    assert_eq!(common::files(common::golden_dir()).len(), GOLDEN.len(), "files without a writer");
}

#[test]
fn golden_records_read_field_by_field() {
    let bytes = golden("records");
    let r = checked(&bytes).records().unwrap();
    assert_eq!(r.len(), 4);
    let keys: Vec<_> = r.iter().map(|record| record.key()).collect();
    assert_eq!(keys, [Some(&b"k1"[..]), None, Some(b""), Some(b"k4")]);
    let values: Vec<_> = r.iter().map(|record| record.value()).collect();
    assert_eq!(values, [Some(&b"value one"[..]), Some(b""), None, Some(b"4")]);
    let times: Vec<_> = r.iter().map(|record| record.timestamp()).collect();
    assert_eq!(times, [T, -1, i64::MAX, i64::MIN]);
    let meta: Vec<_> = r.iter().map(|record| (record.offset(), record.input())).collect();
    assert_eq!(meta, [(Some(7), 0), (Some(8), 1), (Some(9), 0), (Some(i64::MAX), u16::MAX)]);
    let headers = |row| r.headers(row).map(|h| (h.name, h.value)).collect::<Vec<_>>();
    let ort = ("ort", Some("Köln".as_bytes()));
    assert_eq!(headers(0), [("trace", Some(&b"\x01\x02"[..])), ("trace", None), ort]);
    assert_eq!((headers(1).len(), headers(2).len()), (0, 0));
    assert_eq!(headers(3), [("", Some(&b""[..]))]);
}

#[test]
fn golden_operations_read_field_by_field() {
    let bytes = golden("operations");
    let operations = checked(&bytes).operations().unwrap();
    assert_eq!(operations.len(), operation_list().len());
    for (row, expected) in operation_list().into_iter().enumerate() {
        assert_eq!(operations.get(row), Operation { row, ..expected });
        assert_eq!(operations.headers(row).count(), if row == 1 { 2 } else { 0 });
    }
    let headers: Vec<_> = operations.headers(1).map(|h| (h.name, h.value)).collect();
    assert_eq!(headers, [("h", Some(&b"1"[..])), ("h", None)]);
    // The numbers are part of the layout.
    let kinds: Vec<u8> = operations.iter().map(|o| o.kind as u8).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2]);
}

#[test]
fn golden_forwards_are_plain() {
    let bytes = golden("forwards");
    let operations = checked(&bytes).operations().unwrap();
    assert!(operations.plain_forwards().unwrap().iter().eq([0, 2, 3]));
    assert!(operations.iter().all(|o| (o.kind, o.target) == (OpKind::Forward, 0)));
    let nothing = golden("nothing");
    assert!(checked(&nothing).operations().unwrap().is_empty());
}

fn members(groups: &Groups<'_>, index: usize) -> Vec<usize> {
    groups.rows(index).collect()
}

#[test]
fn golden_windows_read_field_by_field() {
    let bytes = golden("window");
    let groups = checked(&bytes).groups().unwrap();
    let expected = [
        group(Some(b"a"), T, Pane(1 | 2)),
        Group { index: 1, ..group(Some(b"b"), T + 60_000, Pane(2 << 8 | 2 | 8)) },
    ];
    assert_eq!(groups.iter().collect::<Vec<_>>(), expected);
    assert_eq!(groups.get(1).pane.number(), 2);
    assert!(groups.get(1).pane.has(Pane::LATE) && !groups.get(1).pane.has(Pane::FIRST));
    assert_eq!((members(&groups, 0), members(&groups, 1)), (vec![0, 1], vec![2]));
    let values: Vec<_> = groups.records().iter().map(|r| (r.value(), r.timestamp())).collect();
    assert_eq!(values, [(Some(&b"1"[..]), T), (Some(b"2"), T + 59_999), (Some(b"3"), T + 60_000)]);
}

#[test]
fn golden_accumulators_read_field_by_field() {
    let bytes = golden("accumulate");
    let groups = checked(&bytes).groups().unwrap();
    assert_eq!((members(&groups, 0), members(&groups, 1)), (vec![0, 2], vec![1]));
    assert_eq!(groups.get(0).accumulator, Some(&b"\x05"[..]));
    assert_eq!((groups.get(1).accumulator, groups.get(1).key), (None, Some(&b"b"[..])));
    assert_eq!(groups.records().value(2), Some(&b"3"[..]));

    let bytes = golden("merge");
    let groups = checked(&bytes).groups().unwrap();
    assert_eq!((groups.len(), members(&groups, 0)), (1, vec![0, 1]));
    let values: Vec<_> = groups.records().iter().map(|r| r.value()).collect();
    assert_eq!(values, [Some(&b"\x05"[..]), Some(b"\x06")]);

    let bytes = golden("finish");
    let groups = checked(&bytes).groups().unwrap();
    assert_eq!((groups.len(), groups.records().len()), (2, 0));
    assert_eq!(groups.get(0).accumulator, Some(&b"\x0b"[..]));
    assert_eq!((groups.get(0).pane, groups.get(1).pane), (Pane(7), Pane(0x103)));
    assert_eq!((groups.get(1).key, groups.get(1).accumulator), (None, None));
    assert_eq!((groups.get(1).start, groups.get(1).end), (T, T + 60_000));
}

#[test]
fn golden_timers_and_state_read_field_by_field() {
    let bytes = golden("timers");
    let timers = checked(&bytes).timers().unwrap();
    let read: Vec<_> = timers.iter().map(|t| (t.row, t.target, t.key, t.due, t.value)).collect();
    let first = (0, 0, Some(&b"k1"[..]), T, Some(&b"v"[..]));
    assert_eq!(read, [first, (1, 1, None, T + 1, None)]);

    let pairs = |name| {
        let bytes = golden(name);
        let all = checked(&bytes).records().unwrap();
        let owned = |b: Option<&[u8]>| b.map(|b| String::from_utf8(b.to_vec()).unwrap());
        all.iter().map(|r| (owned(r.key()), owned(r.value()))).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(pairs("keys"), [(some("k1"), None), (some(""), None), (some("k3"), None)]);
    assert_eq!(pairs("values"), [(None, some("one")), (None, None), (None, some(""))]);
    assert_eq!(pairs("entries"), [(some("a"), some("1")), (some("b"), some(""))]);
    assert_eq!(pairs("migrate"), [(some("k1"), some("one")), (some("k2"), some("TWO"))]);
    let bytes = golden("migrate");
    let values = checked(&bytes).stored_values().unwrap();
    let read: Vec<_> = values.iter().map(|v| (v.row, v.store, v.key, v.value, v.schema)).collect();
    let first = (0, 0, &b"k1"[..], &b"one"[..], 1);
    assert_eq!(read, [first, (1, 1, b"k2", b"TWO", 2)]);
}

/// The specification's examples: lines of an offset, bytes in hex, and a comment behind three
/// spaces.
#[test]
fn worked_examples_of_the_specification_are_golden_bytes() {
    let doc = include_str!("../../../docs/batch-format.md");
    for name in ["forwards", "values"] {
        let (_, example) = doc.split_once(&format!("/{name}.bin`")).unwrap();
        let block = example.split("```").nth(1).unwrap();
        let mut bytes = Vec::new();
        for line in block.lines().filter(|line| !line.is_empty()) {
            let (at, rest) = line.split_once("  ").unwrap();
            assert_eq!(usize::from_str_radix(at, 16), Ok(bytes.len()), "{line}");
            let (hex, _) = rest.split_once("   ").unwrap();
            bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
        assert_eq!(bytes, golden(name), "{name}");
    }
}
