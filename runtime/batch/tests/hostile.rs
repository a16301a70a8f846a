//! Bytes that nobody's builder wrote: no input panics, and errors say what is wrong.

mod common;

use common::model;
use common::read::read_everything;
use pelton_batch::layout::{self, Column, SKIPPABLE, tag};
use pelton_batch::{Batch, FormatError, Kind, OpKind, RecordsBuilder};
use proptest::collection::vec;
use proptest::prelude::*;

/// A change of some bytes; places count from the start, modulo the length.
#[derive(Debug, Clone)]
enum Change {
    Byte(usize, u8),
    Number(usize, u32),
    Cut(usize),
    Insert(usize, u8),
    Append(Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len().max(1);
        match self {
            Self::Byte(at, to) => bytes.iter_mut().skip(at % len).take(1).for_each(|b| *b = *to),
            Self::Number(at, to) => {
                let at = at % len / 4 * 4;
                bytes.iter_mut().skip(at).zip(to.to_le_bytes()).for_each(|(b, to)| *b = to);
            }
            Self::Cut(at) => bytes.truncate(at % len),
            Self::Insert(at, byte) => bytes.insert((at % len).min(bytes.len()), *byte),
            Self::Append(more) => bytes.extend_from_slice(more),
        }
    }
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![
        0..40u32,
        0x10..0x70u32,
        Just(u32::MAX),
        Just(1 << 31),
        Just(i32::MAX as u32),
        any::<u32>()
    ]
}

fn change() -> impl Strategy<Value = Change> {
    // The header and directory are worth more than their share of the bytes.
    let at = || prop_oneof![0..200usize, 0..4000usize];
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, to)| Change::Byte(at, to)),
        5 => (at(), number()).prop_map(|(at, to)| Change::Number(at, to)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => vec(any::<u8>(), 0..20).prop_map(Change::Append),
    ]
}

