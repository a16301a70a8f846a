//! What a call knows of a store: values read, values written.

use core::any::Any;

use pelton_batch::layout::tag;
use pelton_batch::{
    Batch, Kind, OpKind, Operation, OperationsBuilder, RecordsBuilder, StoredValue,
};

use super::StoreValue;
use super::put::{Put, encode};
use super::schema::Schema;
use super::table::{Table, hash};
use crate::context::{Context, operation};
use crate::error::{Error, Result};
use crate::host;

/// A cache whose value type is not known where it is used.
pub(crate) trait ErasedCache: Any + Send {
    /// The record at hand is done: its writes stay.
    fn keep(&mut self);
    /// The record at hand is rejected: its writes are taken back. Those that stand among the
    /// operations the caller takes back.
    fn take_back(&mut self);
    /// Appends the writes that do not stand among the operations yet, and forgets everything.
    fn flush(&mut self, operations: &mut OperationsBuilder) -> Result<()>;
    /// Forgets everything.
    fn clear(&mut self);
    /// Appends the put of a stored value in the version of this code.
    fn migrate(&mut self, value: &StoredValue<'_>, out: &mut OperationsBuilder) -> Result<()>;
}

/// What is known of a key's value.
#[derive(Clone)]
enum Slot<V> {
    Unknown,
    Absent,
    Present(V),
    Broken(Error),
}

/// The last write of the call to a key.
#[derive(Clone, Copy)]
struct Write {
    cause: u32,
    /// Whether it stands among the operations already.
    sent: bool,
}

struct Entry<V> {
    /// Where the key lies in [`Keys`].
    key: (u32, u32),
    slot: Slot<V>,
    write: Option<Write>,
}

/// The bytes of all keys, one behind the other: no allocation a key.
#[derive(Default)]
struct Keys(Vec<u8>);

impl Keys {
    fn add(&mut self, key: &[u8]) -> (u32, u32) {
        let start = self.0.len() as u32;
        self.0.extend_from_slice(key);
        (start, self.0.len() as u32)
    }

    fn get(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.0[start as usize..end as usize]
    }
}

pub(crate) struct Cache<V> {
    store: u16,
    name: Box<str>,
    schema: Schema<V>,
    table: Table,
    keys: Keys,
    entries: Vec<Entry<V>>,
    scratch: Vec<u8>,
    /// Positions of the entries with a write, in the order of the first write.
    written: Vec<u32>,
    /// Prefixes that were deleted.
    prefixes: Vec<Box<[u8]>>,
    /// What the record at hand has overwritten, oldest first.
    undo: Vec<(u32, Slot<V>, Option<Write>)>,
    undo_written: usize,
    undo_prefixes: usize,
    /// Whether the keys of the call's records have been read.
    ahead: bool,
}

impl<V: StoreValue> Cache<V> {
    pub(crate) fn new(store: u16, name: &str, schema: Schema<V>) -> Self {
        Self {
            store,
            name: name.into(),
            schema,
            table: Table::default(),
            keys: Keys::default(),
            entries: Vec::new(),
            scratch: Vec::new(),
            written: Vec::new(),
            prefixes: Vec::new(),
            undo: Vec::new(),
            undo_written: 0,
            undo_prefixes: 0,
            ahead: false,
        }
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        self.table.find(hash(key), |position| self.key_at(position) == key)
    }

    fn key_at(&self, position: usize) -> &[u8] {
        self.keys.get(self.entries[position].key)
    }

    /// The position of the entry of `key`, whatever is known of its value.
    fn entry(&mut self, key: &[u8]) -> usize {
        let hash = hash(key);
        let known = self.table.find(hash, |position| self.key_at(position) == key);
        if let Some(position) = known {
            return position;
        }
        let slot = if self.is_prefix_deleted(key) { Slot::Absent } else { Slot::Unknown };
        let position = self.entries.len();
        self.entries.push(Entry { key: self.keys.add(key), slot, write: None });
        self.table.insert(hash, position);
        position
    }

