//! What changed since the engine last asked: the batch that a commit journals.
//!
//! Rows are kept in one list and turned into columns at the end, so that a call can be taken back
//! by cutting the list.

use pelton_batch::layout::{self, Column, tag};
use pelton_batch::{Kind, OpKind};

/// Most bytes of keys and values that may wait to be taken: columns end at 4 GiB.
pub(crate) const CHANGES_BYTES_MAX: u64 = 1 << 30;

/// About what a change has in a batch beside key and value, bytes.
pub(crate) const ROW_BYTES: u64 = 32;

/// One change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeRow<'a> {
    pub(crate) kind: OpKind,
    pub(crate) target: u16,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// Stores: when the entry expires. Timers: when it is due. Panes: records.
    pub(crate) timestamp: Option<i64>,
    pub(crate) schema: u32,
}

impl<'a> ChangeRow<'a> {
    /// A change without value, time and schema.
    pub(crate) fn new(kind: OpKind, target: u16, key: Option<&'a [u8]>) -> Self {
        Self { kind, target, key, value: None, timestamp: None, schema: 0 }
    }
}

const KEY: u8 = 1;
const VALUE: u8 = 2;
const TIME: u8 = 4;

#[derive(Debug, Clone, Copy)]
struct Row {
    timestamp: i64,
    key_end: u32,
    value_end: u32,
    schema: u32,
    target: u16,
    kind: u8,
    has: u8,
}

/// The changes that wait to be taken.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    rows: Vec<Row>,
    keys: Vec<u8>,
    values: Vec<u8>,
    /// Rows and bytes at the start of the call under way.
    mark: (usize, usize, usize),
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of changes.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> u64 {
        (self.keys.len() + self.values.len()) as u64
    }

    pub(crate) fn begin(&mut self) {
        self.mark = (self.rows.len(), self.keys.len(), self.values.len());
    }

    /// Forgets the changes since [`Self::begin`].
    pub(crate) fn rollback(&mut self) {
        self.rows.truncate(self.mark.0);
        self.keys.truncate(self.mark.1);
        self.values.truncate(self.mark.2);
    }

    #[inline]
    pub(crate) fn push(&mut self, row: ChangeRow<'_>) {
        self.keys.extend_from_slice(row.key.unwrap_or_default());
        self.values.extend_from_slice(row.value.unwrap_or_default());
        let has = |there: bool, bit: u8| if there { bit } else { 0 };
        self.rows.push(Row {
            timestamp: row.timestamp.unwrap_or_default(),
            key_end: self.keys.len() as u32,
            value_end: self.values.len() as u32,
            schema: row.schema,
            target: row.target,
            kind: row.kind as u8,
            has: has(row.key.is_some(), KEY)
                | has(row.value.is_some(), VALUE)
                | has(row.timestamp.is_some(), TIME),
        });
    }

    /// All changes as a batch of kind `Operations`, or nothing; and forgets them.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.rows.is_empty() {
            self.write(&mut out);
        }
        self.rows.clear();
        self.keys.clear();
        self.values.clear();
        self.mark = (0, 0, 0);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        let rows = &self.rows;
        let kinds: Vec<u8> = rows.iter().map(|row| row.kind).collect();
        let causes = vec![0; rows.len() * 4];
        let targets: Vec<u8> = rows.iter().flat_map(|row| row.target.to_le_bytes()).collect();
        let key_ends = self.ends(|row| row.key_end);
        let value_ends = self.ends(|row| row.value_end);
        let [keys, values, times] = [KEY, VALUE, TIME].map(|bit| self.bits(bit));
        let timestamps: Vec<u8> = rows.iter().flat_map(|row| row.timestamp.to_le_bytes()).collect();
        let schemas: Vec<u8> = rows.iter().flat_map(|row| row.schema.to_le_bytes()).collect();
        let mut columns = Vec::with_capacity(12);
        let mut add = |tag, width, bytes| columns.push(Column { tag, width, bytes });
        add(tag::OP_KIND, 1, &kinds[..]);
        add(tag::CAUSE, 4, &causes);
        if rows.iter().any(|row| row.target != 0) {
            add(tag::TARGET, 2, &targets);
        }
        add(tag::KEY, 4, &key_ends);
        add(tag::KEY + 1, 1, &self.keys);
        if self.any_without(KEY) {
            add(tag::KEY + 2, 0, &keys);
        }
        add(tag::VALUE, 4, &value_ends);
        add(tag::VALUE + 1, 1, &self.values);
        if self.any_without(VALUE) {
            add(tag::VALUE + 2, 0, &values);
        }
        if rows.iter().any(|row| row.has & TIME != 0) {
            add(tag::TIMESTAMP, 8, &timestamps);
            add(tag::TIMESTAMP_VALID, 0, &times);
        }
        if rows.iter().any(|row| row.schema != 0) {
            add(tag::SCHEMA, 4, &schemas);
        }
        layout::write(Kind::Operations, rows.len() as u32, &columns, out);
    }

    fn ends(&self, end: impl Fn(&Row) -> u32) -> Vec<u8> {
        let ends = self.rows.iter().flat_map(|row| end(row).to_le_bytes());
        [0; 4].into_iter().chain(ends).collect()
    }

    fn any_without(&self, bit: u8) -> bool {
        self.rows.iter().any(|row| row.has & bit == 0)
    }

    fn bits(&self, bit: u8) -> Vec<u8> {
        let eight = |rows: &[Row]| {
            rows.iter()
                .enumerate()
                .fold(0, |bits, (i, row)| bits | u8::from(row.has & bit != 0) << i)
        };
        self.rows.chunks(8).map(eight).collect()
    }
}
