//! Reads every part of some bytes as a batch. Shared by the tests and the fuzz target: no input may
//! make it panic, and what has been validated must read the same by every way that leads to it.

use pelton_batch::{
    Batch, Groups, Header, Kind, Operation, Operations, OperationsBuilder, Record, Records,
    RecordsBuilder,
};

/// Rows that are read one by one; a batch without columns may claim four billion.
const ROWS_MAX: usize = 4096;

/// Parses, validates and reads everything.
pub(crate) fn read_everything(bytes: &[u8]) {
    let batch = match Batch::parse(bytes) {
        Ok(batch) => batch,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let valid = batch.validate();
    touch_columns(&batch);
    if let Ok(records) = batch.records() {
        touch_records(&records);
    }
    if let Ok(operations) = batch.operations() {
        touch_operations(&operations);
    }
    if let Ok(groups) = batch.groups() {
        touch_groups(&groups);
    }
    if let Ok(timers) = batch.timers() {
        indexes(timers.len()).for_each(|row| _ = timers.get(row));
    }
    if let Ok(values) = batch.stored_values() {
        indexes(values.len()).for_each(|row| _ = values.get(row));
    }
    match valid {
        Ok(()) if batch.rows() <= ROWS_MAX => agree(&batch),
        Ok(()) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Indexes in and out of range.
fn indexes(len: usize) -> impl Iterator<Item = usize> {
    (0..len.min(64)).chain([len.wrapping_sub(1), len, len + 1, usize::MAX - 1, usize::MAX])
}

fn touch_columns(batch: &Batch<'_>) {
    let tags = (0..0x70).chain([u32::MAX - 2, u32::MAX - 1, u32::MAX]);
    for tag in tags {
        let bytes = batch.column(tag).unwrap_or(&[]).len();
        if let Some(column) = batch.fixed::<u64>(tag) {
            assert_eq!(column.iter().count(), bytes / 8);
            indexes(column.len()).for_each(|i| _ = (column.get(i), column.bytes_of(i..usize::MAX)));
        }
        if let Some(column) = batch.var(tag) {
            for i in indexes(column.len()) {
                _ = (column.get(i), column.is_null(i), column.bytes_of(i..column.len()));
            }
        }
    }
    if let Some(headers) = batch.headers() {
        indexes(batch.rows()).for_each(|i| _ = (headers.range(i), headers.entry(i)));
    }
}

fn touch_records(records: &Records<'_>) {
    for row in indexes(records.len()) {
        let record = records.get(row);
        _ = (record.key(), record.value(), record.timestamp(), record.offset(), record.input());
        _ = (record.headers().take(ROWS_MAX).count(), record.header("a"));
    }
    // What was not validated may be copied wrong, but not panic.
    let mut builder = RecordsBuilder::new();
    builder.extend_from(records, 0..records.len().min(64));
    builder.extend_from(records, records.len().saturating_sub(8)..usize::MAX);
    builder.push_from(records, records.len());
    let copy = builder.finish();
    let copy = Batch::parse(&copy).expect("a builder lays out what parses");
    _ = copy.validate();
}

fn touch_operations(operations: &Operations<'_>) {
    _ = operations.plain_forwards().map(|causes| causes.iter().count());
    for row in indexes(operations.len()) {
        _ = (operations.get(row), operations.headers(row).take(ROWS_MAX).count());
    }
}

fn touch_groups(groups: &Groups<'_>) {
    for index in indexes(groups.len()) {
        _ = (groups.get(index), groups.rows(index).take(ROWS_MAX).count());
    }
}

/// A record's parts: key, value, timestamp, headers.
type Parts<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, i64, Vec<Header<'a>>);

fn parts<'a>(record: Record<'a>) -> Parts<'a> {
    (record.key(), record.value(), record.timestamp(), record.headers().collect())
}

/// What has been validated: every accessor gives the same answers, and a copy is equal.
fn agree(batch: &Batch<'_>) {
    if let Ok(records) = batch.records() {
        records_agree(&records);
    }
    if let Ok(operations) = batch.operations() {
        operations_agree(&operations);
    }
    if let Ok(groups) = batch.groups() {
        groups_agree(&groups);
    }
    if let Ok(timers) = batch.timers() {
        for (row, timer) in timers.iter().enumerate() {
            let record = timers.get(row);
            assert_eq!(timer, record);
        }
        assert_eq!(timers.iter().count(), batch.rows());
    }
}

fn records_agree(records: &Records<'_>) {
    use pelton_batch::layout::tag;
    let batch = records.batch();
    let all: Vec<_> = records.iter().map(parts).collect();
    assert_eq!(all.len(), batch.rows());
    for (row, (key, value, timestamp, headers)) in all.iter().enumerate() {
        assert_eq!(*key, batch.var(tag::KEY).and_then(|column| column.get(row)));
        assert_eq!(*value, batch.var(tag::VALUE).and_then(|column| column.get(row)));
        assert_eq!(*timestamp, batch.fixed::<i64>(tag::TIMESTAMP).map_or(0, |c| c.get(row)));
        assert_eq!(records.get(row).row(), row);
        assert_eq!(records.headers(row).collect::<Vec<_>>(), *headers);
        for header in headers {
            let first = headers.iter().find(|h| h.name == header.name).and_then(|h| h.value);
            assert_eq!(records.get(row).header(header.name), first);
        }
    }
    for column in [tag::KEY, tag::VALUE].iter().filter_map(|tag| batch.var(*tag)) {
        // Elements lie one behind the other, and a null may have bytes.
        let there: usize =
            (0..column.len()).filter_map(|row| column.get(row)).map(<[u8]>::len).sum();
        assert!(there <= column.bytes_of(0..column.len()).len());
    }
    let mut builder = RecordsBuilder::new();
    builder.extend_from(records, 0..records.len());
    let extended = builder.finish();
    (0..records.len()).for_each(|row| _ = builder.push_from(records, row));
    for copy in [extended, builder.finish()] {
        let copy = Batch::parse(&copy).expect("a copy parses");
        copy.validate().expect("a copy of what is valid is valid");
        assert_eq!(copy.records().expect("records").iter().map(parts).collect::<Vec<_>>(), all);
    }
}

fn operations_agree(operations: &Operations<'_>) {
    let all: Vec<Operation<'_>> = operations.iter().collect();
    let mut builder = OperationsBuilder::new();
    for (row, operation) in all.iter().enumerate() {
        assert_eq!(operations.get(row), *operation);
        builder.push(operation).headers(operations.headers(row));
    }
    if let Some(causes) = operations.plain_forwards() {
        assert!(causes.iter().eq(all.iter().map(|operation| operation.cause)));
    }
    let copy = builder.finish();
    let copy = Batch::parse(&copy).expect("a copy parses");
    copy.validate().expect("a copy of what is valid is valid");
    let copy = copy.operations().expect("operations");
    assert_eq!(copy.iter().collect::<Vec<_>>(), all);
    for row in 0..all.len() {
        assert!(copy.headers(row).eq(operations.headers(row)));
    }
}

fn groups_agree(groups: &Groups<'_>) {
    let rows = groups.records().len();
    let mut members = 0;
    for (index, group) in groups.iter().enumerate() {
        assert_eq!((group, group.index), (groups.get(index), index));
        assert!(groups.rows(index).all(|row| row < rows));
        members += groups.rows(index).count();
    }
    let kind = groups.records().batch().kind();
    assert!(matches!(kind, Kind::Window | Kind::Accumulate | Kind::Merge | Kind::Finish));
    let column = groups.records().batch().column(pelton_batch::layout::tag::GROUP_MEMBERS);
    assert!(members <= column.map_or(rows, |column| column.len() / 4));
}