    fn is_prefix_deleted(&self, key: &[u8]) -> bool {
        self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    /// The position of the entry of `key`, its value known.
    fn load(&mut self, key: &[u8], ctx: &Context<'_>) -> usize {
        let position = self.entry(key);
        if !matches!(self.entries[position].slot, Slot::Unknown) {
            return position;
        }
        let (units, cause) = (ctx.units, ctx.cause as usize);
        if !self.ahead && units.key(cause) == Some(key) {
            self.ahead = true;
            self.fetch((cause..units.len()).filter_map(|unit| units.key(unit)));
        } else {
            self.fetch(core::iter::once(key));
        }
        position
    }

    /// Reads those of the keys that are not known, in one crossing.
    pub(crate) fn fetch<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) {
        let mut asked = Vec::new();
        let mut request = RecordsBuilder::new();
        for key in keys {
            let position = self.entry(key);
            let slot = &mut self.entries[position].slot;
            if matches!(slot, Slot::Unknown) {
                // Known as far as the next record with the same key goes.
                *slot = Slot::Absent;
                request.push(Some(key), None, 0);
                asked.push(position);
            }
        }
        if asked.is_empty() {
            return;
        }
        let answer = host::get_many(self.store, &request.finish_as(Kind::Keys));
        let values = Batch::parse(&answer).and_then(Batch::records);
        let versions = values.as_ref().ok().and_then(|v| v.batch().fixed::<u32>(tag::SCHEMA));
        for (row, position) in asked.into_iter().enumerate() {
            let version = versions.map_or(0, |versions| versions.get(row));
            let slot = match values.as_ref().map(|values| values.value(row)) {
                Ok(None) => Slot::Absent,
                Ok(Some(bytes)) => self
                    .decode(self.key_at(position), bytes, version)
                    .map_or_else(Slot::Broken, Slot::Present),
                Err(error) => Slot::Broken(error.clone().into()),
            };
            self.entries[position].slot = slot;
        }
    }

    /// The value of `key` from its bytes, whatever version they are of.
    pub(super) fn decode(&self, key: &[u8], bytes: &[u8], version: u32) -> Result<V> {
        self.schema.read(version, bytes).map_err(|error| self.unreadable(key, version, error))
    }

    #[cold]
    fn unreadable(&self, key: &[u8], version: u32, error: Error) -> Error {
        let (key, name, own) = (String::from_utf8_lossy(key), &self.name, self.schema.written());
        if version == own {
            // No record is at fault: what is stored was written by other code.
            return Error::fail(format!(
                "the value of key {key:?} in store `{name}` cannot be read: {error}; if its type has \
                 changed, give the store a new schema version with a migration"
            ));
        }
        error.explained(|reason| {
            format!(
                "the value of key {key:?} in store `{name}` is of schema version {version} and \
                 cannot be migrated to version {own}: {reason}"
            )
        })
    }

    fn value(&self, position: usize) -> Result<Option<&V>> {
        match &self.entries[position].slot {
            Slot::Present(value) => Ok(Some(value)),
            Slot::Absent | Slot::Unknown => Ok(None),
            Slot::Broken(error) => Err(error.clone()),
        }
    }

    pub(crate) fn read(&mut self, key: &[u8], ctx: &Context<'_>) -> Result<Option<&V>> {
        let position = self.load(key, ctx);
        self.value(position)
    }

    /// Notes a write to an entry, and how to take it back.
    fn note(&mut self, position: usize, before: Slot<V>, write: Write) {
        let entry = &mut self.entries[position];
        self.undo.push((position as u32, before, entry.write));
        if entry.write.is_none() {
            self.written.push(position as u32);
        }
        entry.write = Some(write);
    }

    /// Sets a value, or deletes it.
    pub(crate) fn write(&mut self, key: &[u8], value: Option<V>, cause: u32) {
        let position = self.entry(key);
        let slot = value.map_or(Slot::Absent, Slot::Present);
        let before = core::mem::replace(&mut self.entries[position].slot, slot);
        self.note(position, before, Write { cause, sent: false });
    }

    /// Sets a value with a time to live, at once: the host must know of it even where a later
    /// record of the call overwrites it, since it may expire in between.
    pub(crate) fn write_for(
        &mut self,
        key: &[u8],
        value: V,
        ttl: i64,
        cause: u32,
        operations: &mut OperationsBuilder,
    ) -> Result<()> {
        encode(&value, &mut self.scratch)?;
        let put = Put { store: self.store, schema: self.schema.written(), cause, ttl };
        put.push(operations, key, &self.scratch);
        let position = self.entry(key);
        let slot = &mut self.entries[position].slot;
        let before = core::mem::replace(slot, Slot::Present(value));
        self.note(position, before, Write { cause, sent: true });
        Ok(())
    }

