//! What is built is what is read, for any rows.

mod common;

use common::model::{self, Rec};
use pelton_batch::{
    Batch, FormatError, GroupsBuilder, Kind, MigrateBuilder, OpKind, Operation, OperationsBuilder,
    RecordsBuilder, TimersBuilder,
};
use proptest::prelude::*;

fn parsed(bytes: &[u8]) -> Batch<'_> {
    assert!(bytes.len().is_multiple_of(8));
    let batch = Batch::parse(bytes).expect("what is built parses");
    batch.validate().expect("what is built is valid");
    common::read::read_everything(bytes);
    batch
}

/// A batch that has offsets has one for every record: those that none was given read as 0.
fn with_offsets(mut records: Vec<Rec>) -> Vec<Rec> {
    if records.iter().any(|record| record.meta.is_some()) {
        records.iter_mut().for_each(|record| _ = record.meta.get_or_insert((0, 0)));
    }
    records
}

proptest! {
    #[test]
    fn records_round_trip(records in model::records(40)) {
        let bytes = model::build_records(&records);
        let read = model::read_records(&parsed(&bytes).records().unwrap(), true);
        prop_assert_eq!(read, with_offsets(records));
    }

    #[test]
    fn operations_round_trip(operations in model::operations(30)) {
        let bytes = model::build_operations(&operations);
        let read = model::read_operations(&parsed(&bytes).operations().unwrap());
        prop_assert_eq!(read, operations);
    }

    #[test]
    fn groups_round_trip(
        (records, groups, in_order) in (model::records(12), any::<bool>()).prop_flat_map(
            |(records, order)| {
                let rows = records.len();
                (Just(records), model::groups(rows, order), Just(order))
            },
        ),
        kind in prop_oneof![
            Just(Kind::Window), Just(Kind::Accumulate), Just(Kind::Merge), Just(Kind::Finish)
        ],
    ) {
        let mut builder =
            if in_order { GroupsBuilder::in_order() } else { GroupsBuilder::by_member() };
        model::push_groups(&mut builder, &records, &groups, in_order);
        let bytes = builder.finish(kind);
        prop_assert!(builder.is_empty());
        let read = parsed(&bytes).groups().unwrap();
        prop_assert_eq!(read.len(), groups.len());
        prop_assert_eq!(model::read_records(&read.records(), true), with_offsets(records));
        for (found, group) in read.iter().zip(&groups) {
            prop_assert_eq!(found.key, group.key.as_deref());
            prop_assert_eq!((found.start, found.end), (group.start, group.end));
            prop_assert_eq!(found.pane.0, group.pane);
            prop_assert_eq!(found.accumulator, group.accumulator.as_deref());
            prop_assert_eq!(read.rows(found.index).collect::<Vec<_>>(), group.rows.clone());
        }
    }

    #[test]
    fn stored_values_round_trip(
        rows in prop::collection::vec((any::<u16>(), any::<[u8; 3]>(), any::<Vec<u8>>(), 0..3_u32), 0..20),
    ) {
        let mut builder = MigrateBuilder::new();
        for (store, key, value, schema) in &rows {
            builder.push(*store, key, value, *schema);
        }
        prop_assert_eq!(builder.len(), rows.len());
        let bytes = builder.finish();
        prop_assert!(builder.is_empty());
        let read = parsed(&bytes).stored_values().unwrap();
        prop_assert_eq!(read.len(), rows.len());
        for (found, (store, key, value, schema)) in read.iter().zip(&rows) {
            prop_assert_eq!((found.store, found.schema), (*store, *schema));
            prop_assert_eq!((found.key, found.value), (&key[..], &value[..]));
        }
    }

    #[test]
    fn timers_round_trip(records in model::records(20), targets in any::<[u16; 20]>()) {
        let mut builder = TimersBuilder::new();
        for (record, target) in records.iter().zip(targets) {
            builder.push(target, record.key.as_deref(), record.timestamp, record.value.as_deref());
        }
        let bytes = builder.finish();
        let timers = parsed(&bytes).timers().unwrap();
        prop_assert_eq!(timers.len(), records.len());
        for ((timer, record), target) in timers.iter().zip(&records).zip(targets) {
            prop_assert_eq!((timer.target, timer.due), (target, record.timestamp));
            prop_assert_eq!(timer.key, record.key.as_deref());
            prop_assert_eq!(timer.value, record.value.as_deref());
        }
    }

    /// Several sources with different columns into one builder, by any ranges.
    #[test]
    fn extending_by_ranges_equals_pushing_one_by_one(
        sources in prop::collection::vec((model::records(30), 0..40usize, 0..40usize), 1..5),
        first in model::records(10),
    ) {
        let mut extended = RecordsBuilder::new();
        model::push_all(&mut extended, &first);
        let mut expected = first;
        for (records, from, to) in &sources {
            let bytes = model::build_records(records);
            extended.extend_from(&parsed(&bytes).records().unwrap(), *from..*to);
            expected.extend(records.get(*from..records.len().min(*to)).unwrap_or(&[]).to_vec());
        }
        let rows = extended.len();
        prop_assert_eq!(rows, expected.len());
        let bytes = extended.finish();
        expected.iter_mut().for_each(|record| record.meta = None);
        let read = model::read_records(&parsed(&bytes).records().unwrap(), false);
        prop_assert_eq!(read, expected);
    }

    /// A reused builder keeps nothing of the batch before, and a batch may lie behind another.
    #[test]
    fn builders_are_empty_after_finish(one in model::records(10), two in model::records(10)) {
        let mut builder = RecordsBuilder::new();
        model::push_all(&mut builder, &one);
        let mut out = builder.finish();
        let at = out.len();
        model::push_all(&mut builder, &two);
        builder.finish_into(&mut out);
        prop_assert_eq!(&out[at..], &model::build_records(&two)[..]);
        prop_assert_eq!(builder.bytes_len(), 0);
    }
}

