//! Real batches of keyed records, for topics that are compacted.

use std::collections::BTreeMap;

use pelton_batch::{Batch as Layout, RecordsBuilder};
use pelton_journal::{Commit, Journal, Partition, Result, Visibility};

/// A record: key, value (none: a tombstone), timestamp.
pub(crate) type Row = (Vec<u8>, Option<Vec<u8>>, i64);

pub(crate) fn row(key: &str, value: &str) -> Row {
    (key.into(), (!value.is_empty()).then(|| value.into()), 0)
}

/// Appends one batch at `time_ms` and answers the offset of its first record.
pub(crate) fn produce(
    journal: &Journal,
    to: &Partition,
    rows: &[Row],
    time_ms: i64,
) -> Result<u64> {
    let mut builder = RecordsBuilder::new();
    for (key, value, timestamp) in rows {
        builder.push(Some(key), value.as_deref(), *timestamp);
        builder.header("of", Some(key));
    }
    let latest = rows.iter().map(|row| row.2).max().unwrap();
    let bytes = builder.finish();
    let mut commit = Commit::new(time_ms);
    let part = commit.batch(to, rows.len() as u32, latest, [&bytes[..]]);
    journal.append(&mut commit)?;
    Ok(commit.base_offset(part))
}

/// All records of a partition by offset, read in order from its start; checks what any reader
/// relies on.
pub(crate) fn records(partition: &Partition, visibility: Visibility) -> BTreeMap<u64, Row> {
    let mut found = BTreeMap::new();
    let mut at = partition.offsets().start;
    let mut last = None;
    while let Some(batch) = partition.read(at, visibility).unwrap() {
        assert!(batch.base_offset <= at && at < batch.next_offset());
        let layout = Layout::parse(&batch.bytes).unwrap();
        layout.validate().unwrap();
        let records = layout.records().unwrap();
        assert_eq!(records.len(), batch.rows as usize);
        for row in batch.row_at(at)..records.len() {
            let offset = batch.offset(row);
            assert!(offset >= at && offset < batch.next_offset());
            assert!(last.is_none_or(|last| last < offset), "records are in order");
            assert_eq!(batch.row_at(offset), row);
            assert!(records.timestamp(row) <= batch.timestamp_max);
            last = Some(offset);
            let key = records.key(row).unwrap().to_vec();
            let header = records.headers(row).next().unwrap();
            assert_eq!((header.name, header.value), ("of", Some(&key[..])));
            let value = records.value(row).map(<[u8]>::to_vec);
            found.insert(offset, (key, value, records.timestamp(row)));
        }
        at = batch.next_offset();
    }
    assert_eq!(at, partition.end(visibility), "reading ends at the end");
    found
}