    /// The value under `key`, to be changed where it stands.
    pub(crate) fn change(&mut self, key: &[u8], ctx: &Context<'_>) -> Result<&mut V>
    where
        V: Default,
    {
        let position = self.load(key, ctx);
        self.value(position)?;
        let before = self.entries[position].slot.clone();
        if matches!(before, Slot::Absent) {
            self.entries[position].slot = Slot::Present(V::default());
        }
        self.note(position, before, Write { cause: ctx.cause, sent: false });
        match &mut self.entries[position].slot {
            Slot::Present(value) => Ok(value),
            _ => Err(Error::fail("a value is gone between two lines")),
        }
    }

    /// Deletes the keys that start with `prefix`, at once: what was written with a time to live
    /// before it goes, what is written after it stays.
    pub(crate) fn delete_prefix(
        &mut self,
        prefix: &[u8],
        cause: u32,
        operations: &mut OperationsBuilder,
    ) {
        let (target, key) = (self.store, Some(prefix));
        let delete = operation(OpKind::DeletePrefix);
        operations.push(&Operation { cause, target, key, ..delete });
        for position in 0..self.entries.len() {
            if !self.key_at(position).starts_with(prefix) {
                continue;
            }
            let entry = &mut self.entries[position];
            let before = core::mem::replace(&mut entry.slot, Slot::Absent);
            match entry.write {
                Some(_) => self.note(position, before, Write { cause, sent: true }),
                None => self.undo.push((position as u32, before, None)),
            }
        }
        self.prefixes.push(prefix.into());
    }

    /// Keys with a write from `start` on and before `end`, and their values.
    pub(super) fn overlay(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> impl Iterator<Item = (&[u8], Option<&V>)> {
        let within = move |key: &[u8]| key >= start && end.is_none_or(|end| key < end);
        self.written.iter().map(|at| &self.entries[*at as usize]).filter_map(move |entry| {
            let value = match &entry.slot {
                Slot::Present(value) => Some(value),
                _ => None,
            };
            let key = self.keys.get(entry.key);
            within(key).then_some((key, value))
        })
    }

    /// Whether the host's value of `key` is out of date.
    pub(super) fn hides(&self, key: &[u8]) -> bool {
        let written = self.find(key).is_some_and(|at| self.entries[at].write.is_some());
        written || self.is_prefix_deleted(key)
    }

    pub(super) fn store(&self) -> u16 {
        self.store
    }
}

impl<V: StoreValue> ErasedCache for Cache<V> {
    fn keep(&mut self) {
        self.undo.clear();
        self.undo_written = self.written.len();
        self.undo_prefixes = self.prefixes.len();
    }

    fn take_back(&mut self) {
        for (position, slot, write) in self.undo.drain(..).rev() {
            let entry = &mut self.entries[position as usize];
            entry.slot = slot;
            entry.write = write;
        }
        self.written.truncate(self.undo_written);
        if self.prefixes.len() > self.undo_prefixes {
            self.prefixes.truncate(self.undo_prefixes);
            // Keys that were taken for deleted without asking the host are unknown again.
            for entry in self.entries.iter_mut().filter(|entry| entry.write.is_none()) {
                entry.slot = Slot::Unknown;
            }
            self.ahead = false;
        }
    }

    fn flush(&mut self, operations: &mut OperationsBuilder) -> Result<()> {
        for position in &self.written {
            let Entry { key, slot, write } = &self.entries[*position as usize];
            match (slot, write) {
                (_, None | Some(Write { sent: true, .. })) => {}
                (Slot::Present(value), Some(Write { cause, .. })) => {
                    encode(value, &mut self.scratch)?;
                    let schema = self.schema.written();
                    let put = Put { store: self.store, schema, cause: *cause, ttl: 0 };
                    put.push(operations, self.keys.get(*key), &self.scratch);
                }
                (_, Some(Write { cause, .. })) => {
                    let (cause, target) = (*cause, self.store);
                    let key = Some(self.keys.get(*key));
                    let delete = operation(OpKind::Delete);
                    operations.push(&Operation { cause, target, key, ..delete });
                }
            }
        }
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.table.clear();
        self.keys.0.clear();
        self.entries.clear();
        self.written.clear();
        self.prefixes.clear();
        self.undo.clear();
        self.undo_written = 0;
        self.undo_prefixes = 0;
        self.ahead = false;
    }

    fn migrate(&mut self, value: &StoredValue<'_>, out: &mut OperationsBuilder) -> Result<()> {
        let migrated = self.schema.read(value.schema, value.value)?;
        encode(&migrated, &mut self.scratch)?;
        let (store, schema) = (self.store, self.schema.written());
        // The host keeps the time to live.
        let put = Put { store, schema, cause: value.row as u32, ttl: 0 };
        put.push(out, value.key, &self.scratch);
        Ok(())
    }
}