#[test]
fn a_filters_answer_costs_four_bytes_a_record() {
    let mut builder = OperationsBuilder::new();
    (0..100).for_each(|row| builder.forward(row * 2, 0));
    let bytes = builder.finish();
    assert_eq!(bytes.len(), 16 + 16 + 100 * 4);
    let operations = parsed(&bytes).operations().unwrap();
    assert!(operations.plain_forwards().unwrap().iter().eq((0..100).map(|row| row * 2)));
}

#[test]
fn a_forward_to_a_named_partition_is_not_plain() {
    let mut builder = OperationsBuilder::new();
    builder
        .push(&op(OpKind::Forward))
        .push(&Operation { partition: Some(3), ..op(OpKind::Forward) });
    let bytes = builder.finish();
    assert!(parsed(&bytes).operations().unwrap().plain_forwards().is_none());
}

#[test]
fn empty_batches_are_valid() {
    assert_eq!(RecordsBuilder::new().finish().len(), 16);
    let empty = [
        RecordsBuilder::new().finish(),
        OperationsBuilder::new().finish(),
        TimersBuilder::new().finish(),
        GroupsBuilder::in_order().finish(Kind::Window),
        GroupsBuilder::by_member().finish(Kind::Accumulate),
    ];
    empty.iter().for_each(|bytes| assert_eq!(parsed(bytes).rows(), 0));
}

#[test]
fn headers_and_meta_without_a_record_do_nothing() {
    let mut builder = RecordsBuilder::new();
    builder.header("lost", None).meta(7, 7).push(None, Some(b"v"), 0).meta(1, 1).meta(2, 3);
    let bytes = builder.finish();
    let records = parsed(&bytes).records().unwrap();
    assert_eq!(records.headers(0).count(), 0);
    assert_eq!((records.offset(0), records.input(0)), (Some(2), 3));
    let mut builder = OperationsBuilder::new();
    builder.header("lost", None).push(&op(OpKind::Emit));
    let bytes = builder.finish();
    assert_eq!(parsed(&bytes).operations().unwrap().headers(0).count(), 0);
}

fn op(kind: OpKind) -> Operation<'static> {
    Operation {
        row: 0,
        kind,
        cause: 0,
        target: 0,
        key: None,
        value: None,
        timestamp: None,
        partition: None,
        ttl: 0,
        schema: 0,
    }
}

#[test]
fn an_operation_must_have_what_its_kind_needs() {
    use pelton_batch::layout::tag;
    let verdict = |operation: Operation<'_>| {
        let mut builder = OperationsBuilder::new();
        builder.push(&op(OpKind::Emit)).push(&operation);
        let bytes = builder.finish();
        match Batch::parse(&bytes).unwrap().validate() {
            Ok(()) => None,
            Err(FormatError::Value { tag, row: 1, .. }) => Some(tag),
            Err(other) => panic!("{other}"),
        }
    };
    let (key, value) = (Some(&b"k"[..]), Some(&b"v"[..]));
    for kind in [OpKind::Put, OpKind::Append] {
        assert_eq!(verdict(Operation { value, ..op(kind) }), Some(tag::KEY));
        assert_eq!(verdict(Operation { key, ..op(kind) }), Some(tag::VALUE));
        assert_eq!(verdict(Operation { key, value, ..op(kind) }), None);
    }
    for kind in [OpKind::Delete, OpKind::DeletePrefix] {
        assert_eq!(verdict(op(kind)), Some(tag::KEY));
        assert_eq!(verdict(Operation { key: Some(b""), ..op(kind) }), None);
    }
    assert_eq!(verdict(op(OpKind::SetTimer)), Some(tag::TIMESTAMP));
    assert_eq!(verdict(Operation { timestamp: Some(-1), ..op(OpKind::SetTimer) }), None);
    assert_eq!(verdict(Operation { ttl: -1, ..op(OpKind::Retry) }), Some(tag::TTL));
}