/// The bytes of some good batch.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let golden = common::files(common::golden_dir());
    prop_oneof![
        model::records(12).prop_map(|records| model::build_records(&records)),
        model::operations(12).prop_map(|operations| model::build_operations(&operations)),
        prop::sample::select(golden).prop_map(|(_, bytes)| bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn changed_batches_never_panic(mut bytes in good(), changes in vec(change(), 1..6)) {
        changes.iter().for_each(|change| change.apply(&mut bytes));
        read_everything(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(
        mut bytes in vec(any::<u8>(), 0..400),
        kind in any::<Option<u8>>(),
        columns in 0..8u32,
    ) {
        read_everything(&bytes);
        if bytes.len() >= 16 && let Some(kind) = kind {
            let kind = [1, 2, 3, 4, 5, 6, 7, 0x100, 0x200, 0x201, 0x202][kind as usize % 11];
            let head = [layout::MAGIC, 1 | kind << 16];
            bytes[..8].copy_from_slice(&head.map(u32::to_le_bytes).concat());
            bytes[12..16].copy_from_slice(&columns.to_le_bytes());
            read_everything(&bytes);
        }
    }
}

#[test]
fn golden_files_cut_or_changed_at_any_byte_never_panic() {
    for (_, bytes) in common::files(common::golden_dir()) {
        for at in 0..bytes.len() {
            // Every column ends before the last padding, and only that may be missing.
            if Batch::parse(&bytes[..at]).is_ok() {
                assert!(bytes.len() - at < 8, "{at} of {}", bytes.len());
            }
            read_everything(&bytes[..at]);
            let mut changed = bytes.clone();
            for to in [0, 1, 2, 0x10, 0x7f, 0x80, 0xff, bytes[at] ^ 0x80, bytes[at].wrapping_add(1)]
            {
                changed[at] = to;
                read_everything(&changed);
            }
        }
    }
}

#[test]
fn fuzz_corpus_never_panics() {
    let dir = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/read");
    let files = common::files(dir);
    assert!(!files.is_empty());
    files.iter().for_each(|(_, bytes)| read_everything(bytes));
}

/// A batch made of these columns.
fn batch_of(kind: Kind, rows: u32, columns: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let column = |&(tag, width, bytes): &(u32, u32, _)| Column { tag, width, bytes };
    let mut out = Vec::new();
    layout::write(kind, rows, &columns.iter().map(column).collect::<Vec<_>>(), &mut out);
    out
}

fn verdict(bytes: &[u8]) -> Result<(), FormatError> {
    read_everything(bytes);
    Batch::parse(bytes)?.validate()
}

/// Makes the header say that a later version wrote it.
fn newer(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[4..6].copy_from_slice(&7u16.to_le_bytes());
    bytes
}

#[test]
fn unknown_skippable_column_is_skipped() {
    let columns: [(u32, u32, &[u8]); 2] = [(0x7fff | SKIPPABLE, 3, b"abc"), (tag::OP_KIND, 1, &[])];
    assert_eq!(verdict(&newer(batch_of(Kind::Records, 5, &columns[..1]))), Ok(()));
    // Header names have no bitmap: a later column in its place is not taken for one.
    let names = [
        (tag::VALUE, 4, &[0, 0, 0, 0, 0, 0, 0, 0][..]),
        (tag::HEADER_ENDS, 4, &[0, 0, 0, 0, 1, 0, 0, 0]),
        (tag::HEADER_NAME, 4, &[0, 0, 0, 0, 1, 0, 0, 0]),
        (tag::HEADER_NAME + 1, 1, b"n"),
        (tag::HEADER_VALUE, 4, &[0, 0, 0, 0, 0, 0, 0, 0]),
        ((tag::HEADER_NAME + 2) | SKIPPABLE, 0, &[0]),
    ];
    let bytes = batch_of(Kind::Records, 1, &names);
    assert_eq!(verdict(&bytes), Ok(()));
    let records = Batch::parse(&bytes).unwrap().records().unwrap();
    assert_eq!(records.headers(0).map(|h| h.name).collect::<Vec<_>>(), ["n"]);
}

#[test]
fn what_a_newer_writer_means_and_we_do_not_know_is_an_error_with_both_versions() {
    let column = newer(batch_of(Kind::Records, 5, &[(0x7fff, 3, b"abc")]));
    let causes = [0; 8];
    let operation: [(u32, u32, &[u8]); 2] = [(tag::CAUSE, 4, &causes), (tag::OP_KIND, 1, &[1, 99])];
    let operation = newer(batch_of(Kind::Operations, 2, &operation));
    let mut kind = newer(batch_of(Kind::Records, 0, &[]));
    kind[6..8].copy_from_slice(&0x99u16.to_le_bytes());
    for (bytes, what) in [(column, "0x7fff"), (operation, "operation 1"), (kind, "0x0099")] {
        let text = verdict(&bytes).unwrap_err().to_string();
        assert!(text.contains(what), "{text}");
        assert!(text.contains("version 7") && text.contains("reader is of 1"), "{text}");
    }
    // What a newer writer writes without new words is understood.
    assert_eq!(verdict(&newer(batch_of(Kind::Records, 0, &[]))), Ok(()));
}

#[test]
fn structure_errors_name_the_column() {
    let records = |columns: &[(u32, u32, &[u8])]| verdict(&batch_of(Kind::Records, 1, columns));
    let ends = &[0, 0, 0, 0, 2, 0, 0, 0][..];
    let time = (tag::TIMESTAMP, 8, &[0; 8][..]);
    assert_eq!(records(&[time, time]), Err(FormatError::DuplicateColumn(tag::TIMESTAMP)));
    let width = Err(FormatError::Width { tag: tag::TIMESTAMP, found: 4 });
    assert_eq!(records(&[(tag::TIMESTAMP, 4, &[0; 8])]), width);
    let short = FormatError::Length { tag: tag::TIMESTAMP, found: 7, expected: 8 };
    assert_eq!(records(&[(tag::TIMESTAMP, 8, &[0; 7])]), Err(short));
    assert_eq!(records(&[(tag::KEY + 1, 1, b"a")]), Err(FormatError::Missing(tag::KEY)));
    let past = Err(FormatError::Ends { tag: tag::KEY, row: 0 });
    assert_eq!(records(&[(tag::KEY, 4, ends), (tag::KEY + 1, 1, b"a")]), past);
    assert_eq!(records(&[(tag::KEY, 4, ends), (tag::KEY + 1, 1, b"ab")]), Ok(()));
    let kind = Kind::Records as u16;
    let foreign = Err(FormatError::ForeignColumn { tag: tag::OP_KIND, kind });
    assert_eq!(records(&[(tag::OP_KIND, 1, &[1])]), foreign);
    let orphan = Err(FormatError::Missing(tag::HEADER_ENDS));
    assert_eq!(records(&[(tag::HEADER_NAME, 4, ends), (tag::HEADER_NAME + 1, 1, b"ab")]), orphan);
    assert_eq!(verdict(&batch_of(Kind::Operations, 0, &[])), Err(FormatError::Missing(tag::CAUSE)));
    let groups = verdict(&batch_of(Kind::Window, 0, &[(tag::GROUP_ENDS, 4, &[])]));
    assert_eq!(groups, Err(FormatError::Length { tag: tag::GROUP_ENDS, found: 0, expected: 4 }));
}

#[test]
fn a_column_lies_aligned_behind_the_directory_and_inside() {
    let good = batch_of(Kind::Records, 2, &[(tag::TIMESTAMP, 8, &[0; 16])]);
    let moved_to = |offset: u32| {
        let mut bytes = good.clone();
        bytes.extend_from_slice(&[0; 8]);
        bytes[24..28].copy_from_slice(&offset.to_le_bytes());
        verdict(&bytes)
    };
    assert_eq!(moved_to(32), Ok(()));
    assert_eq!(moved_to(40), Ok(()));
    for offset in [0, 24, 33, 36, 48, u32::MAX - 7] {
        let placement = Err(FormatError::Placement(tag::TIMESTAMP));
        assert_eq!(moved_to(offset), placement, "{offset}");
    }
    let mut many = good.clone();
    many[12..16].copy_from_slice(&65u32.to_le_bytes());
    assert_eq!(verdict(&many), Err(FormatError::TooManyColumns(65)));
    let truncated = Err(FormatError::Truncated { have: 31, need: 32 });
    assert_eq!(verdict(&good[..31]), truncated);
}

#[test]
fn a_group_member_must_be_a_row() {
    let ends = &[0, 0, 0, 0, 1, 0, 0, 0][..];
    let groups = |member: u32| {
        let member = member.to_le_bytes();
        let columns = [(tag::GROUP_ENDS, 4, ends), (tag::GROUP_MEMBERS, 4, &member[..])];
        verdict(&batch_of(Kind::Accumulate, 3, &columns))
    };
    assert_eq!(groups(2), Ok(()));
    assert!(matches!(groups(3), Err(FormatError::Value { tag: tag::GROUP_MEMBERS, row: 0, .. })));
}

#[test]
fn four_billion_null_keys_are_refused() {
    let keys = batch_of(Kind::Keys, u32::MAX, &[]);
    assert_eq!(verdict(&keys), Err(FormatError::Missing(tag::KEY)));
}

#[test]
fn columns_whose_first_end_is_not_zero_are_read_and_copied() {
    let ends = [3u32, 4, 4, 6, 7, 9].map(u32::to_le_bytes).concat();
    let bytes = batch_of(
        Kind::Records,
        5,
        &[(tag::VALUE, 4, &ends[..]), (tag::VALUE + 1, 1, b"xxxabcdef")],
    );
    assert_eq!(verdict(&bytes), Ok(()));
    let source = Batch::parse(&bytes).unwrap().records().unwrap();
    let mut builder = RecordsBuilder::new();
    builder.extend_from(&source, 1..5);
    builder.extend_from(&source, 0..5);
    let copy = builder.finish();
    let copy = Batch::parse(&copy).unwrap().records().unwrap();
    let values: Vec<_> = copy.iter().map(|r| r.value().unwrap()).collect();
    assert_eq!(values, [&b""[..], b"bc", b"d", b"ef", b"a", b"", b"bc", b"d", b"ef"]);
}

#[test]
fn every_kind_has_one_number() {
    let kinds = (0..=u16::MAX).filter_map(|n| Kind::from_u16(n).map(|kind| (n, kind as u16)));
    assert!(kinds.clone().all(|(number, kind)| number == kind));
    assert_eq!(kinds.count(), 12);
    let operations = (0..=u8::MAX).filter_map(|n| OpKind::from_u8(n).map(|kind| (n, kind as u8)));
    assert!(operations.clone().all(|(number, kind)| number == kind));
    assert_eq!(operations.count(), 15);
}

/// Columns that share their bytes make a batch of 4 GiB without the memory.
#[test]
fn a_batch_too_large_for_its_offsets_is_refused_and_not_wrapped() {
    let bytes = vec![0u8; 1 << 26];
    let column = Column { tag: tag::VALUE + 1, width: 1, bytes: &bytes };
    assert_eq!(layout::size(&[column; 63]), Some(63 * (1 << 26) + 16 + 63 * 16));
    assert_eq!(layout::size(&[column; 64]), None);
    let write = || layout::write(Kind::Records, 0, &[column; 64], &mut Vec::new());
    assert!(std::panic::catch_unwind(write).is_err());
}

#[test]
fn size_is_what_is_written() {
    for length in 0..20 {
        let bytes = vec![7; length];
        let column = |tag| Column { tag: tag | SKIPPABLE, width: 1, bytes: &bytes };
        let mut out = vec![1; 8];
        layout::write(Kind::Records, 0, &[column(0x100), column(0x101)], &mut out);
        assert_eq!(layout::size(&[column(0x100), column(0x101)]), Some(out.len() as u32 - 8));
    }
}
